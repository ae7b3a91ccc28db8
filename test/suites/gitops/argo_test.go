package gitops_test

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/argocd"
	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestArgoCD is the life of chartgate in a cluster that Argo CD manages. Each scene starts where the one before has ended.
func TestArgoCD(t *testing.T) {
	a := openArgo(t)
	play(t, []scene{
		{"Argo CD installs chartgate and then its policies, and the gate warns", a.install},
		{"the gate enforces", a.enforce},
		{"a release passes the gate of the one before", a.upgrade},
		{"a chart of that name that is no release is denied, and nothing changes", a.forge},
		{"pods that nobody can reach: the page's commands open the gate for the fix", a.unreachable},
		{"Argo CD uninstalls chartgate, and the definitions, the policies and the namespace stay", a.uninstall},
	})
}

// argoSite is a cluster with Argo CD.
type argoSite struct {
	*site
	// applications are those of the page, as they are applied.
	chartgate, policies *unstructured.Unstructured
}

func openArgo(t *testing.T) *argoSite {
	t.Helper()
	registry, ca := withTLS(t, published(t).Registry.Host())
	a := &argoSite{site: open(t, registry, cluster.Options{CRDs: append(argocd.CRDs(), "crds/flux"), Namespaces: []string{"apps", argocd.Namespace}})}
	controllers, err := argocd.Start(t.Context(), a.Cluster, argocd.Options{CAs: map[string]string{"127.0.0.1": ca}})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(controllers.Log())
		}
		if err := controllers.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range a.Objects(t, a.page.file(t, "applications/chartgate.yaml")) {
		if object.GetName() == "chartgate" {
			a.chartgate = object
		} else {
			a.policies = object
		}
	}
	// The registry's CA and the Sigstore are not public ones.
	a.set(t, a.chartgate, ca, "spec", "source", "helm", "valuesObject", "registry", "caBundle")
	a.set(t, a.chartgate, a.trustedRoot, "spec", "source", "helm", "valuesObject", "trustedRoot", "json")
	// No garbage collector takes the finalizers of deletion in the foreground away.
	a.set(t, a.chartgate, []any{"resources-finalizer.argocd.argoproj.io/background"}, "metadata", "finalizers")
	options, _, _ := unstructured.NestedSlice(a.chartgate.Object, "spec", "syncPolicy", "syncOptions")
	a.set(t, a.chartgate, append(options, "PrunePropagationPolicy=background"), "spec", "syncPolicy", "syncOptions")
	repository := newRepository(t)
	if err := repository.Commit(t.Context(), "policies", map[string]string{"chartgate-policies/policies.yaml": a.Local(a.page.policies)}); err != nil {
		t.Fatal(err)
	}
	a.set(t, a.policies, repository.URL(), "spec", "source", "repoURL")
	return a
}

// withTLS serves a registry over TLS, too: Argo CD uses nothing else for OCI. It returns the address and the CA.
func withTLS(t *testing.T, registry string) (host, ca string) {
	t.Helper()
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry}))
	t.Cleanup(front.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	return strings.TrimPrefix(front.URL, "https://"), string(certificate)
}

// set changes a field of an Application; nil removes it. It is not applied yet.
func (a *argoSite) set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) {
	t.Helper()
	if value == nil {
		unstructured.RemoveNestedField(object.Object, path...)
		return
	}
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}

// apply applies the Application of chartgate, as whatever follows Git does.
func (a *argoSite) apply(t *testing.T) {
	t.Helper()
	if err := a.Apply(t.Context(), a.chartgate); err != nil {
		t.Fatal(err)
	}
}

// becomes waits until an Application is in a state as `argocd app list` shows it, at its present spec, and no operation runs.
func (a *argoSite) becomes(t *testing.T, application *unstructured.Unstructured, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		found := a.Stored(t, application)
		if found == nil {
			return "it is not there"
		}
		sync, _, _ := unstructured.NestedString(found.Object, "status", "sync", "status")
		health, _, _ := unstructured.NestedString(found.Object, "status", "health", "status")
		spec, _, _ := unstructured.NestedMap(found.Object, "spec", "source")
		compared, _, _ := unstructured.NestedMap(found.Object, "status", "sync", "comparedTo", "source")
		_, running, _ := unstructured.NestedMap(found.Object, "operation")
		if sync+" "+health != want || running || !cmp.Equal(spec, compared) {
			return fmt.Sprintf("%s is %s %s, want %s: %s; pods: %v", application.GetName(), sync, health, want, a.said(t, application), a.pods.Trouble())
		}
		return ""
	})
}

// said is what Argo CD says of an Application.
func (a *argoSite) said(t *testing.T, application *unstructured.Unstructured) string {
	t.Helper()
	found := a.Stored(t, application)
	conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions")
	message, _, _ := unstructured.NestedString(found.Object, "status", "operationState", "message")
	return fmt.Sprint(conditions, message)
}

func (a *argoSite) install(t *testing.T) {
	if err := a.Apply(t.Context(), a.chartgate, a.policies); err != nil {
		t.Fatal(err)
	}
	a.becomes(t, a.chartgate, "Synced Healthy")
	a.runs(t, a.first.Image)
	a.becomes(t, a.policies, "Synced Healthy")
	a.answers(t, "Warned")
}

func (a *argoSite) enforce(t *testing.T) {
	a.set(t, a.chartgate, "Enforce", "spec", "source", "helm", "valuesObject", "mode")
	a.apply(t)
	a.answers(t, "NoPolicy")
	a.becomes(t, a.chartgate, "Synced Healthy")
}

func (a *argoSite) upgrade(t *testing.T) {
	cas := a.cas(t)
	a.set(t, a.chartgate, a.second.Tag(), "spec", "source", "targetRevision")
	a.apply(t)
	a.runs(t, a.second.Image)
	a.becomes(t, a.chartgate, "Synced Healthy")
	a.answers(t, "NoPolicy")
	if diff := cmp.Diff(cas, a.cas(t)); diff != "" {
		t.Errorf("CAs in the webhook configuration (-before +after):\n%s", diff)
	}
	if got := a.Refused(t, harness.ArgoController, a.chartgate); got > 0 {
		t.Errorf("%d writes of Argo CD were refused", got)
	}
	if got := a.verdicts(t, "applications", argocd.Namespace); got["Verified"] == 0 || got["Denied"] > 0 {
		t.Errorf("chartgate's verdicts on its own chart: %v", got)
	}
}

func (a *argoSite) forge(t *testing.T) {
	for _, forgery := range a.forgeries(t) {
		forged := a.chartgate.DeepCopy()
		a.set(t, forged, forgery.tag, "spec", "source", "targetRevision")
		err := a.Apply(t.Context(), forged)
		if err == nil || !strings.Contains(err.Error(), "("+forgery.reason+")") || !strings.Contains(err.Error(), forgery.digest) {
			t.Errorf("%s: %v", forgery.tag, err)
		}
	}
	a.becomes(t, a.chartgate, "Synced Healthy")
	a.runs(t, a.second.Image)
}

// unreachable: the API server has no client certificate, so nothing that asks for one can be called.
func (a *argoSite) unreachable(t *testing.T) {
	value := []string{"spec", "source", "helm", "valuesObject", "webhook"}
	ca := string(registrytest.NewAuthority().PEM())
	a.set(t, a.chartgate, map[string]any{"clientCA": map[string]any{"caBundle": ca}}, value...)
	a.apply(t)
	a.answers(t, "failed calling webhook")
	broken := fmt.Sprint(a.container(t)["args"])

	a.set(t, a.chartgate, nil, value...)
	a.apply(t)
	harness.Eventually(t, func() string {
		if said := a.said(t, a.chartgate); !strings.Contains(said, "failed calling webhook") {
			return "the sync with the fix is not refused: " + said
		}
		return ""
	})
	if got := fmt.Sprint(a.container(t)["args"]); got != broken {
		t.Errorf("the sync was not refused; the arguments are %s", got)
	}
	i := slices.IndexFunc(a.page.repair, func(commands string) bool { return strings.Contains(commands, "argocd") })
	a.repairs(t, a.page.repair[i])
	a.answers(t, "NoPolicy")
	a.becomes(t, a.chartgate, "Synced Healthy")
	a.runs(t, a.second.Image)
}

func (a *argoSite) uninstall(t *testing.T) {
	a.repairs(t, "kubectl delete application chartgate -n argocd")
	a.isGone(t, a.chartgate)
}
