package attacks_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// attempt is the status in which helm-controller records what it is about to deploy.
func attempt(revision, digest string) string {
	return helmRelease("app", fmt.Sprintf("status: {lastAttemptedRevision: %q, lastAttemptedRevisionDigest: %q}", revision, digest))
}

func reconcilingNow(message string) string {
	return "{type: Reconciling, status: 'True', reason: Progressing, lastTransitionTime: '2026-01-01T00:00:00Z', message: \"" + message + "\"}"
}

// announced is the condition with which helm-controller announces an action.
func announced(action string) string {
	return helmRelease("app", "status: {conditions: ["+reconcilingNow("Running '"+action+"' action with timeout of 5m0s")+"]}")
}

// TestSourceChangedDuringVerification: a release is verified while its source points at a signed
// chart in the attacker's registry, which delays its answer. Meanwhile the source is changed, and
// what it pulls is outside the gate, because no stored release uses it.
func TestSourceChangedDuringVerification(t *testing.T) {
	w := theSite(t)
	held, free := make(chan struct{}), make(chan struct{})
	source := ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}")
	release := helmRelease("app", chartRef("OCIRepository", "app"))
	w.expect(t, create(editor, source, admitted), w.Object(t, source))
	w.registry.Fail(`^(GET|HEAD) /v2/charts/podinfo/manifests/1[.]0[.]0$`, registrytest.Times(1, func(rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
		close(held)
		<-free
		healthy.ServeHTTP(rw, req)
	}))
	t.Cleanup(w.registry.Heal)
	created := make(chan string, 1)
	go func() {
		answer, message := w.do(t, create(editor, release, admitted), w.Object(t, release))
		created <- answer + message
	}()
	<-held
	w.checkHere(t, []row{{"the source is changed while its verdict is made", checkThenUse, "", []write{
		patch(editor, ociAt("app", "oci://registry.mallory.example/podinfo", "{tag: 1.0.0}"), admitted),
		status(sourceController, flux("OCIRepository", "app", artifact("1.0.0@"+evil, evil)), admitted),
	}}})
	close(free)
	if answer := <-created; answer != admitted {
		t.Fatal("the attack has not begun: " + answer)
	}
	w.checkHere(t, []row{{"helm-controller is about to deploy it", fluxActs, "", []write{
		status(helmController, announced("install"), "NoPolicy status.conditions"),
		status(helmController, attempt("1.0.0+eeeeeeeeeeee", evil), "NoPolicy status.lastAttemptedRevision"),
		status(helmController, attempt("1.0.0", "digest(charts/podinfo:1.0.0)"), "DigestMismatch status.lastAttemptedRevision"),
		// Back to the signed chart: the artifact that was pulled in between would still be
		// deployed.
		patch(editor, ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}"), admitted),
		status(helmController, announced("upgrade"), "ChartNotFound status.conditions"),
	}}})
}

// TestHelmReleaseAttempts: what helm-controller is about to deploy is verified by the artifact of
// its source, whatever was verified before, and for any writer.
func TestHelmReleaseAttempts(t *testing.T) {
	w := theSite(t)
	const last, running = "status.lastAttemptedRevision", "status.conditions"
	pulled := func(revision, archive string) string {
		return fmt.Sprintf("status: {artifact: {url: 'http://source-controller/x.tgz', path: x.tgz, lastUpdateTime: '2026-01-01T00:00:00Z', revision: %q, digest: %q}}", revision, archive)
	}
	// old is a release from before chartgate: the admin creates it while a policy waives it.
	byReference := ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}", copied) + helmRelease("app", chartRef("OCIRepository", "app"))
	byChart := acmeRepository() + helmChart("apps-app", "podinfo", "1.0.0") + releaseOf("app", "podinfo", "1.0.0")
	goodArtifact := status(sourceController, flux("OCIRepository", "app", pulled("1.0.0@digest(charts/podinfo:1.0.0)", "layer(charts/podinfo:1.0.0)")), admitted)
	goodChart := []write{
		status(sourceController, flux("HelmChart", "apps-app", pulled("1.0.0", "layer(charts/podinfo:1.0.0)")), admitted),
		status(helmController, helmRelease("app", "status: {helmChart: apps/apps-app}"), admitted),
	}
	w.check(t, []row{
		{"control: an install from an OCIRepository", "", byReference, []write{
			goodArtifact,
			status(helmController, announced("install"), admitted),
			status(helmController, attempt("1.0.0", "digest(charts/podinfo:1.0.0)"), admitted),
			status(helmController, helmRelease("app", "status: {history: [{name: app, namespace: apps, version: 1, digest: 'sha256:0', configDigest: 'sha256:0', chartName: podinfo, chartVersion: 1.0.0, "+
				"status: deployed, firstDeployed: '2026-01-01T00:00:00Z', lastDeployed: '2026-01-01T00:00:00Z'}]}"), admitted),
		}},
		{"control: an install through a HelmChart", "", byChart, append(goodChart,
			status(helmController, announced("install"), admitted),
			status(helmController, attempt("1.0.0", ""), admitted),
		)},
		{"an install before anything was pulled", fluxActs, byReference, []write{
			status(helmController, announced("install"), "SourceNotFound "+running),
			status(helmController, attempt("1.0.0", "digest(charts/podinfo:1.0.0)"), "SourceNotFound "+last),
		}},
		{"an install of another digest than was pulled", fluxReleases, byReference, []write{
			goodArtifact,
			status(helmController, attempt("2.0.0", "digest(charts/podinfo:2.0.0)"), "DigestMismatch "+last),
		}},
		{"an install of what is pulled from a tag that has moved: the digest decides", fluxReleases, byReference, []write{
			goodArtifact,
			status(helmController, attempt("1.0.0", evil), "DigestMismatch "+last),
		}},
		{"the repository of a HelmChart is swapped after the chart was pulled", fluxRepackages, byChart, append(goodChart,
			patch(editor, repositoryAt("oci://ghcr.io/mirror"), warned),
			status(helmController, announced("upgrade"), "DigestMismatch "+running),
			status(helmController, attempt("1.0.0", ""), "DigestMismatch "+last),
		)},
		{"the HelmChart names another chart by now", fluxRepackages, byChart, append(goodChart,
			patch(helmController, helmChart("apps-app", "other", "1.0.0"), admitted),
			status(helmController, attempt("1.0.0", ""), "DigestMismatch "+last),
		)},
		{"another team's manifests as a chart", fluxRefs, ociAt("team-b/app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}"), []write{
			status(sourceController, flux("OCIRepository", "team-b/app", pulled("1.0.0@digest(charts/manifests:1.0.0)", evil)), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "team-b/app")), "NotAChart spec.chartRef"),
			create(editor, helmRelease("app", chartRef("OCIRepository", "team-b/app")[:len(chartRef("OCIRepository", "team-b/app"))-1]+", suspend: true}"), admitted),
			status(sourceController, flux("OCIRepository", "team-b/app", pulled("1.0.1@digest(charts/manifests:1.0.0)", evil)), admitted),
			status(helmController, announced("install"), "NotAChart "+running),
		}},
		{"an editor writes the record first, so that helm-controller's own is no news", fluxEdit, byReference, []write{
			goodArtifact,
			status(editor, attempt("1.0.0", "digest(charts/podinfo:1.0.0)"), "Unsupported status"),
			status(editor, announced("install"), "Unsupported status"),
		}},
		{"an editor writes the history that helm-controller rolls back to", fluxHistory, byReference, []write{
			status(editor, helmRelease("app", "status: {history: [{name: app, namespace: apps, version: 1, digest: 'sha256:0', configDigest: 'sha256:0', chartName: podinfo, chartVersion: 1.0.0, "+
				"status: deployed, firstDeployed: '2026-01-01T00:00:00Z', lastDeployed: '2026-01-01T00:00:00Z'}]}"), "Unsupported status"),
		}},
		{"control: an editor may write conditions", "", byReference, []write{
			status(editor, helmRelease("app", "status: {conditions: [{type: Ready, status: 'True', reason: Mine, lastTransitionTime: '2026-01-01T00:00:00Z', message: fine}]}"), admitted),
		}},
		{"control: a rollback deploys what helm has stored", "", byReference, []write{status(helmController, announced("rollback"), admitted)}},
		{"a second condition of an editor's, by which the next announcement would be no news", fluxEdit, byReference, []write{
			goodArtifact,
			status(helmController, announced("install"), admitted),
			status(editor, helmRelease("app", "status: {conditions: ["+reconcilingNow("Running 'install' action with timeout of 5m0s")+", "+reconcilingNow("Running 'install' action with timeout of 5m0s")+"]}"), "Unsupported status"),
			status(editor, helmRelease("app", "status: {conditions: ["+reconcilingNow("Running 'install' action with timeout of 5m0s")+", "+reconcilingNow("mine")+"]}"), "Unsupported status"),
			status(helmController, helmRelease("app", "status: {conditions: ["+reconcilingNow("Fulfilling prerequisites")+", "+reconcilingNow("Running 'install' action with timeout of 5m0s")+"]}"), admitted),
			status(sourceController, flux("OCIRepository", "app", "status: {artifact: null}"), admitted),
			status(helmController, helmRelease("app", "status: {conditions: ["+reconcilingNow("Running 'install' action with timeout of 5m0s")+", "+reconcilingNow("Running 'install' action with timeout of 5m0s")+"]}"), "SourceNotFound "+running),
		}},
		{"what another registry served under the digest of a signed chart, extracted: source-controller reads no layer to its end", fluxLayers, ociAt("app", "oci://registry.mallory.example/podinfo", "{tag: 1.0.0}"), []write{
			status(sourceController, flux("OCIRepository", "app", pulled("1.0.0@digest(charts/podinfo:1.0.0)", evil)), admitted),
			patch(editor, ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}", suspended), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "DigestMismatch spec.chartRef"),
			patch(editor, flux("OCIRepository", "app", "spec: {suspend: false}"), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "DigestMismatch spec.chartRef"),
		}},
		{"the same through a proxy that the tenant names", fluxLayers, ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}"), []write{
			status(sourceController, flux("OCIRepository", "app", pulled("1.0.0@digest(charts/podinfo:1.0.0)", "extracted(charts/podinfo:1.0.0)")), admitted),
			patch(editor, flux("OCIRepository", "app", "spec: {proxySecretRef: {name: mallory}}"), admitted),
			status(sourceController, flux("OCIRepository", "app", pulled("1.0.0@digest(charts/podinfo:1.0.0)", "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd")), "DigestMismatch status.artifact"),
		}},
		{"a HelmChart of old content, called repackaged", fluxRepackages, acmeRepository() + helmChart("old", "podinfo", "1.0.0") + helmRelease("app", chartRef("HelmChart", "old")), []write{
			status(sourceController, flux("HelmChart", "old", pulled("1.0.0", "layer(charts/podinfo:1.0.0)")), admitted),
			patch(editor, flux("HelmChart", "old", "spec: {chart: other, suspend: true, valuesFiles: [none.yaml]}"), admitted),
			status(helmController, announced("upgrade"), "DigestMismatch "+running),
		}},
		{"the chart's own values.yaml, which changes no archive", fluxRepackages, acmeRepository() + helmChart("own", "podinfo", "1.0.0", "valuesFiles: [values.yaml]"), []write{
			status(sourceController, flux("HelmChart", "own", pulled("1.0.0", evil)), "DigestMismatch status.artifact"),
			status(sourceController, flux("HelmChart", "own", pulled("1.0.0", "layer(charts/podinfo:1.0.0)")), admitted),
		}},
		{"control: a release that leaves its OCIRepository for a template", fluxReleases, byReference + acmeRepository() + helmChart("apps-app", "podinfo", "1.0.0"), []write{
			goodArtifact,
			status(helmController, attempt("1.0.0", "digest(charts/podinfo:1.0.0)"), admitted),
			status(sourceController, flux("HelmChart", "apps-app", pulled("1.0.0", "layer(charts/podinfo:1.0.0)")), admitted),
			patch(editor, helmRelease("app", strings.Replace(chartOf("podinfo", "1.0.0"), "spec: {", "spec: {chartRef: null, ", 1)), admitted),
			status(helmController, helmRelease("app", "status: {helmChart: apps/apps-app}"), admitted),
			status(helmController, announced("upgrade"), admitted),
			status(helmController, helmRelease("app", "status: {lastAttemptedRevision: 1.0.0, lastAttemptedRevisionDigest: null, lastAttemptedConfigDigest: x}"), admitted),
		}},
		{"an ExternalArtifact that was there before chartgate", fluxExternal, helmRelease("app", chartRef("ExternalArtifact", "app")[:len(chartRef("ExternalArtifact", "app"))-1]+", suspend: true}"), []write{
			status(helmController, announced("install"), "Unsupported "+running),
		}},
	})
}

// TestSwappedRepository: the URL of a HelmRepository is changed under existing releases, to another
// place that a policy matches. The repository is admitted; exactly the releases whose charts are
// not signed there get a warning; and exactly their HelmCharts are denied when Flux pulls.
func TestSwappedRepository(t *testing.T) {
	w := theSite(t)
	for _, object := range w.Objects(t, acmeRepository()+
		releaseOf("affected", "podinfo", "1.0.0")+helmChart("apps-affected", "podinfo", "1.0.0")+
		releaseOf("fine", "other", "1.0.0")+helmChart("apps-fine", "other", "1.0.0")+
		helmRelease("team-b/far", strings.Replace(chartOf("podinfo", "1.0.0"), "name: acme", "name: acme, namespace: apps", 1))+
		helmRelease("idle", strings.Replace(chartOf("podinfo", "1.0.0"), "interval: 10m", "interval: 10m, suspend: true", 1))+
		flux("HelmRepository", "other", "spec: {type: oci, url: 'oci://ghcr.io/charts'}")+
		helmRelease("other", strings.Replace(chartOf("podinfo", "1.0.0"), "name: acme", "name: other", 1))+
		helmRelease("unrelated", "spec: {interval: 10m, suspend: true, chartRef: {kind: HelmChart, name: x}}")) {
		w.expect(t, write{by: admin, verb: "create", want: admitted}, object)
	}
	since := time.Now()

	swap := patch(editor, repositoryAt("oci://ghcr.io/mirror"), warned)
	_, message := w.do(t, swap, w.Object(t, swap.object))
	for _, name := range []string{"apps/affected", "team-b/far"} {
		if !strings.Contains(message, "this change breaks HelmRelease "+name+": ") || !strings.Contains(message, "(SignatureMissing)") {
			t.Errorf("no warning about %s in\n%s", name, message)
		}
	}
	if got := strings.Count(message, "\n") + 1; got != 2 {
		t.Errorf("%d warnings, want two:\n%s", got, message)
	}
	want := []string{"HelmRelease apps/affected SignatureMissing", "HelmRelease team-b/far SignatureMissing"}
	harness.Eventually(t, func() string { return cmp.Diff(want, w.eventsSince(t, since)) })

	pull := func(name, chart, want string) {
		t.Helper()
		w.expect(t, write{by: sourceController, verb: "status", want: want}, w.Object(t, flux("HelmChart", name, artifact("1.0.0", "layer("+chart+":1.0.0)"))))
	}
	pull("apps-affected", "mirror/podinfo", "SignatureMissing status.artifact")
	pull("apps-fine", "mirror/other", admitted)
	want = append(want, "HelmChart apps/apps-affected SignatureMissing")
	slices.Sort(want)
	harness.Eventually(t, func() string { return cmp.Diff(want, w.eventsSince(t, since)) })
}

// eventsSince lists the objects with Events, and their reasons.
func (w *site) eventsSince(t *testing.T, since time.Time) []string {
	t.Helper()
	clientset := must(kubernetes.NewForConfig(w.Config))(t)
	list := must(clientset.EventsV1().Events("").List(t.Context(), metav1.ListOptions{}))(t)
	return regarding(list.Items, since)
}

func regarding(events []eventsv1.Event, since time.Time) []string {
	var about []string
	for _, e := range events {
		if e.EventTime.After(since) {
			about = append(about, fmt.Sprintf("%s %s/%s %s", e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, e.Reason))
		}
	}
	slices.Sort(about)
	return slices.Compact(about)
}
