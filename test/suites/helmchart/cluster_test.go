package helmchart_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // without any, controller-runtime complains after 30 seconds
	os.Exit(m.Run())
}

// cluster is a control plane: an API server that admits, validates and authorizes, and no node.
type cluster struct {
	t          *testing.T
	config     *rest.Config
	client     client.Client
	kubeconfig string
	kubectlBin string
}

// startCluster starts a control plane with the definitions of an older Flux, which serves old versions too, and of Argo
// CD, and an empty, "restricted" release namespace.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	assets, err := filepath.Abs(env("KUBEBUILDER_ASSETS", "../../../bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		tool(t, filepath.Join(assets, name))
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{tool(t, "../../../bin/crds/flux-old"), tool(t, "../../../bin/crds/argo"), "testdata/crds"},
		CRDInstallOptions:     envtest.CRDInstallOptions{MaxTime: 2 * time.Minute}, // 10 s by default, too few on a busy machine
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, config: config, kubectlBin: filepath.Join(assets, "kubectl"), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if c.client, err = client.New(config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	admin, err := environment.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.kubeconfig, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted",
	}}})
	for _, name := range []string{"apps", "argo", "argocd"} {
		c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return c
}

func (c *cluster) create(object client.Object) {
	c.t.Helper()
	if err := c.client.Create(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) get(name string, object client.Object) {
	c.t.Helper()
	if err := c.client.Get(c.t.Context(), c.key(name, object), object); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) gone(name string, object client.Object) bool {
	c.t.Helper()
	err := c.client.Get(c.t.Context(), c.key(name, object), object)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	return apierrors.IsNotFound(err)
}

func (c *cluster) key(name string, object client.Object) types.NamespacedName {
	c.t.Helper()
	namespaced, err := c.client.IsObjectNamespaced(object)
	if err != nil {
		c.t.Fatal(err)
	}
	if namespaced {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	return types.NamespacedName{Name: name}
}

func (c *cluster) helm(values string, args ...string) {
	c.t.Helper()
	args = append(args, "--kubeconfig", c.kubeconfig, "--namespace", namespace)
	if stdout, stderr, err := run(values, helmBinary(c.t), args...); err != nil {
		c.t.Fatalf("helm %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
}

func (c *cluster) kubectl(stdin string, args ...string) (stderr string) {
	c.t.Helper()
	stdout, stderr, err := run(stdin, c.kubectlBin, append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stderr
}

// TestServerAccepts gives everything that the chart can render to a real API server, which also warns of pods that are
// not "restricted".
func TestServerAccepts(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			if stderr := c.kubectl(template(t, values), "apply", "--dry-run=server", "--validate=strict", "-f", "-"); stderr != "" {
				t.Errorf("warnings:\n%s", stderr)
			}
			// As a Deployment it is only warned of; as a pod it would be refused.
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "chartgate", Namespace: namespace}, Spec: pod(t, values)}
			if err := c.client.Create(t.Context(), pod, client.DryRunAll); err != nil {
				t.Errorf("the pod: %v", err)
			}
		})
	}
}

// TestLifeOfARelease installs, upgrades and uninstalls the chart with helm, while the real certificate rotator works
// with nothing but the rights of chartgate's ServiceAccount.
func TestLifeOfARelease(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
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

	// And to a certificate of somebody else's, and back.
	c.helm(installations["everything, with an existing certificate"], "upgrade", "chartgate", chartDir, "--values", "-")
	if got := c.certificates()["caBundle of charts.chartgate.dev"]; got != someCertificate+"\n" {
		t.Errorf("caBundle is %q", got)
	}
	c.helm("", "upgrade", "chartgate", chartDir, "--reset-values")
	c.rotate()
}

// TestPoliciesBeforeTheGate is the README's way to install without a gap.
func TestPoliciesBeforeTheGate(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	crds, stderr, err := run("", helmBinary(t), "template", "chartgate", chartDir, "--show-only", "templates/crds.yaml")
	if err != nil {
		t.Fatal(err, stderr)
	}
	c.kubectl(crds, "apply", "--server-side", "-f", "-")
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
	t.Parallel()
	c := startCluster(t)
	stdout, stderr, err := run("", helmBinary(t), "install", "chartgate", chartDir, "--kubeconfig", c.kubeconfig, "--namespace", namespace)
	if err != nil {
		t.Fatal(err, stderr)
	}
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
	c.kubectl("", "create", "namespace", "flux-system")
	for _, account := range []string{"flux-system/source-controller", "flux-system/helm-controller", "argocd/argocd-application-controller"} {
		in, name, _ := strings.Cut(account, "/")
		c.kubectl("", "create", "serviceaccount", name, "--namespace", in)
	}
	stdout, stderr, err = run("", helmBinary(t), "upgrade", "chartgate", chartDir, "--kubeconfig", c.kubeconfig, "--namespace", namespace)
	if err != nil || strings.Contains(stdout, "WARNING") {
		t.Error(err, stderr, stdout)
	}
	c.kubectl("", "delete", "validatingwebhookconfiguration", "chartgate")
	c.helm("", "upgrade", "chartgate", chartDir)
	if c.gone("chartgate", &admissionv1.ValidatingWebhookConfiguration{}) {
		t.Error("the upgrade did not bring the webhook configuration back")
	}
}

func (c *cluster) policy(name string) *unstructured.Unstructured {
	return object("chartgate.dev/v1alpha1", "ChartPolicy", "", name, map[string]any{
		"match":           map[string]any{"charts": []any{"oci://**"}},
		"allowUnverified": map[string]any{"reason": "test", "until": "2027-01-31"},
	})
}

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	result := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	result.SetNamespace(namespace)
	result.SetName(name)
	if spec != nil {
		result.Object["spec"] = spec
	}
	return result
}

// certificates are the Secret's data and the CAs that the API server trusts.
func (c *cluster) certificates() map[string]string {
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

// rights asks the API server what chartgate's ServiceAccount may do.
func (c *cluster) rights() {
	c.t.Helper()
	const own, elsewhere, everywhere = namespace, "apps", ""
	for _, tc := range []struct {
		may                                      bool
		verbs, namespace, group, resources, name string
	}{
		{true, "get list watch", everywhere, "chartgate.dev", "trustedidentities chartpolicies trustroots", "x"},
		{true, "get update patch", everywhere, "chartgate.dev", "trustedidentities/status chartpolicies/status trustroots/status", "x"},
		{false, "create update patch delete", everywhere, "chartgate.dev", "trustedidentities chartpolicies trustroots", "x"},
		{true, "get list", elsewhere, "source.toolkit.fluxcd.io", "helmrepositories helmcharts ocirepositories", "x"},
		{true, "list watch", elsewhere, "helm.toolkit.fluxcd.io", "helmreleases", "x"},
		{false, "create update patch delete", elsewhere, "helm.toolkit.fluxcd.io", "helmreleases helmreleases/status", "x"},
		{true, "list watch", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""},
		{true, "get update patch", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "chartgate"},
		{false, "get update patch delete", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "x"},
		{true, "get list watch", own, "", "configmaps", "chartgate-identities"},
		{false, "create update patch delete", own, "", "configmaps", "chartgate-identities"},
		{false, "get list watch", elsewhere, "", "configmaps", "x"},
		{true, "get", elsewhere, "", "secrets serviceaccounts", "x"}, // what Flux logs in with
		{false, "list watch create update patch delete", elsewhere, "", "secrets serviceaccounts", "x"},
		{true, "list", "argocd", "", "secrets", ""}, // helm saw the namespace
		{true, "get", "argocd", "", "configmaps", "argocd-tls-certs-cm"},
		{false, "get list", "argocd", "", "configmaps", "x"},
		{true, "list watch", own, "", "secrets", ""},
		{true, "get", own, "", "secrets", "x"}, // public keys of TrustedIdentities
		{true, "get update patch", own, "", "secrets", "chartgate-certificate"},
		{false, "update patch", own, "", "secrets", "x"},
		{false, "create delete", own, "", "secrets", "chartgate-certificate"},
		{true, "get create update", own, "coordination.k8s.io", "leases", "chartgate"},
		{true, "create patch", own, "", "events", "x"},
		{true, "create patch", own, "events.k8s.io", "events", "x"},
	} {
		for _, verb := range strings.Fields(tc.verbs) {
			for _, resource := range strings.Fields(tc.resources) {
				resource, subresource, _ := strings.Cut(resource, "/")
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User: "system:serviceaccount:" + namespace + ":chartgate",
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: tc.namespace, Verb: verb, Group: tc.group, Resource: resource, Subresource: subresource, Name: tc.name,
					},
				}}
				if c.create(review); review.Status.Allowed != tc.may {
					c.t.Errorf("may %s: %t, want %t", review.Spec.ResourceAttributes, review.Status.Allowed, tc.may)
				}
			}
		}
	}
}

// rotate runs the rotator as chartgate does, as chartgate's ServiceAccount, until the certificates are there.
func (c *cluster) rotate() {
	c.t.Helper()
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":chartgate",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  clientgoscheme.Scheme,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		LeaderElection:          true,
		LeaderElectionID:        "chartgate",
		LeaderElectionNamespace: namespace,
		// Released at the end, for the next run.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	// The mounted files are the kubelet's work. The rotator looks only whether they are there.
	directory := c.t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "tls.crt"), nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	ready := make(chan struct{})
	if err := rotator.AddRotator(manager, &rotator.CertRotator{
		SecretKey:             types.NamespacedName{Namespace: namespace, Name: "chartgate-certificate"},
		CertDir:               directory,
		ControllerName:        "cert-rotator " + directory, // unique in this process
		CAName:                "chartgate-ca",
		CAOrganization:        "chartgate",
		DNSName:               "chartgate." + namespace + ".svc",
		IsReady:               ready,
		Webhooks:              []rotator.WebhookInfo{{Name: "chartgate", Type: rotator.Validating}},
		RequireLeaderElection: true,
	}); err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(c.t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		c.t.Fatalf("the rotator stopped before the certificates were there: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		c.t.Fatal(err)
	}
}

// TestReachOfTheWebhooks makes both webhooks fail every call, and looks which writes the API server calls them for.
func TestReachOfTheWebhooks(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.helm("", "install", "chartgate", chartDir)
	c.kubectl("", "label", "namespace", "apps", "chartgate.dev/skip=true", "control-plane=true")

	// Before the webhooks fail, since these are to be updated.
	release := object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "existing", map[string]any{
		"interval": "1m", "chartRef": map[string]any{"kind": "OCIRepository", "name": "x"},
	})
	identities := &corev1.ConfigMap{}
	c.get("chartgate-identities", identities)
	oci := map[string]any{"interval": "1m", "url": "oci://r.corp/x"}
	chart := object("source.toolkit.fluxcd.io/v1", "HelmChart", "apps", "existing", helmChartSpec())
	repository := object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "existing", oci)
	app := object("argoproj.io/v1alpha1", "Application", "apps", "existing", applicationSpec())
	c.failWebhooks(func() {
		for _, existing := range []client.Object{release, chart, repository, app} {
			c.create(existing)
		}
	})

	const charts, applications, policies, none = "charts.chartgate.dev", "applications.chartgate.dev", "policies.chartgate.dev", ""
	configMap := func(namespace, name string) func(context.Context, client.Client) error {
		return creating(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for name, tc := range map[string]struct {
		write func(context.Context, client.Client) error
		want  string
	}{
		"a HelmRelease":              {creating(object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "x", release.Object["spec"].(map[string]any))), charts},
		"a change of a release":      {patching(release, `{"spec":{"chartRef":{"name":"y"}}}`), charts},
		"a label of a release":       {annotating(release), none},
		"a HelmRepository":           {creating(object("source.toolkit.fluxcd.io/v1", "HelmRepository", "apps", "x", oci)), charts},
		"an OCIRepository":           {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "x", oci)), charts},
		"an older OCIRepository":     {creating(object("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", "apps", "x", oci)), charts},
		"an old HelmRelease":         {creating(object("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", "apps", "x", map[string]any{"interval": "1m", "chart": map[string]any{"spec": helmChartSpec()}})), charts},
		"one in kube-system":         {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", "kube-system", "x", oci)), charts},
		"one in chartgate's own":     {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", namespace, "x", oci)), charts},
		"a HelmChart":                {creating(object("source.toolkit.fluxcd.io/v1", "HelmChart", "apps", "x", helmChartSpec())), charts},
		"an Application":             {creating(object("argoproj.io/v1alpha1", "Application", "apps", "x", applicationSpec())), applications},
		"a GitRepository":            {creating(object("source.toolkit.fluxcd.io/v1", "GitRepository", "apps", "x", map[string]any{"interval": "1m", "url": "https://x"})), none},
		"the status of a release":    {patchingStatus(release, `{"status":{"failures":1}}`), none},
		"a release's chart":          {patchingStatus(release, `{"status":{"helmChart":"apps/x"}}`), "releases.chartgate.dev"},
		"a condition of a chart":     {patchingStatus(chart, `{"status":{"observedGeneration":2}}`), none},
		"a chart's artifact":         {patchingStatus(chart, `{"status":{"artifact":{"url":"http://x","path":"x","revision":"1","lastUpdateTime":"2026-11-20T00:00:00Z"}}}`), "artifacts.chartgate.dev"},
		"a repository's artifact":    {patchingStatus(repository, `{"status":{"artifact":{"url":"http://x","path":"x","revision":"1","lastUpdateTime":"2026-11-20T00:00:00Z"}}}`), "artifacts.chartgate.dev"},
		"a sync":                     {patching(app, `{"operation":{"sync":{"revision":"1.0.0"}}}`), applications},
		"an application's health":    {patching(app, `{"status":{"health":{"status":"Healthy"}}}`), none},
		"an application's state":     {patching(app, `{"status":{"operationState":{"phase":"Running","startedAt":"2026-11-20T00:00:00Z","operation":{"sync":{"revision":"1.0.0"}}}}}`), applications},
		"a ChartPolicy":              {creating(c.policy("x")), policies},
		"a TrustedIdentity":          {creating(object("chartgate.dev/v1alpha1", "TrustedIdentity", "", "x", map[string]any{"key": map[string]any{"pem": "x"}})), policies},
		"a change of the identities": {annotating(identities), policies},
		"another ConfigMap":          {configMap(namespace, "x"), none},
		"one of that name elsewhere": {configMap("apps", "chartgate-identities"), none},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.write(t.Context(), c.client)
			switch called := fmt.Sprintf("failed calling webhook %q", tc.want); {
			case tc.want == none && err != nil:
				t.Errorf("no webhook should be called: %v", err)
			case tc.want != none && (err == nil || !strings.Contains(err.Error(), called)):
				t.Errorf("got %v, want %s", err, called)
			}
		})
	}
}

// failWebhooks turns both webhooks to a port that nobody listens on, with failurePolicy Fail, once before has run
// without any webhook.
func (c *cluster) failWebhooks(before func()) {
	c.t.Helper()
	configuration := &admissionv1.ValidatingWebhookConfiguration{}
	c.get("chartgate", configuration)
	if err := c.client.Delete(c.t.Context(), configuration); err != nil {
		c.t.Fatal(err)
	}
	// The API server learns of it a moment later.
	c.eventually(func() error {
		err := c.client.Create(c.t.Context(), object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "probe",
			map[string]any{"interval": "1m", "url": "oci://r.corp/x"}), client.DryRunAll)
		return err
	})
	before()
	configuration.ResourceVersion = ""
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].FailurePolicy = new(admissionv1.Fail)
		configuration.Webhooks[i].ClientConfig = admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")}
	}
	c.create(configuration)
	c.eventually(func() error {
		if err := c.client.Create(c.t.Context(), c.policy("probe"), client.DryRunAll); err == nil {
			return fmt.Errorf("the webhook is not called yet")
		}
		return nil
	})
}

func (c *cluster) eventually(try func() error) {
	c.t.Helper()
	var err error
	for range 100 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatal(err)
}

func creating(object client.Object) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error { return c.Create(ctx, object) }
}

func annotating(object client.Object) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		old := object.DeepCopyObject().(client.Object)
		annotations := maps.Clone(object.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["touched"] = "true"
		object.SetAnnotations(annotations)
		return c.Patch(ctx, object, client.MergeFrom(old))
	}
}

func patching(o *unstructured.Unstructured, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

func patchingStatus(o *unstructured.Unstructured, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Status().Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

func helmChartSpec() map[string]any {
	return map[string]any{"interval": "1m", "chart": "x", "sourceRef": map[string]any{"kind": "HelmRepository", "name": "x"}}
}

func applicationSpec() map[string]any {
	return map[string]any{
		"project": "default", "destination": map[string]any{"namespace": "apps"},
		"source": map[string]any{"repoURL": "r.corp", "chart": "x", "targetRevision": "1.0.0"},
	}
}
