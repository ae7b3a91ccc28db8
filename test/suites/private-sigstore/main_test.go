package privatesigstore_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared. The log is what the servers wrote.
func TestMain(m *testing.M) { harness.Main(m, &sharedWorld) }

var sharedWorld harness.Shared[*world]

func theWorld(t *testing.T) *world {
	t.Helper()
	return sharedWorld.Get(t, openWorld)
}

// world is two Sigstores that believe one issuer, and registries.
type world struct {
	dir      string
	issuer   *sigstore.Issuer
	ours     *sigstore.Stack        // whose trusted root chartgate has
	theirs   *sigstore.Stack        // somebody else's
	registry *registrytest.Registry // with the referrers API
	fallback *registrytest.Registry // without it
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

// Log is what the servers have written.
func (w *world) Log() string {
	return "our Sigstore\n" + w.ours.Log() + "\ntheir Sigstore\n" + w.theirs.Log() + "\n"
}

// Stop stops the Sigstores and the registries.
func (w *world) Stop() error {
	var errs []error
	for _, stack := range []*sigstore.Stack{w.ours, w.theirs} {
		if stack != nil {
			errs = append(errs, stack.Stop())
		}
	}
	if w.issuer != nil {
		w.issuer.Close()
	}
	w.registry.Close()
	w.fallback.Close()
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}
