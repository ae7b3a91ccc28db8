package harness

import (
	"encoding/json"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/fixtures/charts"
)

// Place is a folder of a registry in which versions of the chart app are published. It holds one
// ConfigMap, whose content shows which version is deployed.
type Place struct {
	Signing
	Folder string // as in charts/team-1
}

// Repository is that of the chart in the registry.
func (p Place) Repository() string { return p.Folder + "/app" }

// URL is that of the folder at the registry's own address.
func (p Place) URL() string { return "oci://" + p.Registry.Host() + "/" + p.Folder }

// Push publishes a version with a message, and returns its manifest's digest. values-prod.yaml changes
// its other content.
func (p Place) Push(t testing.TB, version, message string) string {
	t.Helper()
	return p.PushTemplate(t, version, fmt.Sprintf(messageTemplate, message))
}

const messageTemplate = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {message: %q, extra: {{ .Values.extra | quote }}}
`

// PushTemplate is Push with another template.
func (p Place) PushTemplate(t testing.TB, version, template string) string {
	t.Helper()
	archive, err := charts.Archive("app", version,
		charts.File{Name: "values.yaml", Body: "extra: none\n"},
		charts.File{Name: "values-prod.yaml", Body: "extra: prod\n"},
		charts.File{Name: "templates/configmap.yaml", Body: template})
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := p.Registry.PushChart(p.Repository(), version, archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// Sign signs a version by its digest.
func (p Place) Sign(t testing.TB, digest string) {
	t.Helper()
	if err := p.Bundle(p.Repository(), digest); err != nil {
		t.Fatal(err)
	}
}

// Signed publishes and signs a version.
func (p Place) Signed(t testing.TB, version, message string) string {
	t.Helper()
	digest := p.Push(t, version, message)
	p.Sign(t, digest)
	return digest
}

// Layer is the digest of a version's archive.
func (p Place) Layer(t testing.TB, version string) string {
	t.Helper()
	raw, err := p.Registry.Manifest(p.Repository(), version)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Layers []struct {
			Digest string `json:"digest"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil || len(manifest.Layers) != 1 {
		t.Fatalf("layers of %s: %v", raw, err)
	}
	return manifest.Layers[0].Digest
}

// Deployed is what a release of the chart app has put into a namespace, "message extra", or "" for
// nothing.
func (s *Site) Deployed(t testing.TB, namespace, release string) string {
	t.Helper()
	var found corev1.ConfigMap
	err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: release}, &found)
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return found.Data["message"] + " " + found.Data["extra"]
}
