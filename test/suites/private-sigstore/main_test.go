package privatesigstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
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

// world is two Sigstores that believe one issuer, and registries. It is started by the first test that needs it.
type world struct {
	dir      string
	issuer   *sigstore.Issuer
	ours     *sigstore.Stack        // whose trusted root chartgate has
	theirs   *sigstore.Stack        // somebody else's
	registry *registrytest.Registry // with the referrers API
	fallback *registrytest.Registry // without it
}

var shared struct {
	once sync.Once
	*world
	err error
}

// theWorld also shows what the servers wrote, if the test fails.
func theWorld(t *testing.T) *world {
	t.Helper()
	shared.once.Do(func() {
		// Not the test's context: others use it too.
		shared.world, shared.err = openWorld(context.Background())
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our Sigstore\n%s\ntheir Sigstore\n%s", shared.ours.Log(), shared.theirs.Log())
		}
	})
	return shared.world
}

func openWorld(ctx context.Context) (*world, error) {
	w := &world{
		registry: registrytest.New(registrytest.Options{}),
		fallback: registrytest.New(registrytest.Options{NoReferrers: true}),
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "chartgate-keyless-"); err != nil {
		return w, err
	}
	if w.issuer, err = sigstore.NewIssuer(); err != nil {
		return w, err
	}
	if w.ours, err = sigstore.Start(ctx, w.issuer); err != nil {
		return w, err
	}
	w.theirs, err = sigstore.Start(ctx, w.issuer)
	return w, err
}

func (w *world) stop() error {
	if w == nil {
		return nil
	}
	var errs []error
	for _, stack := range []*sigstore.Stack{w.ours, w.theirs} {
		if stack != nil {
			errs = append(errs, stack.Stop())
		}
	}
	if w.issuer != nil {
		w.issuer.Close()
	}
	for _, r := range []*registrytest.Registry{w.registry, w.fallback} {
		r.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}
