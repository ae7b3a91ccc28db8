package trust_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
)

// published replaces the trust root in the repository and shows it.
func (w *world) published(t *testing.T) []byte {
	t.Helper()
	content := sigstoreRoot(t)
	must(t, w.repository.Publish(map[string][]byte{target: content}))
	w.show()
	return content
}

func TestFirstFetch(t *testing.T) {
	w := newWorld(t)
	content := w.published(t)
	w.follow()
	mustTrust(t, w.roots, "corp", content)
	status, _ := w.roots.Status("corp")
	want := v1alpha1.TrustRootStatus{
		Status: v1alpha1.Status{Conditions: []metav1.Condition{{
			Type: "Ready", Status: "True", Reason: "Loaded", ObservedGeneration: 4, Message: "the trust root is in use",
		}}},
		Version: 1, Expires: &metav1.Time{Time: expiry}, Refreshed: &metav1.Time{Time: start}, Digest: stateOf(t, content),
	}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Error(diff)
	}
}

// What a repository may do in its life. After each change a refresh brings it, and it is there after a restart too.
func TestRefresh(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(t *testing.T, w *world)
		version  int64
	}{
		{"a new trust root is published", func(*testing.T, *world) {}, 1},
		{"the root key is rotated", func(t *testing.T, w *world) { must(t, w.repository.Rotate(metadata.ROOT)) }, 2},
		{"the root key is rotated three times", func(t *testing.T, w *world) {
			for range 3 {
				must(t, w.repository.Rotate(metadata.ROOT))
			}
		}, 4},
		{"every other key is rotated", func(t *testing.T, w *world) {
			for _, role := range []string{metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
				must(t, w.repository.Rotate(role))
			}
		}, 4},
		{"an expired root is followed by one that is not", func(t *testing.T, w *world) {
			must(t, w.repository.Expire(metadata.ROOT, start.Add(-time.Hour)))
			must(t, w.repository.Expire(metadata.ROOT, expiry))
		}, 3},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			w.follow()
			before, _ := w.roots.Root(t.Context(), "corp")
			c.change(t, w)
			content := w.published(t)
			w.roots.Refresh()
			mustTrust(t, w.roots, "corp", content)
			if after, _ := w.roots.Root(t.Context(), "corp"); after.State() == before.State() {
				t.Error("caches do not see that the content changed")
			}
			if status, _ := w.roots.Status("corp"); status.Version != c.version {
				t.Errorf("root.json has version %d", status.Version)
			}
			w.restart(t)
			w.follow()
			mustTrust(t, w.roots, "corp", content)
		})
	}
}
