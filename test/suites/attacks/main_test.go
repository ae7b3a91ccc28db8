package attacks_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops the clusters that tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &currentSite, &oldSite) }

var currentSite, oldSite harness.Shared[*site]

// theSite is a cluster of today's Flux and Argo CD.
func theSite(t *testing.T) *site {
	t.Helper()
	return currentSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx, []string{"crds/flux", "crds/argo"}) })
}

// theOldSite is a cluster of a Flux that still serves old versions.
func theOldSite(t *testing.T) *site {
	t.Helper()
	return oldSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx, []string{"crds/flux-old"}) })
}
