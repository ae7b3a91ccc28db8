// Package background_test tests the background verification with the real binary behind a real API
// server: what becomes of reports, Events and metrics when something changes that nobody writes to
// the cluster.
//
// The tests share a cluster and run one after the other, because each needs other definitions of
// reports, or another interval. Rows name the registry ghcr.io, which is one on 127.0.0.1.
package background_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &shared) }

var shared harness.Shared[*site]

// site is a cluster, and a registry with charts.
type site struct {
	*harness.Site
	registry *registrytest.Registry
	sigstore *sigstore.Sigstore
	layers   map[string]string // digests of archives, by chart
}

const (
	openReports   = "openreports.io_reports.yaml"
	policyReports = "wgpolicyk8s.io_policyreports.yaml"
)

func open(ctx context.Context) (*site, error) {
	s := &site{registry: registrytest.New(registrytest.Options{}), layers: map[string]string{}}
	var err error
	if s.sigstore, err = sigstore.New(time.Now); err != nil {
		return s, err
	}
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		return s, err
	}
	s.Site, err = harness.Open(ctx, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps"}},
		Values: map[string]any{
			"plainHTTP": []string{s.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)},
			"audit": map[string]any{"interval": "1h"},
		},
		Stopped: true,
		Local:   func(text string) string { return strings.ReplaceAll(text, "ghcr.io", s.registry.Host()) },
		Public:  func(text string) string { return strings.ReplaceAll(text, s.registry.Host(), "ghcr.io") },
	})
	return s, err
}

// Stop stops the cluster and the registry.
func (s *site) Stop() error {
	defer s.registry.Close()
	return s.Site.Stop()
}

// How often it looks: every few seconds, or not at all. The chart's own value is every hour.
const (
	soon  = "--audit-interval=1s"
	never = "--audit-interval=0"
)

// with is the site whose cluster serves the definitions of reports, with the policies and nothing
// else, and chartgate with more arguments.
func with(t *testing.T, definitions []string, policies string, args ...string) *site {
	t.Helper()
	s := shared.Get(t, open)
	if s.Gate != nil {
		if err := s.Gate.Stop(); err != nil {
			t.Fatal(err)
		}
		s.Gate = nil
	}
	s.registry.Heal()
	ctx := context.Background()
	for _, each := range []string{"helmreleases.helm.toolkit.fluxcd.io", "ocirepositories.source.toolkit.fluxcd.io", "events"} {
		s.kubectl(t, "", "delete", each, "--all", "-n", "apps")
	}
	s.kubectl(t, "", "delete", "chartpolicies,trustedidentities,trustroots", "--all")
	for _, each := range []string{openReports, policyReports} {
		path, err := cluster.Path("test", "fixtures", "reports", each)
		if err != nil {
			t.Fatal(err)
		}
		s.kubectl(t, "", "delete", "--ignore-not-found", "-f", path)
		if slices.Contains(definitions, each) {
			s.kubectl(t, "", "apply", "--server-side", "-f", path)
			s.kubectl(t, "", "wait", "--for=condition=Established", "-f", path)
		}
	}
	if err := s.ApplyText(ctx, policies); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx, args...); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := s.Kubectl(context.Background(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out.Stdout
}

const (
	release = "release@acme.example"
	acme    = `{match: {charts: ["oci://ghcr.io/acme/**"]}, require: [{anyOf: [acme-release]}], pinning: Version}`
)

func keyless(subject string) string {
	return `{keyless: {issuer: "https://issuer.example", subject: "` + subject + `"}}`
}

// trusting are policies under which release's charts below acme/ are admitted.
func trusting() string {
	return harness.Identity("acme-release", keyless(release)) + harness.Policy("acme", acme)
}

// publish pushes version 1.0.0 of a chart with some content, signed by the subject if it is not "".
func (s *site) publish(t *testing.T, name, content, subject string) (digest string) {
	t.Helper()
	repository := "acme/" + name
	archive, err := charts.Archive(name, "1.0.0", charts.File{Name: "values.yaml", Body: "message: " + content + "\n"})
	if err == nil {
		digest, s.layers[name], err = s.registry.PushChart(repository, "1.0.0", archive)
	}
	if err == nil && subject != "" {
		err = harness.Signing{Sigstore: s.sigstore, By: sigstore.Identity{Issuer: "https://issuer.example", Subject: subject}, Registry: s.registry}.Bundle(repository, digest)
	}
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// repository is an OCIRepository of a chart.
func (s *site) repository(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	return s.Object(t, harness.Source("OCIRepository", name,
		fmt.Sprintf("spec: {interval: 1h, url: oci://ghcr.io/acme/%s, ref: {tag: 1.0.0}, %s}", name, harness.HelmLayer)))
}

// deploy creates OCIRepositories of charts.
func (s *site) deploy(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.Apply(t.Context(), s.repository(t, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// report is the report on an OCIRepository in the flavor of the API version; nil if there is none.
func (s *site) report(t *testing.T, apiVersion, name string) *unstructured.Unstructured {
	t.Helper()
	kind := "Report"
	if strings.HasPrefix(apiVersion, "wgpolicyk8s.io") {
		kind = "PolicyReport"
	}
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "chartgate-ocirepository-" + name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

const v1alpha1 = "openreports.io/v1alpha1"

// results renders a report, a line for each result: "pass Verified".
func results(object *unstructured.Unstructured) string {
	if object == nil {
		return "no report"
	}
	all, _, _ := unstructured.NestedSlice(object.Object, "results")
	var lines []string
	for _, each := range all {
		result, _ := each.(map[string]any)
		lines = append(lines, fmt.Sprintf("%v %v", result["result"], result["rule"]))
	}
	return strings.Join(lines, ", ")
}

// message is that of the result of a rule.
func message(object *unstructured.Unstructured, rule string) string {
	all, _, _ := unstructured.NestedSlice(object.Object, "results")
	for _, each := range all {
		if result, _ := each.(map[string]any); result["rule"] == rule {
			return fmt.Sprint(result["message"])
		}
	}
	return ""
}

// reports waits for the results of the report on an OCIRepository.
func (s *site) reports(t *testing.T, apiVersion, name, want string) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	harness.Eventually(t, func() string {
		found = s.report(t, apiVersion, name)
		if got := results(found); got != want {
			return fmt.Sprintf("the report on %s says %q, not %q\n%s", name, got, want, s.log())
		}
		return ""
	})
	return found
}

func (s *site) log() string {
	if s.Gate == nil {
		return ""
	}
	return s.Gate.Log()
}

// events are those of the background verification on an OCIRepository, sorted: "Warning TagMoved".
func (s *site) events(t *testing.T, name string) []string {
	t.Helper()
	var list eventsv1.EventList
	if err := s.Client.List(t.Context(), &list, client.InNamespace("apps")); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, each := range list.Items {
		if each.Action == "Audit" && each.Regarding.Name == name {
			if each.Regarding.UID == "" || each.Regarding.Kind != "OCIRepository" {
				t.Errorf("the Event names no object: %+v", each.Regarding)
			}
			found = append(found, each.Type+" "+each.Reason)
		}
	}
	slices.Sort(found)
	return found
}

// metric waits for a line of the metrics.
func (s *site) metric(t *testing.T, line string) {
	t.Helper()
	harness.Eventually(t, func() string {
		text, err := s.Gate.Metrics(t.Context())
		if err != nil {
			return err.Error()
		}
		if !slices.Contains(strings.Split(text, "\n"), line) {
			return "no line " + line + " in\n" + strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return !strings.HasPrefix(l, "chartgate_audit") }), "\n")
		}
		return ""
	})
}

// looked waits until chartgate has looked at everything twice more.
func (s *site) looked(t *testing.T) {
	t.Helper()
	s.looks(t, strings.Count(s.log(), lookedAtAll)+2)
}

const lookedAtAll = "verified what runs in the cluster"

// looks waits until chartgate has looked at everything so often since its start.
func (s *site) looks(t *testing.T, often int) {
	t.Helper()
	harness.Eventually(t, func() string {
		if n := strings.Count(s.log(), lookedAtAll); n < often {
			return fmt.Sprintf("it has looked %d times, not %d\n%s", n, often, s.log())
		}
		return ""
	})
}
