package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/problem"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestLargeLegacyManifest: other people's signatures cannot make the list too long to read, up to
// the size that registries accept.
func TestLargeLegacyManifest(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.Fail("/referrers/", serveIndex()) // the fixture reads all manifests for its list
	s.legacySignature(t, "good", nil)
	for i := range 30 {
		s.legacySignature(t, fmt.Sprintf("stranger %d", i), map[string]string{"dev.sigstore.cosign/chain": strings.Repeat("x", 100<<10)})
	}
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, 31, len(found))
	for i := range 12 {
		s.legacySignature(t, fmt.Sprintf("more %d", i), map[string]string{"dev.sigstore.cosign/chain": strings.Repeat("x", 100<<10)})
	}
	_, problems = collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome{{Kind: problem.KindLimitExceeded, Detail: s.text("the legacy signatures of CHART@DIGEST could not be read: it has more than the 4096 KiB that chartgate reads")}}, problems)
}

// TestLegacyDocker: cosign can be configured to write Docker's media type.
func TestLegacyDocker(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.legacySignature(t, "legacy", nil)
	raw, err := s.Manifest(repo, "sha256-"+strings.TrimPrefix(s.digest, "sha256:")+".sig")
	if err != nil {
		t.Fatal(err)
	}
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	s.Fail(".sig$", serve(docker, strings.Replace(string(raw), manifestType, docker, 1)))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string{"legacy signature: legacy"}, contents(found))
}

// TestOtherLegacyLayers: other layers of the .sig manifest are not signatures.
func TestOtherLegacyLayers(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.Fail(".sig$", serve(manifestType, `{"schemaVersion":2,"layers":[{"mediaType":"text/plain","digest":"`+layerDigest+`"}]}`))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string(nil), contents(found))
}
