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
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/servingcert"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestServerAccepts gives everything that the chart can render to a real API server, which also
// warns of pods that are not "restricted".
func TestServerAccepts(t *testing.T) {
	c := theControlPlane(t)
	for name, values := range installations(t) {
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
	existing := installations(t)["everything, with an existing certificate"]
	var want struct {
		Certificates struct {
			CABundle string `json:"caBundle"`
		} `json:"certificates"`
	}
	if err := yaml.Unmarshal([]byte(existing), &want); err != nil || want.Certificates.CABundle == "" {
		t.Fatalf("no CA in the values: %v", err)
	}
	c.helm(existing, "upgrade", "chartgate", chartDir, "--values", "-")
	if diff := cmp.Diff(want.Certificates.CABundle, c.certificates()["caBundle of charts.chartgate.dev"]); diff != "" {
		t.Errorf("caBundle (-want +got):\n%s", diff)
	}
	c.helm("", "upgrade", "chartgate", chartDir, "--reset-values")
	c.rotate()
}

// TestPoliciesBeforeTheGate is the README's way to install without a gap.
func TestPoliciesBeforeTheGate(t *testing.T) {
	c := theControlPlane(t)
	crds, err := cluster.Helm(t.Context(), "", "template", "chartgate", chartDir, "--values", imageValues, "--show-only", "templates/crds.yaml")
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

// TestNotes: the notes warn of what is not in the cluster, and name commands that work.
func TestNotes(t *testing.T) {
	c := theControlPlane(t)
	values := "{registryConfig: {existingSecrets: [pull]}, trustedRoot: {existingConfigMap: corp-root}, replicas: 1}"
	stdout := c.helm(values, "install", "chartgate", chartDir, "--values", "-")
	// There is no Flux and no Argo CD in this cluster, only their definitions.
	for _, warning := range []string{
		"artifactWriters names a service account that does not exist: system:serviceaccount:flux-system:source-controller.",
		"releaseWriters names a service account that does not exist: system:serviceaccount:flux-system:helm-controller.",
		"With a wrong one, no HelmRelease is installed or upgraded.", "With a wrong one, Flux pulls no chart.",
		"argoUsers names a service account that does not exist: system:serviceaccount:argocd:argocd-application-controller.",
		"registryConfig.existingSecrets[0] names the Secret pull, which does not exist in chartgate-system",
		"trustedRoot.existingConfigMap names the ConfigMap corp-root, which does not exist in chartgate-system",
		"replicas is 1: while that pod is replaced, every write that changes a chart is denied.",
	} {
		if !strings.Contains(stdout, warning) {
			t.Errorf("the notes do not warn: %s\n%s", warning, stdout)
		}
	}
	for _, account := range []string{"flux-system/source-controller", "flux-system/helm-controller", "argocd/argocd-application-controller"} {
		in, name, _ := strings.Cut(account, "/")
		c.kubectl("", "create", "serviceaccount", name, "--namespace", in)
	}
	c.kubectl("", "create", "configmap", "corp-root", "--namespace", namespace, "--from-literal=root.json={}")
	const noKey = "trustedRoot.existingConfigMap names the ConfigMap corp-root, which has no key trusted_root.json"
	if stdout = c.helm("trustedRoot: {existingConfigMap: corp-root}", "upgrade", "chartgate", chartDir, "--values", "-"); !strings.Contains(stdout, noKey) {
		t.Errorf("the notes do not warn: %s\n%s", noKey, stdout)
	}
	if stdout = c.helm("", "upgrade", "chartgate", chartDir); strings.Contains(stdout, "WARNING") {
		t.Error(stdout)
	}
	stdout = c.helm("{artifactWriters: [], env: [{name: HTTPS_PROXY, value: x}], podDisruptionBudget: {maxUnavailable: 2}, resources: {limits: {memory: 256Mi}}, identities: [{name: a, charts: ['oci://r.corp/**'], keyless: {issuer: 'https://login.corp/', subject: s}}]}", "upgrade", "chartgate", chartDir, "--values", "-")
	for _, warning := range []string{
		"artifactWriters is empty, and the cluster has helmcharts.source.toolkit.fluxcd.io: name the service account",
		"env sets HTTPS_PROXY without NO_PROXY", "resources.limits.memory is 256Mi: below 384Mi", "podDisruptionBudget.maxUnavailable lets all pods be evicted at once",
		`identities[0].keyless.issuer is "https://login.corp/": most issuers have no / at the end`,
	} {
		if !strings.Contains(stdout, warning) {
			t.Errorf("the notes do not warn: %s\n%s", warning, stdout)
		}
	}
}

// TestValuesThatTheClusterRefutes: what only a look into the cluster shows is refused before anything
// is written.
func TestValuesThatTheClusterRefutes(t *testing.T) {
	c := theControlPlane(t)
	for values, want := range map[string]string{
		`secrets: {access: Namespaces, namespaces: [apps, nowhere]}`: `secrets.namespaces or argoNamespace names "nowhere", which does not exist: create it (kubectl create namespace nowhere), or take it out`,
		`argoNamespace: argo-cd`:                                     `secrets.namespaces or argoNamespace names "argo-cd", which does not exist`,
		`crds: {install: false}`:                                     `crds.install is false, and the cluster has no definition of chartpolicies: apply charts/chartgate/files/crds first, or write crds.install: true`,
		`priorityClassName: critical`:                                `priorityClassName is "critical", which does not exist: name one of "kubectl get priorityclasses"`,
	} {
		t.Run(values, func(t *testing.T) {
			out, err := c.tryHelm(values, "install", "chartgate", chartDir, "--values", "-")
			if err == nil || !strings.Contains(out.Stderr, want) {
				t.Errorf("want %s, got %v\n%s", want, err, out.Stderr)
			}
		})
	}
	if !c.gone("chartgate", &appsv1.Deployment{}) {
		t.Error("something was written")
	}
	c.helm(`{secrets: {access: Namespaces, namespaces: [apps]}, argoNamespace: argocd}`, "install", "chartgate", chartDir, "--values", "-")
}

// TestFailedWait: without nodes, no pod becomes ready. The webhook is there all the same, and the
// notes tell how to open the gate, and how to close it.
func TestFailedWait(t *testing.T) {
	c := theControlPlane(t)
	if out, err := c.tryHelm("", "install", "chartgate", chartDir, "--atomic", "--timeout", "3s"); err == nil {
		t.Fatalf("helm does not wait:\n%s", out.Stdout)
	}
	if !c.gone("chartgate", &admissionv1.ValidatingWebhookConfiguration{}) {
		t.Error("with --atomic, helm leaves the webhook behind")
	}
	out, err := c.tryHelm("", "install", "chartgate", chartDir, "--wait", "--timeout", "3s")
	if err == nil {
		t.Fatalf("helm does not wait:\n%s", out.Stdout)
	}
	release := object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "x", map[string]any{
		"interval": "1m", "chartRef": map[string]any{"kind": "OCIRepository", "name": "x"},
	})
	denied := func() bool {
		err := c.Client.Create(t.Context(), release.DeepCopy(), client.DryRunAll)
		if err != nil && !strings.Contains(err.Error(), `failed calling webhook "charts.chartgate.dev"`) {
			t.Fatal(err)
		}
		return err != nil
	}
	until := func(want bool) {
		t.Helper()
		harness.Eventually(t, func() string {
			if denied() != want {
				return "the gate is in the other state"
			}
			return ""
		})
	}
	until(true)
	notes, err := cluster.Helm(t.Context(), "", "get", "notes", "chartgate", "--kubeconfig", c.Kubeconfig, "--namespace", namespace)
	const open = "kubectl delete validatingwebhookconfiguration chartgate"
	if err != nil || !strings.Contains(notes.Stdout, "logs deployment/chartgate") || !strings.Contains(notes.Stdout, open) {
		t.Errorf("%v\n%s", err, notes.Stdout)
	}
	c.kubectl("", strings.Fields(open)[1:]...)
	until(false)
	c.helm("", "upgrade", "--install", "chartgate", chartDir)
	until(true)
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
