package trust_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRestart: after a restart, the cache proves what memory did before, and nothing more.
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

// cached is the path of a file in the only cache.
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
