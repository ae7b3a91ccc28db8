package airgap_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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
// its trust root. It is chartgate's publisher, too.
type publisher struct {
	dir      string // programs of the reader
	registry *registrytest.Registry
	mirror   *tuf.Server
	releases *httptest.Server
}

// publish publishes a chart that is signed, one that is not, and chartgate.
func publish(t *testing.T) *publisher {
	t.Helper()
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
	if err := p.release(t.Context(), t.TempDir()); err != nil {
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

// release publishes the checkout as chartgate's release: the chart, the program, and an image without layers.
func (p *publisher) release(ctx context.Context, dir string) error {
	helm, err := cluster.Tool("helm")
	if err != nil {
		return err
	}
	// The page's registries speak TLS.
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *oci://*) set -- \"$@\" --plain-http ;; esac\nexec %s \"$@\"\n", helm)
	if err := os.WriteFile(filepath.Join(p.dir, "helm"), []byte(script), 0o700); err != nil {
		return err
	}
	if err := harness.PublishChartgate(ctx, p.registry, "0.1.0"); err != nil {
		return err
	}
	const config, image = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"
	digest, err := p.registry.PushBlob("chartgate/chartgate", []byte("{}"))
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[]}`, image, config, digest)
	if _, err := p.registry.PushManifest("chartgate/chartgate", "0.1.0", image, []byte(manifest)); err != nil {
		return err
	}
	program, err := cluster.Chartgate(ctx)
	if err != nil {
		return err
	}
	archive := filepath.Join(dir, "chartgate_0.1.0_linux_amd64.tar.gz")
	tar := cluster.Command{Name: "tar", Args: []string{"-czf", archive, "-C", filepath.Dir(program), "chartgate"}}
	p.releases = httptest.NewServer(http.FileServer(http.Dir(dir)))
	_, err = tar.Run(ctx)
	return err
}

// adapted replaces what the page says of places on the Internet.
func (p *publisher) adapted() *strings.Replacer {
	return strings.NewReplacer(
		"SOURCE=ghcr.io/acme/charts\n", "SOURCE="+p.charts()+"\n",
		"CHARTGATE=ghcr.io/chartgate\n", "CHARTGATE="+p.registry.Host()+"/chartgate\n",
		"RELEASE=https://github.com/chartgate/chartgate/releases/download/v0.1.0\n", "RELEASE="+p.releases.URL+"\n",
	)
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
	if p.releases != nil {
		p.releases.Close()
	}
}
