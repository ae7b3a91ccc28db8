package attacks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// asTeam moves the chart and its tags to another team's place.
func (s *stall) asTeam(team string, t *testing.T) {
	t.Helper()
	s.repo = team + "/app"
	s.digest, s.layer = s.push(t, s.repo, "1.0.0", "hello")
}

func (s *stall) otherManifest(t *testing.T) []byte {
	t.Helper()
	other, _ := s.push(t, s.repo, "other", "other")
	return must(s.Manifest(s.repo, other))(t)
}

// hugeBundle attaches a bundle whose descriptor names a size.
func (s *stall) hugeBundle(t *testing.T, size int64) {
	t.Helper()
	digest := must(s.AttachBundle(s.repo, s.digest, s.bundleOf(t, acme(), s.digest), nil))(t)
	raw := edit(t, must(s.Manifest(s.repo, digest))(t), func(m map[string]any) { at(m, "layers", "0")["size"] = size })
	if err := s.Delete(s.repo, digest); err != nil {
		t.Fatal(err)
	}
	must(s.PushManifest(s.repo, "", manifestType, raw))(t)
}

// hugeLegacy attaches legacy signatures whose descriptors name a size.
func (s *stall) hugeLegacy(t *testing.T, size int64, count int) {
	t.Helper()
	s.legacy(t, mallory())
	tag := strings.Replace(s.digest, ":", "-", 1) + ".sig"
	raw := edit(t, must(s.Manifest(s.repo, tag))(t), func(m map[string]any) {
		at(m, "layers", "0")["size"] = size
		delete(at(m, "layers", "0"), "annotations")
		m["layers"] = slices.Repeat(m["layers"].([]any), count)
	})
	must(s.PushManifest(s.repo, tag, manifestType, raw))(t)
}

// crowd attaches artifacts that are marked as signatures and contain no signature.
func (s *stall) crowd(t *testing.T, count int) {
	t.Helper()
	for i := range count {
		s.attach(t, fmt.Appendf(nil, "junk %d", i), map[string]string{predicateAnnotation: sigstore.SignPredicateType})
	}
}

// junk attaches content that is not a signature.
func (s *stall) junk(t *testing.T, count int) {
	t.Helper()
	config := must(s.PushBlob(s.repo, []byte("{}")))(t)
	for i := range count {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},
			"layers":[],"annotations":{"n":"%d"},"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, manifestType, config, i, manifestType, s.digest, len(s.manifest(t)))
		must(s.PushManifest(s.repo, "", manifestType, raw))(t)
	}
}

// insteadOf answers a request for one reference with the content of another.
func insteadOf(reference, other string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		asked := req.Clone(req.Context())
		asked.URL = &url.URL{Path: strings.TrimSuffix(req.URL.Path, reference) + other}
		healthy.ServeHTTP(w, asked)
	}
}

// undigested is another body, without a header with its digest.
func undigested(body []byte) registrytest.Fault {
	lie := registrytest.Body(body)
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		lie(&hiding{w, "Docker-Content-Digest"}, req, healthy)
	}
}

// hiding removes a header.
type hiding struct {
	http.ResponseWriter
	name string
}

func (h *hiding) Write(b []byte) (int, error) {
	h.Header().Del(h.name)
	return h.ResponseWriter.Write(b)
}

func mediaType(name string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		answer := httptest.NewRecorder()
		healthy.ServeHTTP(answer, req)
		w.Header().Set("Content-Type", name)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// referrers lists bundles that do not exist. The next page is this one, another one, or does not
// exist.
func referrers(count int, next string) registrytest.Fault {
	page := 0
	var mu sync.Mutex
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		page++
		index := map[string]any{"schemaVersion": 2, "mediaType": indexType}
		manifests := []any{}
		for i := range count {
			manifests = append(manifests, map[string]any{
				"mediaType": manifestType, "size": 100, "artifactType": sigstore.BundleMediaType, "digest": fmt.Sprintf("sha256:%032x%032x", page, i),
			})
		}
		index["manifests"] = manifests
		w.Header().Set("Content-Type", indexType)
		switch next {
		case "next":
			w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, req.URL.Path, page))
		case "same":
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, req.URL.Path))
		}
		_ = json.NewEncoder(w).Encode(index)
	}
}

func tagPages() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=1.0.0&n=1000>; rel="next"`, req.URL.Path))
		_, _ = fmt.Fprint(w, `{"name":"x","tags":["1.0.0"]}`)
	}
}

// nextAt answers with an empty page, and the next one elsewhere.
func nextAt(origin string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Link", "<"+origin+req.URL.Path+`>; rel="next"`)
		w.Header().Set("Content-Type", indexType)
		_, _ = fmt.Fprint(w, `{"schemaVersion":2,"name":"x","tags":[],"manifests":[]}`)
	}
}

// redirect sends the client to another origin, or back to the same place.
func redirect(origin string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		http.Redirect(w, req, origin+req.URL.Path, http.StatusTemporaryRedirect)
	}
}

func challenge(header string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("WWW-Authenticate", header)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// onceLoggedIn is the fault for requests with a login.
func onceLoggedIn(fault registrytest.Fault) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		if req.Header.Get("Authorization") == "" {
			healthy.ServeHTTP(w, req)
			return
		}
		fault(w, req, healthy)
	}
}

// newThief starts a host that asks for credentials. No login must reach it; if the admin has not
// named it, not even a packet.
func newThief(t *testing.T, s *stall, named bool, scheme ...string) *httptest.Server {
	t.Helper()
	asks := append(scheme, "Basic")[0]
	var thief *httptest.Server
	thief = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !named {
			t.Errorf("%s %s reached a host over plain HTTP that the admin has not named", req.Method, req.URL)
		}
		if stolen := req.Header.Get("Authorization"); stolen != "" {
			t.Errorf("%s %s brought the credentials %q", req.Method, req.URL, stolen)
		}
		if strings.HasPrefix(req.URL.Path, "/token") {
			t.Errorf("%s %s: the registry's credentials were offered for a token of another host", req.Method, req.URL)
		}
		challenge(asks+` realm="`+thief.URL+`/token"`)(w, req, nil)
	}))
	t.Cleanup(thief.Close)
	if named {
		s.plainHTTP = append(s.plainHTTP, strings.TrimPrefix(thief.URL, "http://"))
	}
	return thief
}

// atMost bounds what the decision cost the registry.
func atMost(requests int) func(*testing.T, *stall) {
	return func(t *testing.T, s *stall) {
		t.Helper()
		if got := s.Requests(); len(got) > requests {
			t.Errorf("%d requests, want at most %d; the first are\n%s", len(got), requests, strings.Join(got[:min(len(got), 10)], "\n"))
		}
	}
}

func noBlobs(t *testing.T, s *stall) {
	t.Helper()
	var blobs []string
	for _, request := range s.Requests() {
		if strings.Contains(request, "/blobs/") {
			blobs = append(blobs, request)
		}
	}
	if diff := cmp.Diff([]string(nil), blobs); diff != "" {
		t.Errorf("it was fetched all the same (-want +got):\n%s", diff)
	}
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	if _, err := zip.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
