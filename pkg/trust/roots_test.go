package trust_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestOneRootOfTwo: two TrustRoots share nothing, even if they follow one mirror.
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

// TestNewRootInTheTrustRoot: after a repository was created again, the platform team writes its new
// root into the TrustRoot.
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

// TestState: it follows what the trust roots hold, and is asked for without a request.
func TestState(t *testing.T) {
	w := newWorld(t)
	states := []string{w.roots.State()}
	if states[0] != "" {
		t.Errorf("before the first load the state is %q", states[0])
	}
	inline := item("inline", v1alpha1.TrustRootSpec{TrustedRoot: string(sigstoreRoot(t))})
	for _, items := range [][]trust.Item{
		nil, {inline}, {item("other", inline.Object.Spec)}, {item("inline", v1alpha1.TrustRootSpec{TrustedRoot: string(sigstoreRoot(t))})},
		{item("inline", v1alpha1.TrustRootSpec{})},
	} {
		w.roots.Set(items)
		state := w.roots.State()
		w.roots.Set(items)
		if again := w.roots.State(); again != state {
			t.Errorf("the same TrustRoots: %s, then %s", state, again)
		}
		if slices.Contains(states, state) {
			t.Errorf("%d TrustRoots that differ from those before: the state is %q again", len(items), state)
		}
		states = append(states, state)
	}
	w.follow()
	followed := w.roots.State()
	w.roots.Refresh()
	if again := w.roots.State(); again != followed {
		t.Errorf("after a refresh without news: %s, then %s", followed, again)
	}
	w.published(t)
	w.roots.Refresh()
	if w.roots.State() == followed {
		t.Error("new content in the TUF repository leaves the state as it is")
	}
}

// TestDefault: the built-in trust root is fetched when it is first needed, and not before.
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
			t.Errorf("it is not needed, but chartgate requested %v", asked)
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
			t.Errorf("it is not needed, but chartgate requested %v", asked)
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

const signedDigest = "sha256:e389dd0f4b49feeb9c409a412eb97fdc882b4f81044642e72de28541b3901240"

// signer signs with identities of one Sigstore.
type signer struct {
	sigstore *sigstore.Sigstore
	root     []byte
}

func newSigner(t *testing.T) signer {
	t.Helper()
	s, err := sigstore.New(nil)
	must(t, err)
	root, err := s.TrustedRoot()
	must(t, err)
	return signer{s, root}
}

// signs is the material of a signature.
func (s signer) signs(t *testing.T, by sigstore.Signer, options ...sigstore.Option) attachment.Attachment {
	t.Helper()
	raw, err := s.sigstore.Bundle(by, signedDigest, sigstore.SignPredicateType, nil, options...)
	must(t, err)
	return attachment.Attachment{Format: attachment.Bundle, Content: raw}
}

// verify returns the trust roots that prove the attachment, or why no trust root does.
func verify(ctx context.Context, t *testing.T, roots signature.Roots, m attachment.Attachment, wanted evidence.Wanted) ([]string, string) {
	t.Helper()
	digest, err := chart.ParseDigest(signedDigest)
	must(t, err)
	found, err := signature.New(roots).Verify(ctx, digest, m, wanted)
	var proven []string
	for _, e := range found {
		proven = append(proven, e.TrustRoot)
	}
	rejection, _ := errors.AsType[*verdict.Rejection](err)
	if rejection == nil {
		return proven, ""
	}
	return proven, string(rejection.Reason) + ": " + rejection.Detail
}

// TestOneFailingRoot: charts that are signed under another trust root are not affected.
func TestOneFailingRoot(t *testing.T) {
	w := newWorld(t)
	mine, theirs := newSigner(t), newSigner(t)
	must(t, w.repository.Publish(map[string][]byte{target: theirs.root}))
	w.show()
	w.set(item("mine", v1alpha1.TrustRootSpec{TrustedRoot: string(mine.root)}))
	w.roots.Await("corp")
	both := evidence.Wanted{Keyless: []string{"corp", "mine"}}
	identity := sigstore.Identity{Issuer: "https://issuer.example", Subject: "https://subject.example"}
	for _, c := range []struct {
		sentence string
		fail     bool
		m        attachment.Attachment
		proven   []string
		why      string
	}{
		{"both are there, signed under mine", false, mine.signs(t, identity), []string{"mine"}, ""},
		{"both are there, signed under corp", false, theirs.signs(t, identity), []string{"corp"}, ""},
		{"corp is attacked, signed under mine", true, mine.signs(t, identity), []string{"mine"}, ""},
		{"corp is attacked, signed under corp", true, theirs.signs(t, identity), nil, "TrustRootUnavailable: made with a certificate, which cannot be verified: " + w.refused("timestamp.json"+unsigned)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w.show()
			if c.fail {
				w.mirror.Show(newRepository(t).Files())
			}
			w.roots.Refresh()
			proven, why := verify(t.Context(), t, w.roots, c.m, both)
			if diff := cmp.Diff(c.proven, proven); diff != "" || why != c.why {
				t.Errorf("%s %q", diff, why)
			}
			// The cache of verified charts depends on the state.
			if state := signature.New(w.roots).State(t.Context(), both); (state == "") != c.fail {
				t.Errorf("state %q", state)
			}
		})
	}
}

// TestKeysNeedNoTrustRoot: a policy with keys whose signatures need no log entry causes no request,
// whatever is attached.
func TestKeysNeedNoTrustRoot(t *testing.T) {
	w := newWorld(t)
	w.roots.WithBuiltin(w.mirror.URL, w.pinned).Set(nil)
	s := newSigner(t)
	key, err := sigstore.NewKey()
	must(t, err)
	pem, err := key.PEM()
	must(t, err)
	parsed, err := evidence.ParsePublicKeys(string(pem))
	must(t, err)
	wanted := evidence.Wanted{Keys: []evidence.WantedKey{{PublicKey: parsed[0], AllowUnlogged: true}}}
	if state := signature.New(w.roots).State(t.Context(), wanted); state == "" {
		t.Error("nothing can be remembered")
	}
	if proven, why := verify(t.Context(), t, w.roots, s.signs(t, key, sigstore.WithoutLog()), wanted); len(proven) != 1 {
		t.Error(why)
	}
	identity := sigstore.Identity{Issuer: "https://issuer.example", Subject: "https://subject.example"}
	if _, why := verify(t.Context(), t, w.roots, s.signs(t, identity), wanted); !strings.HasPrefix(why, "SignatureInvalid: ") {
		t.Error(why)
	}
	if asked := w.mirror.Requests(); len(asked) > 0 {
		t.Errorf("no trust root is needed, but chartgate requested %v", asked)
	}
	// The same key with the log required does.
	wanted.Keys[0].AllowUnlogged, wanted.Keys[0].TrustRoots = false, []string{evidence.DefaultTrustRoot}
	if _, why := verify(t.Context(), t, w.roots, s.signs(t, key), wanted); why == "" || len(w.mirror.Requests()) == 0 {
		t.Errorf("%q after %v", why, w.mirror.Requests())
	}
}

// TestClosedRoots: after Close, trust roots that would have to be fetched are not trusted.
func TestClosedRoots(t *testing.T) {
	w := newWorld(t)
	w.roots = trust.New(trust.Options{CacheDir: t.TempDir()}).WithBuiltin(w.mirror.URL, w.pinned)
	w.roots.Set(nil)
	w.roots.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.roots.Root(ctx, "default"); err == nil || len(w.mirror.Requests()) > 0 {
		t.Errorf("%v after %v", err, w.mirror.Requests())
	}
}
