package trust_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
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

// TestExpiry: while the mirror is down, what was fetched is good until the first of its metadata expires.
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

// TestExpiryBeforeTheRefresh: nobody has asked the mirror yet, and still nothing expired is used.
func TestExpiryBeforeTheRefresh(t *testing.T) {
	w := newWorld(t)
	w.follow()
	w.clock.set(expiry)
	mustDeny(t, w.roots, "corp", "the TrustRoot corp expired on 2026-11-22T12:00:00Z and is being fetched again from "+w.mirror.URL)
}

// TestRestart: the cache is as good as memory, and no better.
func TestRestart(t *testing.T) {
	begin := func(t *testing.T) (*world, []byte) {
		w := newWorld(t)
		content := w.published(t)
		w.follow()
		return w, content
	}
	t.Run("the mirror is down", func(t *testing.T) {
		w, content := begin(t)
		w.mirror.Close()
		w.restart(t)
		w.follow()
		mustTrust(t, w.roots, "corp", content)
		w.mustShow(t, w.kept("it could not be reached"))
	})
	t.Run("the mirror is down, and the cache has expired", func(t *testing.T) {
		w, _ := begin(t)
		w.mirror.Close()
		w.clock.set(expiry.Add(time.Second))
		w.restart(t)
		w.follow()
		mustDeny(t, w.roots, "corp", w.notFetched("it could not be reached"))
	})
	t.Run("the root was rotated, and the mirror is down", func(t *testing.T) {
		w, _ := begin(t)
		must(t, w.repository.Rotate("root"))
		must(t, w.repository.Rotate("timestamp"))
		content := w.published(t)
		w.roots.Refresh()
		w.mirror.Close()
		w.restart(t)
		w.follow()
		mustTrust(t, w.roots, "corp", content)
	})
	for _, file := range []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", "targets/trusted_root.json"} {
		for sentence, text := range map[string]string{"empty": "", "cut off": `{"signed":{"_ty`, "null": "null", "of another kind": `{"signatures":[],"signed":{"_type":"mirrors"}}`} {
			t.Run("in the cache, "+file+" is "+sentence, func(t *testing.T) {
				w, content := begin(t)
				must(t, os.WriteFile(w.cached(t, file), []byte(text), 0o600))
				w.restart(t)
				w.follow()
				mustTrust(t, w.roots, "corp", content)
			})
		}
	}
	t.Run("in the cache, the trust root is another one", func(t *testing.T) {
		w, content := begin(t)
		must(t, os.WriteFile(w.cached(t, "targets/trusted_root.json"), sigstoreRoot(t), 0o600))
		w.restart(t)
		w.follow()
		mustTrust(t, w.roots, "corp", content)
	})
}

// cached is the path of a file in the one cache that there is.
func (w *world) cached(t *testing.T, file string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.cacheDir, "*", filepath.FromSlash(file)))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

func TestNoCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]string{"": "--tuf-cache names no directory", file: "the directory of --tuf-cache cannot be used"} {
		w := newWorld(t)
		w.cacheDir = dir
		w.restart(t)
		w.follow()
		mustDeny(t, w.roots, "corp", w.notFetched(want))
	}
}

// TestOneRootOfTwo: TrustRoots share nothing, not even what one mirror says about two of them.
func TestOneRootOfTwo(t *testing.T) {
	w := newWorld(t)
	other := newRepository(t)
	good := sigstoreRoot(t)
	w.set(tufRoot("same", w.mirror.URL, w.pinned), tufRoot("other", w.mirror.URL, other.Root()),
		item("inline", v1alpha1.TrustRootSpec{TrustedRoot: string(good)}))
	w.roots.Await("corp")
	content := w.published(t)
	w.roots.Refresh()
	mustTrust(t, w.roots, "corp", content)
	mustTrust(t, w.roots, "same", content)
	mustTrust(t, w.roots, "inline", good)
	mustDeny(t, w.roots, "other", "the TrustRoot other was refused as "+w.mirror.URL+" serves it: timestamp.json"+unsigned)
	if dirs, err := os.ReadDir(w.cacheDir); err != nil || len(dirs) != 3 {
		t.Errorf("%d caches, %v", len(dirs), err)
	}
}

// TestNewRootInTheTrustRoot: after a repository was made anew, the platform team writes its root into the TrustRoot.
func TestNewRootInTheTrustRoot(t *testing.T) {
	w := newWorld(t)
	w.follow()
	w.repository = newRepository(t)
	content := w.published(t)
	w.roots.Refresh()
	mustDeny(t, w.roots, "corp", w.refused("timestamp.json"+unsigned))
	w.pinned = w.repository.Root()
	w.follow()
	mustTrust(t, w.roots, "corp", content)
}

func TestChangesOfTheSet(t *testing.T) {
	w := newWorld(t)
	mustDeny(t, w.roots, "corp", "the TrustRoots have not been loaded yet")
	w.follow()
	w.set(item("more", v1alpha1.TrustRootSpec{TrustedRoot: string(sigstoreRoot(t))}))
	w.roots.Await("corp")
	if n := w.timestamps(); n != 1 {
		t.Errorf("%d updates: one that is as before is fetched again", n)
	}
	w.roots.Set(nil)
	mustDeny(t, w.roots, "corp", "the TrustRoot corp does not exist")
	if _, known := w.roots.Status("corp"); known {
		t.Error("one that is gone has a status")
	}
	twice := item("twice", v1alpha1.TrustRootSpec{TrustedRoot: string(sigstoreRoot(t))})
	w.roots.Set([]trust.Item{twice, twice})
	mustDeny(t, w.roots, "twice", "the TrustRoot twice cannot be used: there are two TrustRoots of this name")
}

// TestDefault: the built-in trust root is fetched when somebody needs it, and not before.
func TestDefault(t *testing.T) {
	open := func(t *testing.T, o trust.Options) (*world, *trust.Roots) {
		w := newWorld(t)
		o.CacheDir, o.Now, o.Patience = t.TempDir(), w.clock.Now, time.Minute
		roots := trust.New(o)
		t.Cleanup(roots.Close)
		return w, roots
	}
	t.Run("it is that of a TUF repository", func(t *testing.T) {
		w, roots := open(t, trust.Options{})
		content := w.published(t)
		roots.WithBuiltin(w.mirror.URL, w.pinned).Set(nil)
		mustDeny(t, roots, "other", "the TrustRoot other does not exist")
		if asked := w.mirror.Requests(); len(asked) > 0 {
			t.Errorf("nobody needs it, but chartgate asked for %v", asked)
		}
		mustTrust(t, roots, "default", content)
		w.mirror.Show(newRepository(t).Files())
		roots.Refresh()
		mustDeny(t, roots, "default", "Sigstore's public-good trust root was refused as "+w.mirror.URL+" serves it: timestamp.json"+unsigned)
	})
	t.Run("a TrustRoot of that name takes its place", func(t *testing.T) {
		w, roots := open(t, trust.Options{})
		content := sigstoreRoot(t)
		roots.WithBuiltin(w.mirror.URL, w.pinned).Set([]trust.Item{item("default", v1alpha1.TrustRootSpec{TrustedRoot: string(content)})})
		mustTrust(t, roots, "default", content)
		if asked := w.mirror.Requests(); len(asked) > 0 {
			t.Errorf("nobody needs it, but chartgate asked for %v", asked)
		}
	})
	t.Run("a broken TrustRoot of that name takes its place, too", func(t *testing.T) {
		w, roots := open(t, trust.Options{})
		roots.WithBuiltin(w.mirror.URL, w.pinned).Set([]trust.Item{item("default", v1alpha1.TrustRootSpec{})})
		mustDeny(t, roots, "default", "the TrustRoot default cannot be used: spec: exactly one of tuf, trustedRoot and configMapRef must be set")
	})
	t.Run("the admin's file takes its place", func(t *testing.T) {
		content := sigstoreRoot(t)
		root, err := signature.ParseRoot(content)
		must(t, err)
		_, roots := open(t, trust.Options{Default: &root})
		roots.Set(nil)
		mustTrust(t, roots, "default", content)
	})
	t.Run("without anything it is Sigstore's own", func(t *testing.T) {
		mirror, root := signature.PublicGood()
		if errs := trust.Check(tufRoot("x", mirror, root).Object); len(errs) > 0 || mirror != "https://tuf-repo-cdn.sigstore.dev" {
			t.Errorf("%s: %v", mirror, errs)
		}
	})
}

// TestOneUpdateForAll: however many need it at once, the mirror is asked once; nor is it asked again because it failed.
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

// TestSlowMirror: an admission gives up in time, the update goes on, and who comes later does not wait at all.
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

// TestBackground: chartgate refreshes by itself, and tells who wants to know.
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

// TestStopped: what nobody needs any more asks nobody, lets nobody wait, and is no failure.
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
		t.Error("a trust root that nobody has fetched")
	}
	if diff := cmp.Diff([]string{"2.root.json"}, w.mirror.Requests()); diff != "" || len(log) > 0 {
		t.Errorf("%s %v", diff, log)
	}
}

// TestHTTPS: a mirror with a private CA needs that CA. It must not lead away from HTTPS.
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
