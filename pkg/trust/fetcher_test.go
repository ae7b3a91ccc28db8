package trust_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
)

// TestHTTPS: a mirror with a private CA needs that CA, and must not redirect to plain HTTP.
func TestHTTPS(t *testing.T) {
	w := newWorld(t)
	content := w.published(t)
	plain := w.mirror
	mirror, cas := tuf.ServeTLS(w.repository.Files())
	t.Cleanup(mirror.Close)
	w.mirror = mirror
	w.follow()
	mustDeny(t, w.roots, "corp", w.notFetched("the certificate of the host is not trusted"))

	open := func() {
		w.roots.Close()
		w.roots = trust.New(trust.Options{CacheDir: t.TempDir(), Now: w.clock.Now, Patience: time.Minute, RootCAs: cas})
		t.Cleanup(w.roots.Close)
		w.follow()
	}
	open()
	mustTrust(t, w.roots, "corp", content)
	mirror.Fail("timestamp.json", func(rw http.ResponseWriter, req *http.Request) {
		http.Redirect(rw, req, plain.URL+"/timestamp.json", http.StatusFound)
	})
	open()
	mustDeny(t, w.roots, "corp", w.notFetched("it redirects from HTTPS to plain HTTP"))
}

// TestRequests: what an update costs.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	content := w.published(t)
	w.follow()
	w.roots.Refresh()
	want := []string{
		"2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", tuf.TargetPath(target, content),
		"2.root.json", "timestamp.json",
	}
	if diff := cmp.Diff(want, w.mirror.Requests()); diff != "" {
		t.Error(diff)
	}
}
