package gitops_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/flux"
	"github.com/chartgate/chartgate/test/env/git"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestFlux is the life of chartgate in a cluster that Flux manages. Each scene starts where the one before has ended.
func TestFlux(t *testing.T) {
	f := openFlux(t)
	play(t, []scene{
		{"Flux installs chartgate and then its policies, and the gate warns", f.install},
		{"the gate enforces", f.enforce},
		{"a release passes the gate of the one before", f.upgrade},
		{"a chart of that name that is no release is denied, and nothing changes", f.forge},
		{"an image that does not exist: the old pods serve, and the fix is admitted", f.missingImage},
		{"pods that nobody can reach: the page's commands open the gate for the fix", f.unreachable},
		{"a wrong releaseWriters: the page's commands open the gate for the fix", f.wrongWriters},
		{"the gate was opened and there is nothing to fix: the page's commands close it", f.nothingToFix},
		{"Flux uninstalls chartgate, and the definitions, the policies and the namespace stay", f.uninstall},
	})
}

// fluxSite is a cluster with Flux, and the repository that it follows.
type fluxSite struct {
	*site
	git     *git.Repository
	commits int

	// What is in the repository.
	chartgate []*unstructured.Unstructured
	policies  string
}

func openFlux(t *testing.T) *fluxSite {
	t.Helper()
	registry := published(t).Registry.Host()
	f := &fluxSite{
		site: open(t, registry, cluster.Options{CRDs: flux.CRDs(), Namespaces: []string{"apps", flux.Namespace}}),
		git:  newRepository(t),
	}
	controllers, err := flux.Start(t.Context(), f.Cluster)
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
	f.chartgate = f.Objects(t, f.page.file(t, "chartgate/chartgate.yaml"))
	f.policies = f.Local(f.page.policies)
	// The registry has no TLS, and the Sigstore is not the public one.
	f.set(t, "OCIRepository", true, "spec", "insecure")
	f.set(t, "HelmRelease", []any{registry}, "spec", "values", "plainHTTP")
	f.set(t, "HelmRelease", f.trustedRoot, "spec", "values", "trustedRoot", "json")
	return f
}

// set changes a field of an object in the repository; nil removes it.
func (f *fluxSite) set(t *testing.T, kind string, value any, path ...string) {
	t.Helper()
	object := f.in(t, kind).Object
	if value == nil {
		unstructured.RemoveNestedField(object, path...)
		return
	}
	if err := unstructured.SetNestedField(object, value, path...); err != nil {
		t.Fatal(err)
	}
}

// in is an object in the repository.
func (f *fluxSite) in(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range f.chartgate {
		if object.GetKind() == kind {
			return object
		}
	}
	t.Fatalf("the page has no %s", kind)
	return nil
}

// commit commits what is in the repository now, and asks Flux to look.
func (f *fluxSite) commit(t *testing.T) {
	t.Helper()
	f.commits++
	var text strings.Builder
	for _, object := range f.chartgate {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("---\n" + string(document))
	}
	request := fmt.Sprint("commit ", f.commits)
	files := map[string]string{"chartgate/chartgate.yaml": text.String(), "chartgate-policies/policies.yaml": f.policies}
	if err := f.git.Commit(t.Context(), request, files); err != nil {
		t.Fatal(err)
	}
	source := f.Object(t, harness.Source("GitRepository", flux.Namespace+"/flux-system", fmt.Sprintf(
		"spec: {interval: 10m, url: %q, ref: {branch: main}}", f.git.URL())))
	source.SetAnnotations(map[string]string{"reconcile.fluxcd.io/requestedAt": request})
	if err := f.Apply(t.Context(), source); err != nil {
		t.Fatal(err)
	}
}

// follow has Flux follow the repository, with the page's Kustomizations.
func (f *fluxSite) follow(t *testing.T) {
	t.Helper()
	objects := f.Objects(t, f.page.file(t, "clusters/production/chartgate.yaml"))
	if err := f.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

func (f *fluxSite) kustomization(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	return f.Object(t, harness.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", flux.Namespace+"/"+name, ""))
}

// becomes waits until the object is in that state, such as "Ready=False", with texts in the message. It is Ready=True at its
// present generation.
func (f *fluxSite) becomes(t *testing.T, object *unstructured.Unstructured, state string, texts ...string) {
	t.Helper()
	harness.Eventually(t, func() string {
		found := f.Stored(t, object)
		kind, _, _ := strings.Cut(state, "=")
		got := harness.Condition(found, kind)
		wrong := !strings.HasPrefix(got, state)
		for _, text := range texts {
			wrong = wrong || !strings.Contains(got, text)
		}
		if state == "Ready=True" && !wrong {
			observed, exists, _ := unstructured.NestedInt64(found.Object, "status", "observedGeneration")
			wrong = exists && observed != found.GetGeneration()
		}
		if wrong {
			return fmt.Sprintf("%s %s: want %s %s, got %s; pods: %v", object.GetKind(), object.GetName(), state, texts, got, f.pods.Trouble())
		}
		return ""
	})
}

// applied waits until Flux has applied the commit and upgraded the release.
func (f *fluxSite) applied(t *testing.T) {
	t.Helper()
	harness.Eventually(t, func() string {
		stored := f.Stored(t, f.in(t, "HelmRelease"))
		if stored == nil {
			return "the HelmRelease is not there"
		}
		want, _, _ := unstructured.NestedMap(f.in(t, "HelmRelease").Object, "spec", "values")
		got, _, _ := unstructured.NestedMap(stored.Object, "spec", "values")
		if diff := cmp.Diff(want, got); diff != "" {
			return "the values differ from the repository's:\n" + diff
		}
		return ""
	})
	f.becomes(t, f.in(t, "HelmRelease"), "Ready=True")
}

func (f *fluxSite) install(t *testing.T) {
	f.follow(t)
	f.commit(t)
	f.applied(t)
	f.runs(t, f.first.Image)
	f.becomes(t, f.kustomization(t, "chartgate-policies"), "Ready=True")
	f.becomes(t, f.Object(t, harness.Policy("chartgate", "{}")), "Ready=True")
	f.answers(t, "Warned")
}

func (f *fluxSite) enforce(t *testing.T) {
	f.set(t, "HelmRelease", "Enforce", "spec", "values", "mode")
	f.commit(t)
	f.applied(t)
	f.answers(t, "NoPolicy")
}

func (f *fluxSite) upgrade(t *testing.T) {
	before, cas := f.verdicts(t, "ocirepositories", namespace), f.cas(t)
	f.set(t, "OCIRepository", f.second.Tag(), "spec", "ref", "tag")
	f.commit(t)
	f.runs(t, f.second.Image)
	f.applied(t)
	f.becomes(t, f.kustomization(t, "chartgate"), "Ready=True")
	f.answers(t, "NoPolicy")
	if diff := cmp.Diff(cas, f.cas(t)); diff != "" {
		t.Errorf("CAs in the webhook configuration (-before +after):\n%s", diff)
	}
	for _, user := range []string{harness.HelmController, harness.SourceController, kustomizeController} {
		for _, kind := range []string{"HelmRelease", "OCIRepository"} {
			if got := f.Refused(t, user, f.in(t, kind)); got > 0 {
				t.Errorf("%d writes of %s about the %s were refused", got, user, kind)
			}
		}
	}
	after := f.verdicts(t, "ocirepositories", namespace)
	if after["Verified"] == before["Verified"] || after["Denied"] > 0 {
		t.Errorf("chartgate's verdicts on its own chart: before the upgrade %v, then %v", before, after)
	}
}

const kustomizeController = "system:serviceaccount:flux-system:kustomize-controller"

func (f *fluxSite) forge(t *testing.T) {
	for _, forgery := range f.forgeries(t) {
		f.set(t, "OCIRepository", forgery.tag, "spec", "ref", "tag")
		f.commit(t)
		f.becomes(t, f.kustomization(t, "chartgate"), "Ready=False", "("+forgery.reason+")", forgery.digest)
		tag, _, _ := unstructured.NestedString(f.Stored(t, f.in(t, "OCIRepository")).Object, "spec", "ref", "tag")
		if tag != f.second.Tag() {
			t.Errorf("the tag in the cluster is %s", tag)
		}
		f.runs(t, f.second.Image)
		f.answers(t, "NoPolicy")
	}
	f.set(t, "OCIRepository", f.second.Tag(), "spec", "ref", "tag")
	f.commit(t)
	f.becomes(t, f.kustomization(t, "chartgate"), "Ready=True")
}

func (f *fluxSite) missingImage(t *testing.T) {
	f.set(t, "HelmRelease", "20s", "spec", "timeout")
	f.set(t, "HelmRelease", "sha256:"+strings.Repeat("0", 64), "spec", "values", "image", "digest")
	f.commit(t)
	f.becomes(t, f.in(t, "HelmRelease"), "Ready=False UpgradeFailed")
	f.answers(t, "NoPolicy")

	f.set(t, "HelmRelease", nil, "spec", "values", "image")
	f.commit(t)
	f.applied(t)
	f.runs(t, f.second.Image)
	f.answers(t, "NoPolicy")
}

// unreachable: the API server has no client certificate, so nothing that asks for one can be called.
func (f *fluxSite) unreachable(t *testing.T) {
	ca := registrytest.NewAuthority().PEM()
	f.breaks(t, map[string]any{"clientCA": map[string]any{"caBundle": string(ca)}}, "webhook")
	f.answers(t, "failed calling webhook")
	f.refusesFix(t, "webhook")
	f.repairs(t, f.page.repair[0])
	f.applied(t)
	f.answers(t, "NoPolicy")
}

// breaks commits a value with which chartgate does not work, and waits until it is in the cluster.
func (f *fluxSite) breaks(t *testing.T, value any, path ...string) {
	t.Helper()
	before := fmt.Sprint(f.container(t)["args"])
	f.set(t, "HelmRelease", value, append([]string{"spec", "values"}, path...)...)
	f.commit(t)
	harness.Eventually(t, func() string {
		if fmt.Sprint(f.container(t)["args"]) == before {
			return "the arguments have not changed"
		}
		return ""
	})
	f.runs(t, f.second.Image)
}

// refusesFix commits the fix, and waits until Flux was refused what it needs for it.
func (f *fluxSite) refusesFix(t *testing.T, path ...string) {
	t.Helper()
	broken := fmt.Sprint(f.container(t)["args"])
	refused := f.Refused(t, harness.HelmController, f.in(t, "HelmRelease"))
	f.set(t, "HelmRelease", nil, append([]string{"spec", "values"}, path...)...)
	f.commit(t)
	harness.Eventually(t, func() string {
		if got := f.Refused(t, harness.HelmController, f.in(t, "HelmRelease")) - refused; got < 4 {
			return fmt.Sprintf("%d writes of helm-controller were refused", got)
		}
		return ""
	})
	if got := fmt.Sprint(f.container(t)["args"]); got != broken {
		t.Errorf("the upgrade was not refused; the arguments are %s", got)
	}
}

func (f *fluxSite) wrongWriters(t *testing.T) {
	f.breaks(t, []any{"system:serviceaccount:flux:helm-controller"}, "releaseWriters")
	f.answers(t, "NoPolicy")
	f.refusesFix(t, "releaseWriters")
	f.repairs(t, f.page.repair[0])
	f.applied(t)
	f.answers(t, "NoPolicy")
}

func (f *fluxSite) nothingToFix(t *testing.T) {
	// Not the page's request, which the next one would repeat if it came within the same second.
	f.repairs(t, "kubectl delete validatingwebhookconfiguration chartgate\n"+
		"kubectl annotate helmrelease chartgate -n chartgate-system --overwrite reconcile.fluxcd.io/requestedAt=look")
	harness.Eventually(t, func() string {
		handled, _, _ := unstructured.NestedString(f.Stored(t, f.in(t, "HelmRelease")).Object, "status", "lastHandledReconcileAt")
		if handled != "look" {
			return "helm-controller has handled the request " + handled
		}
		return ""
	})
	f.answers(t, "")
	f.repairs(t, f.page.repair[1])
	f.answers(t, "NoPolicy")
	f.applied(t)
}

func (f *fluxSite) uninstall(t *testing.T) {
	f.repairs(t, "kubectl delete kustomization chartgate -n flux-system")
	f.isGone(t, f.in(t, "HelmRelease"), f.in(t, "OCIRepository"),
		f.Object(t, harness.Object("coordination.k8s.io/v1", "Lease", namespace+"/chartgate", "")))
}
