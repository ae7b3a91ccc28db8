package flux_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/harness"
)

// source-controller writes what it has pulled into the status of the object that has the name then,
// with the generation that this object has then. What follows changes the object while the pull is
// in progress.

// TestLayerIsSwappedWhileItIsPulled: a registry that no policy is about serves the manifest of a
// signed chart, and holds its layer until the OCIRepository has the URL of the signed chart. Then it
// serves another layer, which source-controller extracts without reading it to its end.
func TestLayerIsSwappedWhileItIsPulled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence string
		swap     func(t *testing.T, m *team)
	}{
		{"the OCIRepository gets another URL", func(t *testing.T, m *team) {
			m.Patch(t, source("OCIRepository", "app", spec("url: %q", m.own().URL()+"/app")))
		}},
		{"the OCIRepository is deleted and created again", func(t *testing.T, m *team) {
			object := m.Object(t, source("OCIRepository", "app", ""))
			object.Object["metadata"].(map[string]any)["finalizers"] = nil
			m.PatchObject(t, object)
			m.Remove(t, source("OCIRepository", "app", ""))
			m.Apply(t, repackaging("app", m.own(), "1.0.0", ""))
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			digest := m.own().PushTemplate(t, "1.0.0", noise(t)+strings.Replace(evilTemplate, "evil", "good", 1))
			m.own().Sign(t, digest)
			held, free := m.forge(t, digest)
			m.Apply(t, repackaging("app", m.abroad(), "1.0.0", ""))
			wait(t, held)
			tc.swap(t, m)
			free()
			m.Apply(t, releaseBy("app", "OCIRepository", "app"))
			m.isNotStored(t)
			// source-controller pulls again, now from the registry of the signed chart.
			m.deploys(t, "app", "good none")
		})
	}
}

// TestContentGetsAWaivedNameWhileItIsPulled: source-controller says of it that it was pulled for the
// present spec, whose URL is waived.
func TestContentGetsAWaivedNameWhileItIsPulled(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.abroad().Push(t, "1.0.0", "evil")
	held, free := hold(t, m.foreign, "GET /v2/"+m.abroad().Repository()+"/blobs/"+m.abroad().Layer(t, "1.0.0"))
	m.Apply(t, repackaging("app", m.abroad(), "1.0.0", "layerSelector: {operation: copy}, "))
	wait(t, held)
	m.Patch(t, source("OCIRepository", "app", spec("suspend: true, url: %q", m.waived().URL()+"/app")))
	m.Apply(t, releaseBy("app", "OCIRepository", "app"))
	free()
	m.isNotStored(t)
	if got := m.deployed(t, "app"); got != "" {
		t.Errorf("deployed %q", got)
	}
}

// isNotStored waits until source-controller was denied to record what it has pulled.
func (m *team) isNotStored(t *testing.T) {
	t.Helper()
	harness.Eventually(t, func() string {
		if m.refused(t, sourceController, source("OCIRepository", "app", "")) == 0 {
			return "source-controller was not denied yet"
		}
		return ""
	})
}

// TestADigestGetsAWaivedName: source-controller asks no registry about a digest, and goes on to use
// the archive that it has.
func TestADigestGetsAWaivedName(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	byDigest := func(name string, at harness.Place, digest string) string {
		return source("OCIRepository", name, spec("layerSelector: {operation: copy}, interval: 10m, insecure: true, url: %q, ref: {digest: %q}", at.URL()+"/app", digest))
	}
	evil := m.abroad().Push(t, "1.0.0", "evil")
	m.Apply(t, byDigest("app", m.abroad(), evil))
	m.becomesReady(t, source("OCIRepository", "app", ""))
	m.Apply(t, byDigest("app", m.waived(), evil))
	m.becomesReady(t, source("OCIRepository", "app", ""))
	if err := m.TryApply(t, m.Object(t, releaseBy("app", "OCIRepository", "app"))); err == nil || !strings.Contains(err.Error(), "denied the request") {
		t.Errorf("a release of content that the waived URL does not serve: %v", err)
	}
	for _, version := range []string{"1.0.0", "1.1.0"} { // control: what the waived URL serves
		digest := m.waived().Push(t, version, "good "+version)
		m.Apply(t, byDigest("honest", m.waived(), digest), releaseBy("honest", "OCIRepository", "honest"))
		m.deploys(t, "honest", "good "+version+" none")
	}
}

const evilTemplate = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {message: evil, extra: {{ .Values.extra | quote }}}\n"

// forge has the foreign registry serve the manifest with the digest, and for its layer other content
// once free is called.
func (m *team) forge(t *testing.T, digest string) (held <-chan struct{}, free func()) {
	t.Helper()
	raw, err := m.registry.Manifest(m.own().Repository(), digest)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	evil, err := charts.Archive("app", "1.0.0", charts.File{Name: "values.yaml", Body: "extra: none\n"}, charts.File{Name: "templates/configmap.yaml", Body: evilTemplate})
	if err != nil {
		t.Fatal(err)
	}
	evil = unread(t, evil)
	arrived, freed := make(chan struct{}), make(chan struct{})
	arrive, release := sync.OnceFunc(func() { close(arrived) }), sync.OnceFunc(func() { close(freed) })
	t.Cleanup(release)
	m.foreign.Fail("/"+m.abroad().Repository()+"/manifests/", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", manifest.MediaType)
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(raw)
		}
	})
	m.foreign.Fail("/"+m.abroad().Repository()+"/blobs/", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		arrive()
		select {
		case <-freed:
		case <-r.Context().Done():
			return
		}
		_ = http.NewResponseController(w).Flush() // in chunks: no Content-Length
		_, _ = w.Write(evil)
	})
	return arrived, release
}

// unread packs an archive again, with something behind the end of its files, so that a reader of tar
// stops before the end of the layer.
func unread(t *testing.T, archive []byte) []byte {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, 15<<10)
	_, _ = rand.Read(rest)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	for _, part := range [][]byte{files, rest} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// noise is a comment that does not compress: the signed layer must be longer than what is read of the
// forged one.
func noise(t *testing.T) string {
	t.Helper()
	random := make([]byte, 20<<10)
	_, _ = rand.Read(random)
	return "# " + hex.EncodeToString(random) + "\n"
}
