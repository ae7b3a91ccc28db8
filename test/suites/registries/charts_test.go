package registries_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestCharts: from every kind of artifact that can hold a chart, the real helm pulls the chart that
// chartgate resolves. What Flux's OCIRepository takes, with go-containerregistry as
// source-controller 1.9 does, counts as the chart only if it is the same.
func TestCharts(t *testing.T) {
	t.Parallel()
	served := registrytest.New(registrytest.Options{})
	t.Cleanup(served.Close)
	w := &site{host: served.Host(), dir: t.TempDir(), plain: true}
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := charts.Config(archive)
	if err != nil {
		t.Fatal(err)
	}
	blob := func(mediaType string, content []byte) string {
		digest, err := served.PushBlob(repository, content)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, len(content))
	}
	manifest := func(fields string) string { return `{"schemaVersion":2,` + fields + `}` }
	put := func(mediaType, raw string) string {
		digest, err := served.PushManifest(repository, "", mediaType, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, len(raw))
	}
	const (
		manifestType = "application/vnd.oci.image.manifest.v1+json"
		indexType    = "application/vnd.oci.image.index.v1+json"
		imageConfig  = "application/vnd.oci.image.config.v1+json"
	)
	image := func(config string, layers ...string) string {
		return manifest(`"mediaType":"` + manifestType + `","config":` + config + `,"layers":[` + strings.Join(layers, ",") + `]`)
	}
	index := func(manifests ...string) string {
		return manifest(`"mediaType":"` + indexType + `","manifests":[` + strings.Join(manifests, ",") + `]`)
	}
	config, layer, legacy := blob(artifact.MediaTypeConfig, metadata), blob(artifact.MediaTypeLayer, archive), blob(artifact.MediaTypeLegacyLayer, archive)
	sbom, text := blob("application/vnd.docker.dhi.sbom.v1.tar+gzip", []byte("sbom")), blob("text/plain", []byte("text"))
	container := put(manifestType, image(blob(imageConfig, []byte("{}")), blob("application/vnd.oci.image.layer.v1.tar+gzip", []byte("rootfs"))))
	podinfo, older := put(manifestType, image(config, layer)), put(manifestType, image(config, legacy))
	elsewhere := strings.Replace(podinfo, "{", `{"platform":{"architecture":"arm64","os":"linux"},`, 1)
	subject := func(m, d string) string { return strings.Replace(m, "{", `{"subject":`+d+`,`, 1) }
	for i, tc := range []struct {
		sentence       string
		mediaType, raw string
	}{
		{"the chart alone", manifestType, image(config, layer)},
		{"an SBOM after the chart", manifestType, image(config, layer, sbom)},
		{"an SBOM before the chart", manifestType, image(config, sbom, layer)},
		{"a text before the chart", manifestType, image(config, text, layer)},
		{"helm's older media type", manifestType, image(config, legacy)},
		{"helm's older media type after an SBOM", manifestType, image(config, sbom, legacy)},
		{"an image as the subject", manifestType, subject(image(config, layer), container)},
		{"a layer that is the manifest of an image", manifestType, image(config, layer, container)},
		{"an index of the chart", indexType, index(podinfo)},
		{"an index of the chart with the older media type", indexType, index(older)},
		{"an index of an image, then the chart", indexType, index(container, podinfo)},
		{"an index of the chart, then an image", indexType, index(podinfo, container)},
		{"an index of the chart for another platform", indexType, index(elsewhere)},
		{"an index of an index of the chart", indexType, index(put(indexType, index(podinfo)))},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			tag := fmt.Sprintf("1.0.%d", i)
			named, err := served.PushManifest(repository, tag, tc.mediaType, []byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			reference := w.reference(t)
			if reference.Selector, err = chart.ParseFluxVersion(tag); err != nil {
				t.Fatal(err)
			}
			resolved, err := w.client(registry.Connection{}).Resolve(t.Context(), reference, sourceauth.Auth{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, named, resolved.Digest.String())
			dir := filepath.Join(w.dir, tag)
			out := w.run(t, nil, "helm", "pull", "oci://"+w.host+"/"+repository, "--version="+tag, "--plain-http", "--destination="+mkdir(t, dir))
			if !strings.Contains(out, named) {
				t.Errorf("helm names another digest than %s:\n%s", named, out)
			}
			pulled, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
			if err != nil || len(pulled) != 1 {
				t.Fatalf("helm pulled %v, %v", pulled, err)
			}
			raw, err := os.ReadFile(pulled[0])
			if err != nil {
				t.Fatal(err)
			}
			equal(t, string(archive), string(raw))
			for _, selector := range []string{"", artifact.MediaTypeLayer, artifact.MediaTypeLegacyLayer, "text/plain"} {
				took, err := fluxTakes(w.host+"/"+repository+":"+tag, selector)
				takesChart := err == nil && took == string(archive)
				if said := resolved.CheckLayer(artifact.LayerOfType(selector)); (said == nil) != takesChart {
					t.Errorf("with layerSelector %q Flux takes %q, %v; chartgate says %v", selector, took[:min(20, len(took))], err, said)
				}
			}
		})
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fluxTakes is reconcileSource and selectLayer of source-controller 1.9
// (internal/controller/ocirepository_controller.go).
func fluxTakes(reference, mediaType string) (string, error) {
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return "", err
	}
	image, err := remote.Image(ref)
	if err != nil {
		return "", err
	}
	layers, err := image.Layers()
	if err != nil || len(layers) == 0 {
		return "", fmt.Errorf("no layers: %w", err)
	}
	for _, layer := range layers {
		has, err := layer.MediaType()
		if err != nil {
			return "", err
		}
		if mediaType != "" && string(has) != mediaType {
			continue
		}
		content, err := layer.Compressed()
		if err != nil {
			return "", err
		}
		raw, err := io.ReadAll(content)
		return string(raw), err
	}
	return "", fmt.Errorf("no layer of the media type %s", mediaType)
}

// TestVersions: what the real helm packages, pushes and pulls under a version, chartgate finds with
// the same text, in each of its spellings, and calls pinned.
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
