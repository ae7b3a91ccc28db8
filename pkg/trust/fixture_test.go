package trust_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
)

const target = "trusted_root.json"

// start is when every test begins.
var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// expiry is when the metadata of every repository expire.
var expiry = start.Add(48 * time.Hour)

// clock is what a test's roots take for the time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// world is a TUF repository at a mirror, and the TrustRoot corp that follows it.
type world struct {
	repository *tuf.Repository
	mirror     *tuf.Server
	pinned     []byte // root.json in the TrustRoot
	clock      *clock
	cacheDir   string
	roots      *trust.Roots
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: &clock{now: start}, cacheDir: t.TempDir()}
	w.repository = newRepository(t)
	w.pinned = w.repository.Root()
	w.mirror = tuf.Serve(w.repository.Files())
	t.Cleanup(w.mirror.Close)
	w.restart(t)
	return w
}

func newRepository(t *testing.T) *tuf.Repository {
	t.Helper()
	repository, err := tuf.New(expiry, map[string][]byte{target: sigstoreRoot(t)})
	must(t, err)
	return repository
}

// sigstoreRoot is the trusted_root.json of a Sigstore of its own.
func sigstoreRoot(t *testing.T) []byte {
	t.Helper()
	s, err := sigstore.New(nil)
	must(t, err)
	raw, err := s.TrustedRoot()
	must(t, err)
	return raw
}

// restart makes new Roots, which have nothing but the cache. Nothing is asked yet.
func (w *world) restart(t *testing.T) {
	t.Helper()
	if w.roots != nil {
		w.roots.Close()
	}
	w.roots = trust.New(trust.Options{CacheDir: w.cacheDir, Now: w.clock.Now, Patience: time.Minute})
	t.Cleanup(w.roots.Close)
}

// follow sets the TrustRoot and waits for its first update.
func (w *world) follow() { w.set(); w.roots.Await("corp") }

func (w *world) set(more ...trust.Item) {
	w.roots.Set(append([]trust.Item{tufRoot("corp", w.mirror.URL, w.pinned)}, more...))
}

// show publishes the repository as it is now.
func (w *world) show() { w.mirror.Show(w.repository.Files()) }

func tufRoot(name, mirror string, root []byte) trust.Item {
	return item(name, v1alpha1.TrustRootSpec{TUF: &v1alpha1.TUF{Mirror: mirror, Root: string(root)}})
}

func item(name string, spec v1alpha1.TrustRootSpec) trust.Item {
	return trust.Item{Object: v1alpha1.TrustRoot{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 4}, Spec: spec}}
}

// stateOf is what the content of a trusted_root.json is called.
func stateOf(t *testing.T, raw []byte) string {
	t.Helper()
	root, err := signature.ParseRoot(raw)
	must(t, err)
	return root.State()
}

// mustTrust fails unless the TrustRoot has that content.
func mustTrust(t *testing.T, roots signature.Roots, name string, content []byte) {
	t.Helper()
	found, err := roots.Root(t.Context(), name)
	if err != nil || found.State() != stateOf(t, content) {
		t.Errorf("TrustRoot %s: %q, %v", name, found.State(), err)
	}
}

// mustDeny fails unless there is no such trust root, for that reason.
func mustDeny(t *testing.T, roots signature.Roots, name, want string) {
	t.Helper()
	found, err := roots.Root(t.Context(), name)
	rejection, ok := err.(*verdict.Rejection)
	if !ok || found.State() != "" || rejection.Reason != verdict.TrustRootUnavailable {
		t.Fatalf("TrustRoot %s: %q, %v", name, found.State(), err)
	}
	if diff := cmp.Diff(want, rejection.Detail); diff != "" {
		t.Error(diff)
	}
}

// mustShow fails unless the status of corp says that.
func (w *world) mustShow(t *testing.T, want string) {
	t.Helper()
	status, ok := w.roots.Status("corp")
	if !ok || len(status.Conditions) != 1 {
		t.Fatalf("%+v", status)
	}
	c := status.Conditions[0]
	if diff := cmp.Diff(want, string(c.Status)+" "+c.Reason+": "+c.Message); diff != "" || c.Type != "Ready" || c.ObservedGeneration != 4 {
		t.Errorf("%+v %s", c, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
