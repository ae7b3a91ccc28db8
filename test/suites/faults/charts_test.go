package faults_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// push makes a chart "acme/podinfo", version 1.0.0, and returns its digest.
func (w *world) push(t *testing.T, repository string) string {
	t.Helper()
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := w.registry.PushChart(repository, "1.0.0", archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// variant makes another chart in a repository, which differs in an annotation, and returns its digest.
func (w *world) variant(t *testing.T, repository string, number int) string {
	t.Helper()
	raw, err := w.registry.Manifest(repository, w.push(t, repository))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["annotations"] = map[string]string{"number": fmt.Sprint(number)}
	digest, err := w.registry.PushManifest(repository, fmt.Sprintf("1.0.%d", number+1), "application/vnd.oci.image.manifest.v1+json", []byte(encode(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// bundle signs a chart as cosign 3 does and returns the digest of the bundle's manifest.
func (w *world) bundle(t *testing.T, repository, digest string, opts ...sigstore.Option) string {
	t.Helper()
	bundle, err := theSigstore(t).Bundle(acme(), digest, sigstore.SignPredicateType, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := w.registry.AttachBundle(repository, digest, bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	return attached
}

// legacy signs a chart as cosign 2 does.
func (w *world) legacy(t *testing.T, repository, digest string, opts ...sigstore.Option) {
	t.Helper()
	payload, annotations, err := theSigstore(t).Legacy(acme(), w.registry.Host()+"/"+repository, digest, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.registry.AttachLegacy(repository, digest, payload, annotations); err != nil {
		t.Fatal(err)
	}
}
