package attacks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// TestMain stops the clusters that tests have shared.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"HELM_CACHE_HOME": os.TempDir(),
		// On a busy machine, an API server needs more than the 20 seconds that envtest waits.
		"KUBEBUILDER_CONTROLPLANE_START_TIMEOUT": "2m",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := errors.Join(current.stop(), old.stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// The clusters: one of today's Flux and Argo CD, and one of a Flux that still serves old versions.
var current, old sharedSite

// sharedSite is started by the first test that needs it.
type sharedSite struct {
	once sync.Once
	site *site
	err  error
}

func (s *sharedSite) get(t *testing.T, crds ...string) *site {
	t.Helper()
	s.once.Do(func() {
		// Not the test's context: others use it too.
		s.site, s.err = openSite(context.Background(), crds)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.site
}

func (s *sharedSite) stop() error {
	if s.site == nil {
		return nil
	}
	return s.site.Stop()
}

func theSite(t *testing.T) *site {
	t.Helper()
	return current.get(t, "crds/flux", "crds/argo")
}

func theOldSite(t *testing.T) *site {
	t.Helper()
	return old.get(t, "crds/flux-old")
}
