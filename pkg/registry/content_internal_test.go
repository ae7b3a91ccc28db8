package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// TestLargeBlob: a large content takes one of few slots until it is no longer needed. A small one,
// or one that cannot be read, takes no slot.
func TestLargeBlob(t *testing.T) {
	t.Parallel()
	small, large := make([]byte, 1000), make([]byte, maxBundle+1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if found, err := newContent(http.Header{}, small, ""); err == nil && strings.HasSuffix(req.URL.Path, found.digest.String()) {
			_, _ = w.Write(small)
			return
		}
		_, _ = w.Write(large)
	}))
	defer server.Close()
	host := server.Listener.Addr().String()
	location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{PlainHTTP: []string{host}})
	r, err := c.repository(t.Context(), location, sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	taken := func() int {
		c.large.mu.Lock()
		defer c.large.mu.Unlock()
		if c.large.hosts[host] == nil {
			return 0
		}
		return c.large.hosts[host].users
	}
	for _, step := range []struct {
		sentence string
		content  []byte
		size     int64 // as its descriptor says; 0 does not
		limit    int64
		fails    bool
		takes    int
	}{
		{"a small one that may not be large", small, 0, maxBundle, false, 0},
		{"a small one that may be large, and says so", small, 1000, maxAttestation, false, 0},
		{"one of unknown size", small, 0, maxAttestation, false, 1},
		{"a large one", large, maxBundle + 1, maxAttestation, false, 1},
		{"a large one that says it is small", large, 1, maxAttestation, true, 0},
		{"a large one that may not be", large, 0, maxBundle, true, 0},
		{"one that is too large by its own words", large, maxAttestation + 1, maxAttestation, true, 0},
	} {
		a, err := newContent(http.Header{}, step.content, "")
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := r.largeBlob(t.Context(), descriptor(a, step.size), step.limit)
		if (err != nil) != step.fails || taken() != step.takes {
			t.Errorf("%s: %v, takes %d slots", step.sentence, err, taken())
		}
		if done(); taken() != 0 {
			t.Errorf("%s: %d slots are never released", step.sentence, taken())
		}
	}
}

func descriptor(a content, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.Digest(a.digest.String()), Size: size}
}
