package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// shared is what takes seconds to start. It is started by the first test that needs it.
var shared fixtures

type fixtures struct {
	shop    lazy[*shop]
	current lazy[*site]
	old     lazy[*site]
	vips    lazy[*vip]
}

func (f *fixtures) stop() error {
	return errors.Join(f.current.stop(), f.old.stop(), f.vips.stop(), f.shop.stop())
}

// stopper is what a lazy value must be able to do in the end, also when its start failed half-way.
type stopper interface{ Stop() error }

type lazy[T stopper] struct {
	once  sync.Once
	value T
	err   error
	begun bool
}

func (l *lazy[T]) get(t *testing.T, start func(context.Context) (T, error)) T {
	t.Helper()
	l.once.Do(func() {
		l.begun = true
		// Not the test's context: others use it too.
		l.value, l.err = start(context.Background())
	})
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.value
}

func (l *lazy[T]) stop() error {
	if !l.begun {
		return nil
	}
	return l.value.Stop()
}

// theShop is the registries with their charts.
func theShop(t *testing.T) *shop {
	t.Helper()
	return shared.shop.get(t, openShop)
}

// theSite is a cluster of today's Flux and Argo CD with chartgate and the policies of policies_test.go.
func theSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return shared.current.get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, []string{"crds/flux", "crds/argo"}, false)
	})
}

// theOldSite is a cluster of a Flux that still serves old versions. Its chartgate makes its certificate itself.
func theOldSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return shared.old.get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, []string{"crds/flux-old"}, true)
	})
}
