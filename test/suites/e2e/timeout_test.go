package e2e_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

// TestASlowRegistryIsDeniedInTime: chartgate's own message arrives, and not the API server's "context deadline exceeded".
func TestASlowRegistryIsDeniedInTime(t *testing.T) {
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
HelmRelease apps/app denied (Timeout): the admission's deadline passed before ghcr.io had given what the verification of oci://ghcr.io/acme/charts/slow:1.0.0 needs
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     try again; if the error persists, ask the cluster's admin to raise webhook.timeoutSeconds (30 at most)`)
	got := w.try(t, w.Object(t, releaseOf("slow", "1.0.0")), true)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
	}
}
