// Package releases_test makes a release in a registry of this machine, signed by a Sigstore of this machine, and then uses it
// as a stranger does: from an empty folder, with nothing but what was published.
package releases_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	registryserver "github.com/chartgate/chartgate/test/env/registry"
	"github.com/chartgate/chartgate/test/env/release"
	"github.com/chartgate/chartgate/test/env/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

var shared harness.Shared[*publisher]

func TestMain(m *testing.M) {
	if os.Getenv(rootVariable) != "" {
		fmt.Fprintln(os.Stderr, contained())
		os.Exit(1) // contained returns only if it fails
	}
	harness.Main(m, &shared)
}

// What the page says, and what it is in the test.
const (
	version  = "v0.1.0"
	issuer   = "https://token.actions.githubusercontent.com"
	workflow = "chartgate/chartgate/.github/workflows/release.yaml@refs/tags/" + version
)

// publisher is the project: its registry, the Sigstore that it signs with, and its page of releases.
type publisher struct {
	*release.Release
	dir      string
	registry *registryserver.Distribution
	issuer   *sigstore.Issuer
	sigstore *sigstore.Stack
	by       sigstore.Identity
	page     *httptest.Server
}

// start publishes a release.
func start(ctx context.Context) (*publisher, error) {
	p := &publisher{}
	var err error
	if p.dir, err = os.MkdirTemp("", "chartgate-release-"); err != nil {
		return p, err
	}
	storage := filepath.Join(p.dir, "registry")
	if err := os.Mkdir(storage, 0o700); err != nil {
		return p, err
	}
	if p.registry, err = registryserver.StartDistribution(ctx, storage, registryserver.DistributionOptions{}); err != nil {
		return p, err
	}
	if p.issuer, err = sigstore.NewIssuer(); err != nil {
		return p, err
	}
	if p.sigstore, err = sigstore.Start(ctx, p.issuer); err != nil {
		return p, err
	}
	p.by = p.issuer.Workflow("chartgate/chartgate", workflow)
	flags, err := p.sigstore.Flags(p.by)
	if err != nil {
		return p, err
	}
	p.Release, err = release.Publish(ctx, p.dir, release.Options{Registry: p.prefix(), Version: version, Sign: flags, Workflow: workflow})
	if err != nil {
		return p, err
	}
	p.page = httptest.NewServer(http.FileServer(http.Dir(p.Release.Dir)))
	return p, nil
}

// prefix is what the page calls ghcr.io/chartgate.
func (p *publisher) prefix() string { return p.registry.Host() + "/chartgate" }

// Stop implements harness.Stopper.
func (p *publisher) Stop() error {
	var errs []error
	if p.page != nil {
		p.page.Close()
	}
	if p.sigstore != nil {
		errs = append(errs, p.sigstore.Stop())
	}
	if p.issuer != nil {
		p.issuer.Close()
	}
	if p.registry != nil {
		errs = append(errs, p.registry.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// Log is what the servers have written, for a test that failed.
func (p *publisher) Log() string { return p.sigstore.Log() }

func published(t *testing.T) *publisher {
	t.Helper()
	return shared.Get(t, start)
}
