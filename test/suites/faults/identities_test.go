package faults_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	"github.com/chartgate/chartgate/test/harness"
)

// wrongIdentities are values whose key is cut off, which no template sees.
const wrongIdentities = `
identities:
- name: acme-key
  charts: ["oci://other.example/**"]
  key:
    pem: |
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
      -----END PUBLIC KEY-----
`

// TestWrongIdentities: identities in values that do not compile never take two replicas out of
// service that run already, and a new replica does not start to serve with them.
func TestWrongIdentities(t *testing.T) {
	s := openSite(t)
	replicas := []*replica{s.start(t), s.start(t)}
	if err := s.ApplyText(t.Context(), harness.Source("HelmRepository", "acme", `spec: {type: oci, url: "oci://HOST/acme"}`)); err != nil {
		t.Fatal(err)
	}
	const wrong = "data[identities.yaml][0].key.pem"

	// What helm writes first in an upgrade. It stops there, and the release stays as it was.
	err := s.Apply(t.Context(), s.identities(t, wrongIdentities))
	if err == nil || !strings.Contains(err.Error(), `The ConfigMap "chartgate-identities" is invalid: `+wrong) {
		t.Errorf("the upgrade is not refused at its field: %v", err)
	}
	if answer := s.create(t); len(answer.Causes) > 0 {
		t.Errorf("after the upgrade that was refused, a signed chart is denied: %s", answer.Message)
	}

	// Behind the back of the webhook, as before a first installation, or by a version that took them.
	s.ignorePolicies(t)
	harness.Eventually(t, func() string {
		if err := s.Apply(t.Context(), s.identities(t, wrongIdentities)); err != nil {
			return err.Error()
		}
		return ""
	})
	harness.Eventually(t, func() string {
		if answer := s.create(t); !strings.Contains(strings.Join(answer.Causes, " "), "PolicyInvalid") || !strings.Contains(answer.Message, wrong) {
			return "the denial does not say what is wrong: " + answer.Message
		}
		return ""
	})
	for _, replica := range replicas {
		if err := replica.process.Ready(t.Context()); err != nil {
			t.Errorf("a replica that served is out of service: %v", err)
		}
	}
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Installation.Launch(t.Context(), fmt.Sprintf("--webhook-port=%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Stop() })
	line := regexp.MustCompile(`the ConfigMap is invalid: every chart is denied until it is fixed, and this replica does not become ready before.*` + regexp.QuoteMeta(wrong))
	if _, err := next.WaitLog(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	if err := next.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "[-]policies failed") {
		t.Errorf("a new replica serves with them: %v", err)
	}

	harness.Eventually(t, func() string {
		out, err := s.Kubectl(t.Context(), "", "describe", "configmap", "chartgate-identities", "--namespace", cluster.Namespace)
		if err != nil {
			return err.Error()
		}
		if !strings.Contains(out.Stdout, "every chart is denied until this is fixed: "+wrong) {
			return "no Event on the ConfigMap:\n" + out.Stdout
		}
		return ""
	})

	// Fixed, it serves without a restart.
	if err := s.Apply(t.Context(), s.identities(t, "")); err != nil {
		t.Fatal(err)
	}
	if err := next.WaitReady(t.Context()); err != nil {
		t.Error(err)
	}
	harness.Eventually(t, func() string { return s.create(t).Message })
}

// identities is the ConfigMap that the chart renders with values.
func (s *site) identities(t *testing.T, values string) *unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.Render(t.Context(), values)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() == "ConfigMap" && object.GetName() == "chartgate-identities" {
			return object
		}
	}
	t.Fatal("the chart renders no ConfigMap chartgate-identities")
	return nil
}

// create asks for a HelmRelease of a signed chart, without storing it.
func (s *site) create(t *testing.T) harness.Answer {
	t.Helper()
	release := s.Object(t, harness.HelmRelease("signed", "spec: {interval: 1m, "+harness.FromRepository("acme", "signed", "1.0.0")+"}"))
	answer, err := s.Try(t, harness.Admin, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, release).Create(t.Context(), release, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// ignorePolicies takes the webhook for policies out of the configuration.
func (s *site) ignorePolicies(t *testing.T) {
	t.Helper()
	configuration := &admissionv1.ValidatingWebhookConfiguration{}
	if err := s.Client.Get(t.Context(), types.NamespacedName{Name: "chartgate"}, configuration); err != nil {
		t.Fatal(err)
	}
	var gate []admissionv1.ValidatingWebhook
	for _, webhook := range configuration.Webhooks {
		if webhook.Name != "policies.chartgate.dev" {
			gate = append(gate, webhook)
		}
	}
	configuration.Webhooks = gate
	if err := s.Client.Update(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
}
