package e2e_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) {
	harness.Main(m, &currentSite, &oldSite, &privateSite, &sharedShop)
}

var (
	sharedShop           harness.Shared[*shop]
	currentSite, oldSite harness.Shared[*site]
	privateSite          harness.Shared[*vip]
)

// theShop is the registries with their charts.
func theShop(t *testing.T) *shop {
	t.Helper()
	return sharedShop.Get(t, openShop)
}

// theSite is a cluster of today's Flux and Argo CD with chartgate and the policies of policies_test.go.
func theSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return currentSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, harness.Setup{Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}}})
	})
}

// theOldSite is a cluster of a Flux that still serves old versions. Its chartgate makes its certificate itself.
func theOldSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return oldSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, harness.Setup{Options: cluster.Options{CRDs: []string{"crds/flux-old"}}, ManagedCertificate: true})
	})
}
