package registry_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestArchive: one request returns content with the digest in the manifest, or there is an error.
func TestArchive(t *testing.T) {
	t.Parallel()
	const name = "the archive of CHART@DIGEST"
	for sentence, tc := range map[string]struct {
		fault    registrytest.Fault
		want     *outcome
		requests int
	}{
		"the archive":         {nil, nil, 1},
		"503 once":            {registrytest.Times(1, registrytest.Status(503)), nil, 2},
		"not there":           {registrytest.Status(404), &outcome{Kind: problem.KindNotFound, Detail: "HOST has no " + name}, 1},
		"no rights":           {registrytest.Status(403), &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: the registry answered 403 Forbidden", nextCredentials}, 1},
		"other content":       {serve("", "lie"), &outcome{Kind: problem.KindDigestMismatch, Detail: name + " could not be read: the registry serves content with the digest sha256:" + sha256Hex("lie")}, 1},
		"more than there was": {registrytest.Huge(1 << 20), &outcome{Kind: problem.KindDigestMismatch, Detail: name + " could not be read: the registry serves content with the digest MORE"}, 1},
		"too large":           {registrytest.Huge(17 << 20), &outcome{Kind: problem.KindLimitExceeded, Detail: name + " could not be read: it has more than the 16384 KiB that chartgate reads"}, 1},
		"without end":         {endless, &outcome{Kind: problem.KindLimitExceeded, Detail: name + " could not be read: it has more than the 16384 KiB that chartgate reads"}, 1},
		"cut off":             {registrytest.Truncated(), &outcome{Kind: problem.KindUnavailable, Detail: name + " could not be read: connection closed in the middle of the answer"}, 2},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			archive, err := charts.Archive("podinfo", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if tc.fault != nil {
				s.Fail("/blobs/", tc.fault)
			}
			got, err := s.client().Archive(t.Context(), s.resolved(t), sourceauth.Auth{})
			equal(t, tc.requests, len(s.Requests()))
			if tc.want != nil {
				more := "sha256:" + sha256Hex(string(archive)+strings.Repeat(" ", 1<<20-len(archive)))
				equal(t, outcome{tc.want.Kind, strings.ReplaceAll(s.text(tc.want.Detail), "MORE", more), s.text(tc.want.Next)}, outcomeOf(t, err))
				equal(t, 0, len(got))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, archive, got)
		})
	}
}

func endless(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	for chunk := make([]byte, 1<<20); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// TestArchiveElsewhere: registries redirect to a storage, which does not get the credentials.
func TestArchiveElsewhere(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"})
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	e := newElsewhere(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	s.Fail("/blobs/", answer(307, "Location: "+e.URL+"/storage?signature=x"))
	options := s.options(t, "user", "hunter2")
	options.PlainHTTP = append(options.PlainHTTP, e.host())
	c := registry.New(options)
	if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
		t.Fatal(err)
	}
	got, err := c.Archive(t.Context(), s.resolved(t), sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, archive, got)
	equal(t, []string{""}, e.seen)
}

// TestArchiveOfNothing: without a resolved chart there is no archive.
func TestArchiveOfNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for name, resolved := range map[string]artifact.Resolved{
		"nothing":     {},
		"no layer":    {Location: s.location(t), Digest: s.resolved(t).Digest},
		"no location": {Digest: s.resolved(t).Digest, Layer: s.resolved(t).Layer},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.client().Archive(t.Context(), resolved, sourceauth.Auth{})
			if err == nil || len(got) > 0 {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			_ = outcomeOf(t, err)
		})
	}
	equal(t, 0, len(s.Requests()))
}
