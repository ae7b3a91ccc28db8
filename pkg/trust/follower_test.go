package trust_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/trust"
)

// timestamps counts the updates that the mirror has seen.
func (w *world) timestamps() int {
	n := 0
	for _, path := range w.mirror.Requests() {
		if path == "timestamp.json" {
			n++
		}
	}
	return n
}

// TestExpiry: while the mirror is down, the trust root is used until the first of its metadata
// expires.
func TestExpiry(t *testing.T) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t)
			ends := start.Add(time.Hour)
			must(t, w.repository.Expire(role, ends))
			content := w.published(t)
			w.follow()
			w.mirror.Fail("", status(503))
			w.clock.set(ends.Add(-time.Second))
			w.roots.Refresh()
			mustTrust(t, w.roots, "corp", content)

			w.clock.set(ends)
			file := "2.root.json"
			if role == "root" {
				file = "3.root.json"
			}
			detail := "the TrustRoot corp expired on 2026-11-20T13:00:00Z and could not be fetched again from " + w.mirror.URL + ": it answered 503 when asked for " + file
			mustDeny(t, w.roots, "corp", detail)
			w.mustShow(t, "False Unavailable: "+detail)
			status, _ := w.roots.Status("corp")
			if !status.Expires.Time.Equal(ends) || !status.Refreshed.Time.Equal(start) || status.Digest != "" {
				t.Errorf("the status does not tell since when: %+v", status)
			}
		})
	}
}

// TestExpiryBeforeTheRefresh: expired metadata are not used, also before the mirror has been asked.
func TestExpiryBeforeTheRefresh(t *testing.T) {
	w := newWorld(t)
	w.follow()
	w.clock.set(expiry)
	mustDeny(t, w.roots, "corp", "the TrustRoot corp expired on 2026-11-22T12:00:00Z and is being fetched again from "+w.mirror.URL)
}

// TestOneUpdateForAll: however many callers need it at once, the mirror is asked once, also if it
// fails.
func TestOneUpdateForAll(t *testing.T) {
	for _, failing := range []bool{false, true} {
		w := newWorld(t)
		if failing {
			w.mirror.Fail("timestamp.json", status(503))
		}
		w.roots.WithBuiltin(w.mirror.URL, w.pinned).Set(nil)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if _, err := w.roots.Root(t.Context(), "default"); (err != nil) != failing {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for range 10 {
			_, _ = w.roots.Root(t.Context(), "default")
		}
		if n := w.timestamps(); n != 1 {
			t.Errorf("failing %t: the mirror was asked %d times", failing, n)
		}
	}
}

// hang lets answers wait until the test says so.
func (w *world) hang(t *testing.T) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	w.mirror.Fail("2.root.json", func(rw http.ResponseWriter, _ *http.Request) {
		<-gate
		rw.WriteHeader(404)
	})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return release
}

// TestSlowMirror: an admission gives up in time, the update goes on, and later admissions do not
// wait.
func TestSlowMirror(t *testing.T) {
	open := func(t *testing.T, patience time.Duration) (*world, *trust.Roots, func()) {
		w := newWorld(t)
		roots := trust.New(trust.Options{CacheDir: t.TempDir(), Now: w.clock.Now, Patience: patience})
		release := w.hang(t)
		t.Cleanup(roots.Close)
		roots.Set([]trust.Item{tufRoot("corp", w.mirror.URL, w.pinned)})
		return w, roots, release
	}
	t.Run("the admission ends", func(t *testing.T) {
		w, roots, release := open(t, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := roots.Root(ctx, "corp")
		if err == nil || !strings.Contains(err.Error(), "the TrustRoot corp is still being fetched from "+w.mirror.URL) {
			t.Error(err)
		}
		if status, _ := roots.Status("corp"); status.Conditions[0].Status != "Unknown" || status.Conditions[0].Reason != "Loading" {
			t.Errorf("%+v", status)
		}
		release()
		roots.Await("corp")
		if _, err := roots.Root(ctx, "corp"); err != nil {
			t.Error(err)
		}
	})
	t.Run("patience ends", func(t *testing.T) {
		w, roots, _ := open(t, time.Millisecond)
		for range 3 {
			mustDeny(t, roots, "corp", "the TrustRoot corp is still being fetched from "+w.mirror.URL)
		}
	})
}

// TestBackground: trust roots are refreshed in the background, and Changed is called.
func TestBackground(t *testing.T) {
	w := newWorld(t)
	news := make(chan struct{}, 1)
	roots := trust.New(trust.Options{CacheDir: t.TempDir(), Now: w.clock.Now, Patience: time.Minute, Changed: func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}}).WithPace(time.Millisecond, time.Millisecond)
	t.Cleanup(roots.Close)
	roots.Set([]trust.Item{tufRoot("corp", w.mirror.URL, w.pinned)})
	until := func(done func(v1alpha1.TrustRootStatus) bool) {
		for {
			if status, _ := roots.Status("corp"); done(status) {
				return
			}
			<-news
		}
	}
	ready := func(want string) func(v1alpha1.TrustRootStatus) bool {
		return func(s v1alpha1.TrustRootStatus) bool { return string(s.Conditions[0].Status) == want }
	}
	until(ready("True"))
	content := w.published(t)
	until(func(s v1alpha1.TrustRootStatus) bool { return s.Digest == stateOf(t, content) })
	w.mirror.Show(newRepository(t).Files())
	until(ready("False"))
	w.show()
	until(ready("True"))
	roots.Close()
	mustDeny(t, roots, "corp", "the TrustRoot corp does not exist")
}

// TestStopped: a trust root that is not needed any more sends no request, keeps no caller waiting,
// and logs no failure.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	var log []string
	roots := trust.New(trust.Options{CacheDir: t.TempDir(), Patience: time.Hour, Log: funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{})})
	asked := make(chan struct{})
	w.mirror.Fail("2.root.json", func(_ http.ResponseWriter, req *http.Request) {
		close(asked)
		<-req.Context().Done()
	})
	roots.Set([]trust.Item{tufRoot("corp", w.mirror.URL, w.pinned)})
	waiting := make(chan error)
	go func() {
		_, err := roots.Root(t.Context(), "corp")
		waiting <- err
	}()
	<-asked
	roots.Close()
	if err := <-waiting; err == nil {
		t.Error("a trust root that was never fetched")
	}
	if diff := cmp.Diff([]string{"2.root.json"}, w.mirror.Requests()); diff != "" || len(log) > 0 {
		t.Errorf("%s %v", diff, log)
	}
}
