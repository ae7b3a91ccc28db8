package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/test/harness"
)

// TestUnreadableRegistryIsDenied: an error is never an admission.
func TestUnreadableRegistryIsDenied(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories()+repositoryAt("repeated", "oci://ghcr.io/acme/charts/podinfo"))
	w.check(t, []row{
		{
			sentence: "a version that does not exist",
			object:   releaseOf("podinfo", "9.9.9"),
			want: harness.Denied("ChartNotFound spec.chart.spec", `
HelmRelease apps/app denied (ChartNotFound): ghcr.io has no oci://ghcr.io/acme/charts/podinfo:9.9.9
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     check the chart's name and version, and that it has been pushed`),
		},
		{
			sentence: "a chart whose name the repository's URL repeats",
			object:   releaseFrom("repeated", "podinfo", "6.7.1"),
			want: harness.Denied("ChartNotFound spec.chart.spec", `
HelmRelease apps/app denied (ChartNotFound): ghcr.io has no oci://ghcr.io/acme/charts/podinfo/podinfo:6.7.1
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     the chart's name is repeated: take /podinfo off the end of the repository URL, to which the name is appended`),
		},
		{
			sentence: "a registry that is down",
			object:   releaseFrom("down", "podinfo", "6.7.1"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://down.example/acme/charts/podinfo:6.7.1 could not be read: connection refused
  where:    spec.chart.spec
  policy:   down-charts requires `+wantsRelease+`
  next:     correct host and port (down.example) in the chart's source; if they are right, ask the registry's operator whether it runs`),
		},
		{
			sentence: "a registry that requires credentials",
			object:   releaseOf("closed", "1.0.0"),
			want: harness.Denied("RegistryUnauthorized spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnauthorized): ghcr.io does not let chartgate read acme/charts/closed: the registry answered 401 Unauthorized
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     give chartgate credentials (--registry-config) that can pull acme/charts/closed from ghcr.io; if it should be public, check the name: registries give the same answer for repositories that do not exist`),
		},
		{
			sentence: "a registry with an error of its own",
			object:   releaseOf("broken", "1.0.0"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://ghcr.io/acme/charts/broken:1.0.0 could not be read: unexpected answer (the registry answered 500 Internal Server Error)
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     try again; if the error persists, ask the operator of ghcr.io: the cause is there, or in a proxy on the way`),
		},
		{
			sentence: "a registry that hides the signatures behind an error",
			object:   releaseOf("blind", "1.0.0"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): the list of referrers of oci://ghcr.io/acme/charts/blind@sha256:<blind:1.0.0> could not be read: unexpected answer (the registry answered 500 Internal Server Error)
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    0 bundles, 0 legacy signatures
  next:     try again; if the error persists, ask the operator of ghcr.io: the cause is there, or in a proxy on the way`),
		},
		{
			sentence: "an artifact that is no chart",
			object:   releaseOf("manifests", "1.0.0"),
			want: harness.Denied("NotAChart spec.chart.spec", `
HelmRelease apps/app denied (NotAChart): oci://ghcr.io/acme/charts/manifests:1.0.0 is not a Helm chart: its config has the media type "application/vnd.cncf.flux.config.v1+json"
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     push the chart with helm push, or correct the reference`),
		},
	})
}

// TestSlowRegistryIsDeniedInTime: chartgate's own message arrives, and not the API server's
// "context deadline exceeded".
func TestSlowRegistryIsDeniedInTime(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	over := make(chan struct{})
	defer close(over)
	w.registry.Fail("/acme/charts/slow/", func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	})
	want := harness.Denied("Timeout spec.chart.spec", `
HelmRelease apps/app denied (Timeout): the time limit passed before ghcr.io had given what the verification of oci://ghcr.io/acme/charts/slow:1.0.0 needs
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     try again; if the error persists, ask the cluster's admin to raise webhook.timeoutSeconds (30 at most)`)
	got := w.try(t, w.Object(t, releaseOf("slow", "1.0.0")), true)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
	}
}

// TestConcurrentEqualRequestsShareTheWork: twenty releases of one chart that is not cached need
// hardly more requests than one.
func TestConcurrentEqualRequestsShareTheWork(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	const crowd = 20
	before := len(w.requests("acme/charts/crowd"))
	// The registry answers when all of them are waiting.
	w.registry.Fail("/acme/charts/crowd/", func(rw http.ResponseWriter, r *http.Request, healthy http.Handler) {
		for w.inFlight(t) < crowd && r.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // from being accepted to asking for the chart
		healthy.ServeHTTP(rw, r)
	})
	var group errgroup.Group
	for n := range crowd {
		object := w.Object(t, helmRelease(fmt.Sprintf("crowd-%d", n), "{interval: 10m, "+harness.FromRepository("acme", "crowd", "1.0.0")+"}"))
		group.Go(func() error {
			_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	// Five for a chart that is not cached; a late release resolves the tag once more.
	if asked := w.requests("acme/charts/crowd")[before:]; len(asked) > 8 {
		t.Errorf("%d requests:\n%s", len(asked), strings.Join(asked, "\n"))
	}
}

// inFlight is how many writes chartgate is working on, by its metrics.
func (w *site) inFlight(t *testing.T) int {
	text, err := w.Gate.Metrics(t.Context())
	if err != nil {
		t.Error(err)
		return 0
	}
	total := 0
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "controller_runtime_webhook_requests_in_flight{") {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Error(err)
		}
		total += n
	}
	return total
}
