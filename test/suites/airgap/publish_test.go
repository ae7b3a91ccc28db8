package airgap_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
	"github.com/chartgate/chartgate/test/harness"
)

// publisher owns the charts that are carried in: a registry, a Sigstore and the TUF repository with
// its trust root.
type publisher struct {
	dir      string
	registry *registrytest.Registry
	mirror   *tuf.Server
}

func root(t *testing.T) string {
	t.Helper()
	path, err := cluster.Path()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// publish publishes a chart that is signed, and one that is not.
func publish(t *testing.T) *publisher {
	t.Helper()
	if _, err := cluster.Chartgate(t.Context()); err != nil {
		t.Fatal(err)
	}
	trust, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := trust.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	repository, err := tuf.New(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": trusted})
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{dir: t.TempDir(), registry: registrytest.New(registrytest.Options{NoReferrers: true}), mirror: tuf.Serve(repository.Files())}
	t.Cleanup(p.close)
	if err := os.WriteFile(filepath.Join(p.dir, "root.json"), repository.Root(), 0o600); err != nil {
		t.Fatal(err)
	}
	cosign, err := cluster.Tool("cosign3")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(cosign, filepath.Join(p.dir, "cosign")); err != nil {
		t.Fatal(err)
	}
	release := sigstore.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
	}
	digest := p.push(t, "podinfo", "6.7.1")
	p.push(t, "unsigned", "1.0.0")
	signing := harness.Signing{Sigstore: trust, By: release, Registry: p.registry}
	if err := signing.Bundle("acme/charts/podinfo", digest); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *publisher) push(t *testing.T, name, version string) (digest string) {
	t.Helper()
	archive, err := charts.Archive(name, version)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err = harness.HelmPush(t.Context(), archive, p.charts()); err != nil {
		t.Fatal(err)
	}
	return digest
}

// charts is the location of the charts, instead of ghcr.io/acme/charts.
func (p *publisher) charts() string { return p.registry.Host() + "/acme/charts" }

// env is the environment that the page expects: the address of TUF's mirror, and the root to trust.
func (p *publisher) env() []string {
	return []string{"MIRROR=" + p.mirror.URL, "FIRST_ROOT=" + filepath.Join(p.dir, "root.json")}
}

// close is called when everything has been carried in, and at the end.
func (p *publisher) close() {
	p.registry.Close()
	p.mirror.Close()
}
