// Package releases_test makes a release in a registry of this machine, signed by a Sigstore of this machine, and then uses it
// as a stranger does: from an empty folder, with nothing but what was published.
package releases_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/chartgate/chartgate/test/env/release"
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
	version = "v0.1.0"
	issuer  = "https://token.actions.githubusercontent.com"
)

// publisher is the project with a release, and its page of releases.
type publisher struct {
	*release.Project
	*release.Release
	page *httptest.Server
}

// start publishes a release.
func start(ctx context.Context) (*publisher, error) {
	p := &publisher{}
	var err error
	if p.Project, err = release.StartProject(ctx); err != nil {
		return p, err
	}
	if p.Release, err = p.Publish(ctx, version); err != nil {
		return p, err
	}
	p.page = httptest.NewServer(http.FileServer(http.Dir(p.Release.Dir)))
	return p, nil
}

// Stop implements harness.Stopper.
func (p *publisher) Stop() error {
	if p.page != nil {
		p.page.Close()
	}
	return p.Project.Stop()
}

func published(t *testing.T) *publisher {
	t.Helper()
	return shared.Get(t, start)
}
