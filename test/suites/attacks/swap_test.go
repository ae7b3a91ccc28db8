package attacks_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestSwappedRepository: the URL of a HelmRepository is changed under existing releases, to another place that a policy is
// about. The repository is admitted; exactly the releases whose charts are not signed there are told; and exactly their
// HelmCharts are stopped when Flux pulls.
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
	if diff := cmp.Diff(want, w.eventsSince(t, since, len(want))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	pull := func(name, chart, want string) {
		t.Helper()
		w.expect(t, write{by: sourceController, verb: "status", want: want}, w.Object(t, flux("HelmChart", name, artifact("1.0.0", "layer("+chart+":1.0.0)"))))
	}
	pull("apps-affected", "mirror/podinfo", "SignatureMissing status.artifact")
	pull("apps-fine", "mirror/other", admitted)
	want = append(want, "HelmChart apps/apps-affected SignatureMissing")
	slices.Sort(want)
	if diff := cmp.Diff(want, w.eventsSince(t, since, len(want))); diff != "" {
		t.Errorf("events after the pull (-want +got):\n%s", diff)
	}
}

// eventsSince waits for that many objects with Events, a little longer, and lists them.
func (w *site) eventsSince(t *testing.T, since time.Time, count int) []string {
	t.Helper()
	clientset := must(kubernetes.NewForConfig(w.Config))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		list, err := clientset.EventsV1().Events("").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		about := aboutWhom(list.Items, since)
		if len(about) >= count || ctx.Err() != nil {
			return about
		}
		select {
		case <-ctx.Done():
			return about
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func aboutWhom(events []eventsv1.Event, since time.Time) []string {
	var about []string
	for _, e := range events {
		if e.EventTime.After(since) {
			about = append(about, fmt.Sprintf("%s %s/%s %s", e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, e.Reason))
		}
	}
	slices.Sort(about)
	return slices.Compact(about)
}
