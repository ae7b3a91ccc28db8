package faults_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/charts"
	"github.com/chartgate/chartgate/test/sigstore"
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
