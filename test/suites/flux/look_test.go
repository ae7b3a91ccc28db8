package flux_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// deployed is what the chart of a release has put into the cluster, "message extra", or "" for
// nothing.
func (m *team) deployed(t *testing.T, name string) string {
	t.Helper()
	return m.Deployed(t, m.Name, name)
}

// deploys waits until a release has put that into the cluster.
func (m *team) deploys(t *testing.T, name, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		if got := m.deployed(t, name); got != want {
			return fmt.Sprintf("release %s deploys %q, want %q: %s", name, got, want, m.ready(t, release(name, "")))
		}
		return ""
	})
}

// revisions are helm's records of a release, in order.
func (m *team) revisions(t *testing.T, name string) []string {
	t.Helper()
	var list corev1.SecretList
	if err := m.Client.List(t.Context(), &list, client.InNamespace(m.Name), client.MatchingLabels{"owner": "helm", "name": name}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, secret := range list.Items {
		names = append(names, secret.Name)
	}
	slices.Sort(names)
	return names
}

func (m *team) ready(t *testing.T, text string) string {
	t.Helper()
	return harness.Condition(m.Get(t, text), "Ready")
}

// becomesReady waits until an object is Ready at its present generation.
func (m *team) becomesReady(t *testing.T, text string) {
	t.Helper()
	harness.Eventually(t, func() string {
		found := m.Get(t, text)
		ready := harness.Condition(found, "Ready")
		if found == nil || !strings.HasPrefix(ready, "Ready=True") || harness.Field(found, "status", "observedGeneration") != fmt.Sprint(found.GetGeneration()) {
			return ready
		}
		return ""
	})
}

// warnings are the reasons of chartgate's warnings about an object.
func (m *team) warnings(t *testing.T, kind, name string) []string {
	t.Helper()
	var list eventsv1.EventList
	if err := m.Client.List(t.Context(), &list, client.InNamespace(m.Name)); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, e := range list.Items {
		if e.ReportingController == "chartgate" && e.Type == corev1.EventTypeWarning && e.Regarding.Kind == kind && e.Regarding.Name == name {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// refused counts the writes of a user about an object that were denied, or failed because chartgate
// is down.
func (m *team) refused(t *testing.T, user, text string) int {
	t.Helper()
	return m.Refused(t, user, m.Object(t, text))
}

// The objects of rows, in a form that shows what differs. An object without a spec is the start of
// a patch, or names the object to get. The team's namespace takes the place of the one in the YAML.

func source(kind, name, body string) string { return harness.Source(kind, name, body) }

func spec(format string, args ...any) string { return "spec: {" + fmt.Sprintf(format, args...) + "}" }

// helmRepository is a HelmRepository of type oci at a place.
func helmRepository(name string, at harness.Place) string {
	return source("HelmRepository", name, spec("type: oci, insecure: true, interval: 10m, url: %q", at.URL()))
}

// helmChart is a HelmChart of the chart app.
func helmChart(name, repository, version, more string) string {
	return source("HelmChart", name, spec("interval: 10m, chart: app, version: %q, sourceRef: {kind: HelmRepository, name: %s}%s",
		version, repository, more))
}

// ociRepository is an OCIRepository of the chart app with Helm's layer as it is.
func ociRepository(name string, at harness.Place, tag string) string {
	return source("OCIRepository", name, ociSpec(at, tag, harness.HelmLayer+", "))
}

// repackaging is an OCIRepository of the chart app for which source-controller makes another
// archive.
func repackaging(name string, at harness.Place, tag, more string) string {
	return source("OCIRepository", name, ociSpec(at, tag, more))
}

func ociSpec(at harness.Place, tag, more string) string {
	return spec("%sinterval: 10m, insecure: true, url: %q, ref: {tag: %q}", more, at.URL()+"/app", tag)
}

// helmRelease is a HelmRelease that does not wait for readiness, since there is no node.
func helmRelease(name, format string, args ...any) string {
	return release(name,
		spec("interval: 10m, install: {disableWait: true}, upgrade: {disableWait: true}, "+format, args...))
}

// releaseOf is a HelmRelease of the chart app in a HelmRepository.
func releaseOf(name, repository, version, more string) string {
	return helmRelease(name, "chart: {spec: {chart: app, version: %q, sourceRef: {kind: HelmRepository, name: %s}%s}}",
		version, repository, more)
}

// releaseBy is a HelmRelease with chartRef.
func releaseBy(name, kind, source string) string {
	return helmRelease(name, "chartRef: {kind: %s, name: %s}", kind, source)
}

// release is the start of a patch of a HelmRelease.
func release(name, body string) string { return harness.HelmRelease(name, body) }
