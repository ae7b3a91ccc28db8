package helmchart_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/chartgate/chartgate/pkg/servingcert"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestServerAccepts gives everything that the chart can render to a real API server, which also
// warns of pods that are not "restricted".
func TestServerAccepts(t *testing.T) {
	c := theControlPlane(t)
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			if stderr := c.kubectl(template(t, values), "apply", "--dry-run=server", "--validate=strict", "-f", "-"); stderr != "" {
				t.Errorf("warnings:\n%s", stderr)
			}
			// For a Deployment the API server only warns; it would refuse the pod.
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "chartgate", Namespace: namespace}, Spec: pod(t, values)}
			if err := c.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
				t.Errorf("the pod: %v", err)
			}
		})
	}
}

// TestLifeOfARelease installs, upgrades and uninstalls the chart with helm, while the serving
// certificate is made with the rights of chartgate's ServiceAccount only.
func TestLifeOfARelease(t *testing.T) {
	c := theControlPlane(t)
	c.helm("", "install", "chartgate", chartDir)
	c.rights()
	c.rotate()
	before := c.certificates()
	for key, data := range before {
		if data == "" {
			t.Errorf("%s is empty after the rotation", key)
		}
	}

	c.helm("{replicas: 3, webhook: {timeoutSeconds: 7}}", "upgrade", "chartgate", chartDir, "--values", "-")
	deployment := &appsv1.Deployment{}
	if c.get("chartgate", deployment); *deployment.Spec.Replicas != 3 {
		t.Errorf("the upgrade left %d replicas", *deployment.Spec.Replicas)
	}
	if diff := cmp.Diff(before, c.certificates()); diff != "" {
		t.Errorf("the upgrade changed certificates (-before +after):\n%s", diff)
	}

	policy := c.policy("kept")
	c.create(policy)
	c.helm("", "uninstall", "chartgate")
	for name, object := range map[string]client.Object{
		"the webhook configuration": &admissionv1.ValidatingWebhookConfiguration{},
		"the Deployment":            deployment,
	} {
		if !c.gone("chartgate", object) {
			t.Errorf("%s is left behind", name)
		}
	}
	if !c.gone("chartgate-certificate", &corev1.Secret{}) {
		t.Error("the certificate is left behind")
	}
	if c.gone("kept", policy) {
		t.Error("the policy is gone")
	}
	c.helm("", "install", "chartgate", chartDir)
	if c.gone("kept", policy) {
		t.Error("the policy is gone after a second installation")
	}

	// And to a certificate by another CA, and back.
	c.helm(installations["everything, with an existing certificate"], "upgrade", "chartgate", chartDir, "--values", "-")
	if got := c.certificates()["caBundle of charts.chartgate.dev"]; got != someCertificate+"\n" {
		t.Errorf("caBundle is %q", got)
	}
	c.helm("", "upgrade", "chartgate", chartDir, "--reset-values")
	c.rotate()
}

// TestPoliciesBeforeTheGate is the README's way to install without a gap.
func TestPoliciesBeforeTheGate(t *testing.T) {
	c := theControlPlane(t)
	crds, err := cluster.Helm(t.Context(), "", "template", "chartgate", chartDir, "--show-only", "templates/crds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(crds.Stdout, "apply", "--server-side", "-f", "-")
	c.kubectl("", "wait", "--for=condition=Established", "crd/chartpolicies.chartgate.dev", "crd/trustedidentities.chartgate.dev", "crd/trustroots.chartgate.dev")
	policy := c.policy("first")
	c.create(policy)
	c.helm("", "install", "chartgate", chartDir, "--take-ownership")
	if c.gone("first", policy) {
		t.Error("the policy is gone")
	}
	c.helm("", "upgrade", "chartgate", chartDir)
}

// TestNotesApply: what the notes tell the admin to apply is accepted.
func TestNotesApply(t *testing.T) {
	c := theControlPlane(t)
	stdout := c.helm("", "install", "chartgate", chartDir)
	// There is no Flux and no Argo CD in this cluster, only their definitions.
	for _, user := range []string{
		"artifactWriters: system:serviceaccount:flux-system:source-controller", "releaseWriters: system:serviceaccount:flux-system:helm-controller",
		"argoUsers: system:serviceaccount:argocd:argocd-application-controller",
	} {
		if !strings.Contains(stdout, user) {
			t.Errorf("the notes do not warn of %s:\n%s", user, stdout)
		}
	}
	_, rest, _ := strings.Cut(stdout, "<<'EOF'\n")
	manifest, _, found := strings.Cut(rest, "\nEOF\n")
	if !found {
		t.Fatalf("no manifest in the notes:\n%s", stdout)
	}
	c.kubectl(manifest, "apply", "-f", "-")
	c.kubectl("", "patch", "chartpolicy", "everything", "--type", "merge", "--patch", `{"spec":{"mode":"Enforce"}}`)
	c.kubectl("", "get", "chartgate")
	for _, account := range []string{"flux-system/source-controller", "flux-system/helm-controller", "argocd/argocd-application-controller"} {
		in, name, _ := strings.Cut(account, "/")
		c.kubectl("", "create", "serviceaccount", name, "--namespace", in)
	}
	if stdout = c.helm("", "upgrade", "chartgate", chartDir); strings.Contains(stdout, "WARNING") {
		t.Error(stdout)
	}
	c.kubectl("", "delete", "validatingwebhookconfiguration", "chartgate")
	c.helm("", "upgrade", "chartgate", chartDir)
	if c.gone("chartgate", &admissionv1.ValidatingWebhookConfiguration{}) {
		t.Error("the upgrade did not bring the webhook configuration back")
	}
}

// certificates are the Secret's data and the CAs that the API server trusts.
func (c *controlPlane) certificates() map[string]string {
	c.t.Helper()
	result := map[string]string{}
	configuration := &admissionv1.ValidatingWebhookConfiguration{}
	c.get("chartgate", configuration)
	for _, webhook := range configuration.Webhooks {
		result["caBundle of "+webhook.Name] = string(webhook.ClientConfig.CABundle)
	}
	secret := &corev1.Secret{}
	if c.gone("chartgate-certificate", secret) {
		return result
	}
	for _, key := range []string{"ca.crt", "ca.key", "tls.crt", "tls.key"} {
		result[key] = string(secret.Data[key])
	}
	return result
}

// rotate makes the certificate as chartgate does, as chartgate's ServiceAccount.
func (c *controlPlane) rotate() {
	c.t.Helper()
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":chartgate",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:     clientgoscheme.Scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)}, // several in this process
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{namespace: {}}},
		}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	certificate := servingcert.New(manager.GetAPIReader(), manager.GetClient(), servingcert.Options{
		Secret:        types.NamespacedName{Namespace: namespace, Name: "chartgate-certificate"},
		Configuration: "chartgate",
		DNSName:       "chartgate." + namespace + ".svc",
	})
	if err := certificate.SetupWithManager(manager); err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(c.t.Context(), harness.Patience)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	select {
	case <-certificate.Ready():
	case err := <-done:
		c.t.Fatalf("the manager stopped before the certificate was there: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		c.t.Fatal(err)
	}
}
