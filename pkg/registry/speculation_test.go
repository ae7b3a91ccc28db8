package registry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// searched returns what a client finds that sends the request for the tag of legacy signatures
// early, because it has resolved the chart.
func searched(t *testing.T, s shelf) []string {
	t.Helper()
	c := registry.New(s.options(t, "u", "p"))
	resolved, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	s.Reset()
	var found []attachment.Attachment
	for a, err := range c.Signatures(t.Context(), resolved, attachment.Search{}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, a)
		break // one is sufficient
	}
	return contents(found)
}

// TestSpeculationNeverHidesASignature: whatever happens to the request that is sent early, the
// signature is found, by a second request if necessary.
func TestSpeculationNeverHidesASignature(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault    registrytest.Fault
		requests int // for the tag
	}{
		"an answer":      {func(w http.ResponseWriter, r *http.Request, healthy http.Handler) { healthy.ServeHTTP(w, r) }, 1},
		"500":            {registrytest.Status(500), 2},
		"503":            {registrytest.Status(503), 2},
		"429":            {registrytest.Status(429), 2},
		"401":            {registrytest.Status(401), 2},
		"403":            {registrytest.Status(403), 2},
		"reset":          {registrytest.Reset(), 2},
		"garbage":        {answer(200, "Docker-Content-Digest: sha256:0"), 2},
		"another digest": {with("Docker-Content-Digest: " + layerDigest), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.legacySignature(t, "legacy", nil)
			s.Fail(`\.sig$`, registrytest.Times(1, tc.fault))
			equal(t, []string{"legacy signature: legacy"}, searched(t, s))
			equal(t, tc.requests, count(s.Requests(), `\.sig$`))
		})
	}
}

// TestSpeculationDelaysNothing: a bundle is sufficient, however long the request that was sent
// early takes, and that request ends.
func TestSpeculationDelaysNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "bundle", nil)
	arrived, ended := make(chan struct{}), make(chan struct{})
	s.Fail(`\.sig$`, func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		close(arrived)
		<-req.Context().Done()
		close(ended)
	})
	s.Fail("/blobs/", func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		<-arrived
		healthy.ServeHTTP(w, req)
	})
	equal(t, []string{"bundle: bundle"}, searched(t, s))
	<-ended
}

// TestSpeculationCausesNoLogin: a repository for which the client has no token is not asked early.
func TestSpeculationCausesNoLogin(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]registrytest.Auth{"bearer": registrytest.Bearer, "basic": registrytest.Basic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{Auth: auth, Username: "u", Password: "p"})
			s.bundle(t, "bundle", nil)
			c := registry.New(s.options(t, "u", "p"))
			for range c.Signatures(t.Context(), s.resolved(t), attachment.Search{}) {
				break
			}
			equal(t, 0, count(s.Requests(), `\.sig$`))
		})
	}
}

// TestSpeculationLearns: in a folder whose last chart was signed with a bundle, the tag of legacy
// signatures is not requested early; in others it is.
func TestSpeculationLearns(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "bundle", nil)
	c := s.client()
	search := func() int {
		if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
			t.Fatal(err)
		}
		s.Reset()
		for range c.Signatures(t.Context(), s.resolved(t), attachment.Search{}) {
			break
		}
		return count(s.Requests(), `\.sig$`)
	}
	equal(t, 1, search())
	equal(t, 0, search())
	s.Fail("/referrers/", serveIndex())
	s.legacySignature(t, "legacy", nil)
	equal(t, 1, search()) // in its turn, and from now on early
	s.Heal()
	equal(t, 1, search())
}

// TestSpeculationEndsWithTheAdmission: a caller that goes away takes the request along.
func TestSpeculationEndsWithTheAdmission(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	c := s.client()
	if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	s.Fail(`\.sig$`, func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		cancel()
		<-req.Context().Done()
		close(ended)
	})
	s.Fail("/referrers/", registrytest.Slow(time.Minute))
	for range c.Signatures(ctx, s.resolved(t), attachment.Search{}) { // until it ends
	}
	<-ended
}
