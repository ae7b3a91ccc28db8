package trust_test

import (
	"context"
	"errors"
	"strings"
	"testing"

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

const signedDigest = "sha256:e389dd0f4b49feeb9c409a412eb97fdc882b4f81044642e72de28541b3901240"

// signer is somebody of one Sigstore.
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

// verify returns the trust roots that prove the material, or why none does.
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

// TestOneFailingRoot: charts signed under another trust root do not feel it.
func TestOneFailingRoot(t *testing.T) {
	w := newWorld(t)
	mine, theirs := newSigner(t), newSigner(t)
	must(t, w.repository.Publish(map[string][]byte{target: theirs.root}))
	w.show()
	w.set(item("mine", v1alpha1.TrustRootSpec{TrustedRoot: string(mine.root)}))
	w.roots.Await("corp")
	both := evidence.Wanted{Keyless: []string{"corp", "mine"}}
	somebody := sigstore.Identity{Issuer: "https://issuer.example", Subject: "https://subject.example"}
	for _, c := range []struct {
		sentence string
		fail     bool
		m        attachment.Attachment
		proven   []string
		why      string
	}{
		{"both are there, signed under mine", false, mine.signs(t, somebody), []string{"mine"}, ""},
		{"both are there, signed under corp", false, theirs.signs(t, somebody), []string{"corp"}, ""},
		{"corp is attacked, signed under mine", true, mine.signs(t, somebody), []string{"mine"}, ""},
		{"corp is attacked, signed under corp", true, theirs.signs(t, somebody), nil, "TrustRootUnavailable: made with a certificate, which cannot be verified: " + w.refused("timestamp.json"+unsigned)},
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
			// What is remembered of verified charts hangs on the state.
			if state := signature.New(w.roots).State(t.Context(), both); (state == "") != c.fail {
				t.Errorf("state %q", state)
			}
		})
	}
}

// TestKeysNeedNoTrustRoot: who trusts keys whose signatures need not be logged causes no request, whatever is attached.
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
	somebody := sigstore.Identity{Issuer: "https://issuer.example", Subject: "https://subject.example"}
	if _, why := verify(t.Context(), t, w.roots, s.signs(t, somebody), wanted); !strings.HasPrefix(why, "SignatureInvalid: ") {
		t.Error(why)
	}
	if asked := w.mirror.Requests(); len(asked) > 0 {
		t.Errorf("nobody needs a trust root, but chartgate asked for %v", asked)
	}
	// The same key with the log required does.
	wanted.Keys[0].AllowUnlogged, wanted.Keys[0].TrustRoots = false, []string{evidence.DefaultTrustRoot}
	if _, why := verify(t.Context(), t, w.roots, s.signs(t, key), wanted); why == "" || len(w.mirror.Requests()) == 0 {
		t.Errorf("%q after %v", why, w.mirror.Requests())
	}
}

// TestClosedRoots: in the end nothing is trusted that has to be fetched.
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
