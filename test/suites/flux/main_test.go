package flux_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &sharedSite) }

// sharedSite is the one control plane, with one pair of controllers, of all tests. Each test has a
// namespace of its own.
var sharedSite harness.Shared[*site]

func theSite(t *testing.T) *site {
	t.Helper()
	return sharedSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx) })
}
