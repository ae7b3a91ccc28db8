package faults_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chartgate/chartgate/pkg/verdict"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestOneGoodSignatureIsEnough: a chart is signed twice, as a bundle and in the legacy form. A
// fault of one does not affect the other, unless it uses up the time.
func TestOneGoodSignatureIsEnough(t *testing.T) {
	for _, part := range []struct {
		what     string
		requests func(bundle string) string
		first    bool // it is looked at first
	}{
		{"the list of referrers", func(string) string { return `/referrers/` }, true},
		{"the manifest of the bundle", func(bundle string) string { return `/manifests/` + bundle + `$` }, true},
		{"the content of the bundle", func(string) string { return `^1 GET .*/blobs/` }, true},
		{"the list of legacy signatures", func(string) string { return `[.]sig$` }, false},
		{"the payload of the legacy signature", func(string) string { return `^2 GET .*/blobs/` }, false},
	} {
		for _, c := range columns() {
			t.Run(part.what+" "+c.what, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				digest := w.push(t, "acme/podinfo")
				bundle := w.bundle(t, "acme/podinfo", digest)
				w.legacy(t, "acme/podinfo", digest)
				w.failPart(part.requests(bundle), c.fault(t))

				if part.first && c.waits {
					mustDeny(t, verdict.Timeout, w.ask(t, w.application("acme/podinfo", "1.0.0"), announced))
					return
				}
				mustAdmit(t, w.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
			})
		}
	}
}

// failPart is Fail, for patterns that begin with the number of the blob that they mean: blobs are
// the bundle's content first and the legacy payload second.
func (w *world) failPart(requests string, fault registrytest.Fault) {
	var number int
	var rest string
	if n, _ := fmt.Sscanf(requests, "^%d %s", &number, &rest); n == 0 {
		w.registry.Fail(requests, fault)
		return
	}
	var blobs counter
	w.registry.Fail(`/blobs/`, func(rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
		blobs.add()
		if blobs.value() == number {
			fault(rw, req, healthy)
			return
		}
		healthy.ServeHTTP(rw, req)
	})
}

// TestRetry: one retry, if there is time for it.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		sentence string
		fault    registrytest.Fault
		want     verdict.Reason
	}{
		{"a reset before the answer is tried again", registrytest.Reset(), ""},
		{"a reset in mid body is tried again", resetInMidBody(), ""},
		{"an answer that is cut off is asked for again", registrytest.Truncated(), ""},
		{"one request too many is repeated after a second, as asked", tooMany("1"), ""},
		{"a bad gateway is tried again", registrytest.Status(http.StatusBadGateway), ""},
		{"an overloaded registry is tried again", registrytest.Status(http.StatusServiceUnavailable), ""},
		{"a registry that asks for an hour is believed", tooMany("3600"), verdict.RegistryUnavailable},
		{"a registry that asks for two seconds is waited for, since others may have more time", tooMany("2"), verdict.Timeout},
		{"an internal error is not tried again", registrytest.Status(http.StatusInternalServerError), verdict.RegistryUnavailable},
		{"garbage is not asked for again", registrytest.Body([]byte(canary)), verdict.DigestMismatch},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
			w.registry.Fail(`/manifests/1[.]0[.]0$`, registrytest.Times(1, c.fault))
			got := w.ask(t, w.application("acme/podinfo", "1.0.0"), timeoutFor(c.want))
			if c.want == "" {
				mustAdmit(t, got)
				return
			}
			mustDeny(t, c.want, got)
			mustAdmit(t, w.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
		})
	}
}

// TestRegistryIsGone: a chart that was verified by digest does not need it any more; a tag does.
func TestRegistryIsGone(t *testing.T) {
	w := newWorld(t)
	digest := w.push(t, "acme/podinfo")
	w.bundle(t, "acme/podinfo", digest)
	mustAdmit(t, w.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
	w.registry.Close()
	mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", digest), longestTimeout))
	mustDeny(t, verdict.RegistryUnavailable, w.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
	mustDeny(t, verdict.RegistryUnavailable, w.ask(t, w.application("acme/other", "1.0.0"), longestTimeout))
}
