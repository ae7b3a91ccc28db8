package trust_test

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
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
	if expiries := w.roots.Expiries(); len(expiries) != 1 || !expiries["corp"].Equal(expiry) {
		t.Errorf("expiries: %v", expiries)
	}
}

// What a repository may do in its life. After each change a refresh brings it, and it is there
// after a restart too.
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

// attack is a change of a mirror.
type attack struct {
	sentence string
	do       func(t *testing.T, w *world)
	clause   string
	// refused: TUF's rules forbid what the mirror answers. Otherwise there is no answer.
	refused bool
}

const (
	unsigned = " is not signed by the keys that the trusted root names: another repository's, or forged"
	mixed    = " is of another version than the newest one seen: a rollback, or parts of different versions"
)

// attacks are those that need no history.
func attacks() []attack {
	answer := func(file string, answer http.HandlerFunc) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) { w.mirror.Fail(file, answer) }
	}
	text := func(content string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(content)) }
	}
	expire := func(role string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			must(t, w.repository.Expire(role, start.Add(-time.Hour)))
			w.show()
		}
	}
	const ended = " expired on 2026-11-20T11:00:00Z"
	return []attack{
		{"the mirror is down", func(_ *testing.T, w *world) { w.mirror.Close() }, "it could not be reached", false},
		{"the mirror has an error of its own", answer("", status(503)), "it answered 503 when asked for 2.root.json", false},
		{"the mirror has no repository", answer("", status(404)), "it answered 404 when asked for timestamp.json", false},
		{"the mirror forbids everything", answer("", status(403)), "it answered 403 when asked for timestamp.json", false},
		{"a portal answers with a page", answer("timestamp.json", text("<html>log in</html>")), "timestamp.json is not TUF metadata", false},
		{"the timestamp is another document", answer("timestamp.json", text(`{"signed":1}`)), "timestamp.json is not TUF metadata", false},
		{"the timestamp is null", answer("timestamp.json", text(`null`)), "timestamp.json is not TUF metadata", false},
		{"the timestamp is cut off", func(_ *testing.T, w *world) {
			whole := w.repository.Files()["timestamp.json"]
			w.mirror.Fail("timestamp.json", text(string(whole[:len(whole)/2])))
		}, "timestamp.json is not TUF metadata", false},
		{"the timestamp is compressed", answer("timestamp.json", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(rw)
			_, _ = packed.Write(make([]byte, 1<<20))
			_ = packed.Close()
		}), "timestamp.json is not TUF metadata", false},
		{"the timestamp is too large", answer("timestamp.json", text(strings.Repeat(" ", 16<<10+1))), "timestamp.json is longer than the 16384 bytes that it may have", false},
		{"the timestamp never ends", answer("timestamp.json", endless), "timestamp.json is longer than the 16384 bytes that it may have", false},
		{"a root never ends", answer("2.root.json", endless), "2.root.json is longer than the 524288 bytes that it may have", false},
		{"the mirror leads in circles", answer("timestamp.json", func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, "/again/timestamp.json", http.StatusFound)
		}), "it redirects more than 4 times", false},
		{"the mirror breaks off", answer("timestamp.json", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "100")
			_, _ = rw.Write([]byte("{"))
		}), "it could not be reached", false},

		{"the root has expired", expire(metadata.ROOT), "root.json" + ended, true},
		{"the timestamp has expired", expire(metadata.TIMESTAMP), "timestamp.json" + ended, true},
		{"the snapshot has expired", expire(metadata.SNAPSHOT), "snapshot.json" + ended, true},
		{"the targets have expired", expire(metadata.TARGETS), "2.targets.json has expired", true},
		{"another repository is at the URL", func(t *testing.T, w *world) {
			w.mirror.Show(newRepository(t).Files())
		}, "timestamp.json" + unsigned, true},
		{"another repository is at the URL, with a longer history", func(t *testing.T, w *world) {
			other := newRepository(t)
			must(t, other.Rotate(metadata.ROOT))
			w.mirror.Show(other.Files())
		}, "2.root.json" + unsigned, true},
		{"an attacker makes a new root without the old key", func(t *testing.T, w *world) {
			must(t, w.repository.Usurp())
			w.show()
		}, "2.root.json" + unsigned, true},
		{"the same root is called a newer one", func(_ *testing.T, w *world) {
			files := w.repository.Files()
			files["2.root.json"] = files["1.root.json"]
			w.mirror.Show(files)
		}, "2.root.json holds another version of the root", true},
		{"the timestamp names no snapshot", func(t *testing.T, w *world) {
			must(t, w.repository.Hollow())
			w.show()
		}, "timestamp.json cannot be understood", true},
		{"a snapshot of the same length is another one", func(t *testing.T, w *world) {
			must(t, w.repository.Refresh())
			files := w.repository.Files()
			for path, content := range files {
				if strings.HasSuffix(path, ".snapshot.json") {
					files[path] = bytes.Replace(content, []byte(`"expires"`), []byte(`"exqires"`), 1)
				}
			}
			w.mirror.Show(files)
		}, "2.snapshot.json is not what the signed metadata describe (length or hash)", true},
		{"the trust root is another one of the same length", func(t *testing.T, w *world) {
			content := w.published(t)
			w.swap(tuf.TargetPath(target, content), func(b []byte) []byte { return bytes.ToUpper(b) })
		}, "the target trusted_root.json is not what the signed metadata describe (length or hash)", true},
		{"the trust root is a shorter one", func(t *testing.T, w *world) {
			content := w.published(t)
			w.swap(tuf.TargetPath(target, content), func(b []byte) []byte { return b[:10] })
		}, "the target trusted_root.json is not what the signed metadata describe (length or hash)", true},
		{"the trust root is a longer one", func(t *testing.T, w *world) {
			content := w.published(t)
			w.swap(tuf.TargetPath(target, content), func(b []byte) []byte { return append(bytes.Clone(b), ' ') })
		}, "the target trusted_root.json is not what the signed metadata describe (length or hash)", true},
		{"the trust root is withdrawn", func(t *testing.T, w *world) {
			must(t, w.repository.Withdraw(target))
			w.show()
		}, "the repository has no target trusted_root.json", true},
		{"the trust root is something else, well signed", func(t *testing.T, w *world) {
			must(t, w.repository.Publish(map[string][]byte{target: []byte(`{"mediaType":"x"}`)}))
			w.show()
		}, "the target trusted_root.json is not a trusted_root.json", true},
		{"the trust root is larger than any", func(t *testing.T, w *world) {
			must(t, w.repository.Publish(map[string][]byte{target: bytes.Repeat([]byte(" "), 1<<20+1)}))
			w.show()
		}, "the target trusted_root.json is not what the signed metadata describe (length or hash)", true},
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func endless(w http.ResponseWriter, req *http.Request) {
	for req.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			return
		}
	}
}

// swap shows the repository with another file in the place of one.
func (w *world) swap(path string, change func([]byte) []byte) {
	files := w.repository.Files()
	files[path] = change(files[path])
	w.mirror.Show(files)
}

func (w *world) notFetched(clause string) string {
	return "the TrustRoot corp could not be fetched from " + w.mirror.URL + ": " + clause
}

func (w *world) refused(clause string) string {
	return "the TrustRoot corp was refused as " + w.mirror.URL + " serves it: " + clause
}

func (w *world) kept(clause string) string {
	return "True Loaded: the trust root is in use until it expires; it could not be refreshed from " + w.mirror.URL + ": " + clause
}

// TestAttacksAtFirstNeed: every one of them denies if nothing was known before.
func TestAttacksAtFirstNeed(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.sentence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a.do(t, w)
			w.follow()
			detail := w.notFetched(a.clause)
			if a.refused {
				detail = w.refused(a.clause)
			}
			mustDeny(t, w.roots, "corp", detail)
			w.mustShow(t, "False Unavailable: "+detail)
		})
	}
}

// TestAttacksAtRefresh: what TUF refuses denies, until the mirror is as it should be. Where there
// is no answer, what was fetched before stays in use.
func TestAttacksAtRefresh(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.sentence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.published(t)
			w.follow()
			a.do(t, w)
			w.roots.Refresh()
			if a.refused {
				// The targets were published once before.
				clause := strings.NewReplacer("2.targets", "3.targets", "2.snapshot", "3.snapshot").Replace(a.clause)
				mustDeny(t, w.roots, "corp", w.refused(clause))
				return
			}
			mustTrust(t, w.roots, "corp", before)
			w.mustShow(t, w.kept(a.clause))
		})
	}
}

// TestRollback: older metadata than were seen deny, also after a restart, until the mirror has the
// newest again.
func TestRollback(t *testing.T) {
	for _, c := range []struct {
		sentence string
		show     func(old, new map[string][]byte) map[string][]byte
		clause   string
	}{
		{"everything is as it was before", func(old, _ map[string][]byte) map[string][]byte { return old }, "timestamp.json" + mixed},
		{"only the timestamp is as it was before", func(old, new map[string][]byte) map[string][]byte {
			files := maps.Clone(new)
			files["timestamp.json"] = old["timestamp.json"]
			return files
		}, "timestamp.json" + mixed},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(c.sentence, func(t *testing.T) {
				w := newWorld(t)
				old := w.repository.Files()
				content := w.published(t)
				w.follow()
				w.mirror.Show(c.show(old, w.repository.Files()))
				if restart {
					w.restart(t)
					w.follow()
				} else {
					w.roots.Refresh()
				}
				mustDeny(t, w.roots, "corp", w.refused(c.clause))
				w.mustShow(t, "False Unavailable: "+w.refused(c.clause))

				// That the mirror is then silent makes nothing good.
				w.mirror.Fail("", status(503))
				w.roots.Refresh()
				mustDeny(t, w.roots, "corp", w.refused(c.clause))

				w.mirror.Fail("", nil)
				w.show()
				w.roots.Refresh()
				mustTrust(t, w.roots, "corp", content)
				w.mustShow(t, "True Loaded: the trust root is in use")
			})
		}
	}
}

// TestWithdrawnKey: the mirror hides the root that withdrew a key, so that what the key signs would
// count again.
func TestWithdrawnKey(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newWorld(t)
		old := w.repository.Files()
		must(t, w.repository.Rotate(metadata.TIMESTAMP))
		w.show()
		w.follow()
		w.mirror.Show(old)
		if restart {
			w.restart(t)
			w.follow()
		} else {
			w.roots.Refresh()
		}
		mustDeny(t, w.roots, "corp", w.refused("timestamp.json"+unsigned))
	}
}
