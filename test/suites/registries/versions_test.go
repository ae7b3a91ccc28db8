package registries_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestVersions: what the real helm packages, pushes and pulls under a version, chartgate finds under the same text, in every
// way of writing it down, and calls pinned.
func TestVersions(t *testing.T) {
	t.Parallel()
	served := registrytest.New(registrytest.Options{})
	t.Cleanup(served.Close)
	w := &site{host: served.Host(), dir: t.TempDir(), plain: true}
	client := w.client(registry.Connection{})
	for _, version := range []string{"1.2.3", "v1.2.3", "2024.03.01", "1.2345.0067", "1.0.0+b", "1.0.0-rc.1+build.7", "2024.03.01-rc.1"} {
		t.Run(version, func(t *testing.T) {
			archive, err := charts.Archive("podinfo", version)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(w.dir, "podinfo-"+version+".tgz")
			if err := os.WriteFile(file, archive, 0o600); err != nil {
				t.Fatal(err)
			}
			base := "oci://" + w.host + "/" + strings.TrimSuffix(repository, "/podinfo")
			w.run(t, nil, "helm", "push", "--plain-http", file, base)
			out := w.run(t, nil, "helm", "pull", "oci://"+w.host+"/"+repository, "--version="+version, "--plain-http", "--destination="+mkdir(t, filepath.Join(w.dir, "pulled-"+version)))
			tag := strings.ReplaceAll(version, "+", "_")
			for name, parse := range map[string]func() (chart.Selector, error){
				"a HelmRelease":           func() (chart.Selector, error) { return chart.ParseFluxVersion(version) },
				"an OCIRepository":        func() (chart.Selector, error) { return chart.ParseFluxRef(chart.FluxRef{Tag: tag}) },
				"Argo CD's Helm source":   func() (chart.Selector, error) { return chart.ParseArgoHelmRevision(version) },
				"Argo CD's native source": func() (chart.Selector, error) { return chart.ParseArgoNativeRevision(tag) },
				"chartgate verify":        func() (chart.Selector, error) { return chart.ParseTagOrDigest(":" + version) },
			} {
				reference := w.reference(t)
				if reference.Selector, err = parse(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if reference.Selector.Pinning() != chart.Version {
					t.Errorf("%s: %s is pinned by %s", name, reference, reference.Selector.Pinning())
				}
				resolved, err := client.Resolve(t.Context(), reference, sourceauth.Auth{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !strings.Contains(out, resolved.Digest.String()) {
					t.Errorf("%s: chartgate finds %s, helm says\n%s", name, resolved.Digest, out)
				}
			}
		})
	}
}
