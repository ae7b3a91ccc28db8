package privatesigstore_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestThroughTheAPIServer: chartgate in a cluster, installed with the trusted root of a private
// Sigstore.
func TestThroughTheAPIServer(t *testing.T) {
	w := theWorld(t)
	ours, theirs, release := w.ours.Client, w.theirs.Client, w.release()
	w.publish(t,
		item{w.registry, "webhook-signed", []signature{signed(ours, release)}},
		item{w.registry, "webhook-attested", []signature{attested(ours, release)}},
		item{w.registry, "webhook-elsewhere", []signature{signed(theirs, release)}})
	site := w.openCluster(t)
	for _, tc := range []struct {
		sentence, chart string
		want            []string // "Reason field" of each denial; empty if admitted
	}{
		{"signed by the right workflow", "webhook-signed", nil},
		{"attested by it, and not signed", "webhook-attested", []string{"SignatureMissing spec.chart.spec"}},
		{"signed in another Sigstore", "webhook-elsewhere", []string{"SignatureInvalid spec.chart.spec"}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			release := site.Object(t, harness.HelmRelease(tc.chart, "spec: {interval: 10m, "+harness.FromRepository("acme", tc.chart, "1.0.0")+"}"))
			got, err := harness.ReadAnswer(site.Client.Create(t.Context(), release))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Causes); diff != "" {
				t.Errorf("(-want +got):\n%s\nThe API server says %s", diff, got.Message)
			}
		})
	}
}

// openCluster is a cluster with chartgate and a HelmRepository, for one test.
func (w *world) openCluster(t *testing.T) *harness.Site {
	t.Helper()
	root, err := w.ours.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	site := harness.OpenForTest(t, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}},
		Values:  map[string]any{"plainHTTP": []string{w.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)}},
		Objects: w.policies(),
	})
	repository := harness.Source("HelmRepository", "acme", fmt.Sprintf("spec: {type: oci, url: 'oci://%s/acme/charts'}", w.registry.Host()))
	if err := site.Client.Create(t.Context(), site.Object(t, repository)); err != nil {
		t.Fatal(err)
	}
	return site
}
