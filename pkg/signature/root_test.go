package signature_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// asked counts the requests for each trust root.
type asked struct {
	roots map[string]func() (signature.Root, error)
	mu    sync.Mutex
	names []string
}

func (a *asked) Root(_ context.Context, name string) (signature.Root, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
	return a.roots[name]()
}

// twoRoots are ours and the stranger's, and what fails in each way.
func twoRoots(t testing.TB, w *world) *asked {
	t.Helper()
	has := func(s *sigstore.Sigstore) func() (signature.Root, error) {
		found := must(signature.ParseRoot(must(s.TrustedRoot())(t)))(t)
		return func() (signature.Root, error) { return found, nil }
	}
	return &asked{roots: map[string]func() (signature.Root, error){
		"ours": has(w.Sigstore), "theirs": has(w.stranger), "ours-too": has(w.Sigstore),
		"away": func() (signature.Root, error) {
			return signature.Root{}, &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: "the mirror of TrustRoot away does not answer"}
		},
		"broken": func() (signature.Root, error) { return signature.Root{}, errors.New("secret of the loader") },
		"empty":  func() (signature.Root, error) { return signature.Root{}, nil },
	}}
}

// TestRoots: evidence names the trust root that proves it, and no other.
func TestRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours := func(by sigstore.Signer, opts ...sigstore.Option) []attachment.Attachment {
		return append(w.attestations(t, by, slsa, nil, opts...), w.bundle(t, by, opts...), w.legacy(t, by, opts...))
	}
	theirs := func(by sigstore.Signer, opts ...sigstore.Option) []attachment.Attachment {
		return []attachment.Attachment{
			bundleOf(must(w.stranger.Bundle(by, w.chart.String(), sigstore.SignPredicateType, nil, opts...))(t)),
			w.legacyIn(t, w.stranger, by, opts...), w.legacyAttestation(t, w.stranger, w.chart, by, slsa, nil, opts...),
		}
	}
	by := func(unlogged bool, roots ...string) evidence.Wanted {
		return keysWanted(t, evidence.WantedKey{TrustRoots: roots, AllowUnlogged: unlogged}, w.key)
	}
	both := func(wanted evidence.Wanted, more evidence.Wanted) evidence.Wanted {
		return evidence.Wanted{Keyless: wanted.Keyless, Keys: append(wanted.Keys, more.Keys...)}
	}
	nowhere := []sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutTimestamp()}
	const unavailable, invalid = verdict.TrustRootUnavailable, verdict.SignatureInvalid

	for _, tc := range []struct {
		name     string
		material []attachment.Attachment
		wanted   evidence.Wanted
		want     []string // the trust roots in the evidence
		reason   verdict.Reason
		detail   string
		asked    []string
	}{
		{name: "a certificate of a root, wanted under it", material: ours(w.workflow), wanted: keyless("ours"), want: []string{"ours"}, asked: []string{"ours"}},
		{name: "a certificate of a root, wanted under another", material: ours(w.workflow), wanted: keyless("theirs"), reason: invalid, detail: "logged in no transparency log of the trust root", asked: []string{"theirs"}},
		{name: "a certificate of a root, wanted under two", material: ours(w.workflow), wanted: keyless("theirs", "ours"), want: []string{"ours"}, asked: []string{"theirs", "ours"}},
		{name: "a certificate that two roots prove", material: ours(w.workflow), wanted: keyless("ours", "ours-too"), want: []string{"ours", "ours-too"}, asked: []string{"ours", "ours-too"}},
		{name: "the other's certificate, wanted under two", material: theirs(w.workflow), wanted: keyless("theirs", "ours"), want: []string{"theirs"}, asked: []string{"theirs", "ours"}},
		{name: "a certificate by an authority of one root, logged in the other", material: ours(w.workflow, sigstore.CertificateOf(w.stranger)), wanted: keyless("theirs", "ours"), reason: invalid, detail: "its certificate was not issued by an authority of the trust root", asked: []string{"theirs", "ours"}},
		{name: "one of two roots is away, the other proves it", material: ours(w.workflow), wanted: keyless("away", "ours"), want: []string{"ours"}, asked: []string{"away", "ours"}},
		{name: "one of two roots is away, and the other does not prove it", material: ours(w.workflow), wanted: keyless("theirs", "away"), reason: unavailable, detail: "made with a certificate, which cannot be verified: the mirror of TrustRoot away does not answer", asked: []string{"theirs", "away"}},
		{name: "the loader fails without saying what to tell", material: ours(w.workflow), wanted: keyless("broken"), reason: unavailable, detail: "made with a certificate, which cannot be verified: the trust root broken cannot be used", asked: []string{"broken"}},
		{name: "the loader returns an empty root", material: ours(w.workflow), wanted: keyless("empty"), reason: unavailable, detail: "the trust root empty cannot be used", asked: []string{"empty"}},

		{name: "a key that needs no root", material: ours(w.key), wanted: bare(t, w.key), want: []string{""}},
		{name: "a stranger's key, while one is wanted that needs no root", material: ours(w.strangers), wanted: bare(t, w.key), reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "a key logged in a root, wanted under it", material: ours(w.key), wanted: by(false, "ours"), want: []string{"ours"}, asked: []string{"ours"}},
		{name: "a key logged in a root, wanted under another", material: ours(w.key), wanted: by(false, "theirs"), reason: invalid, detail: "could not be verified", asked: []string{"theirs"}},
		{name: "a key logged in a root, wanted under two", material: ours(w.key), wanted: by(false, "theirs", "ours"), want: []string{"ours"}, asked: []string{"ours", "theirs"}},
		{name: "a key logged in a root that is away", material: ours(w.key), wanted: by(false, "away"), reason: unavailable, detail: "but its log entry cannot be verified: the mirror of TrustRoot away does not answer", asked: []string{"away"}},
		{name: "a stranger's key, and the root is away", material: ours(w.strangers), wanted: by(false, "away"), reason: invalid, detail: "made with a key that no policy trusts", asked: []string{"away"}},
		{name: "an unlogged key whose time is wanted, and the root is away", material: ours(w.key), wanted: by(true, "away"), want: []string{""}, asked: []string{"away"}},
		{name: "an unlogged key whose time is wanted of two roots that are away", material: ours(w.key), wanted: by(true, "away", "broken"), want: []string{""}, asked: []string{"away", "broken"}},
		{name: "an unlogged key whose time is wanted, without any", material: ours(w.key, nowhere...), wanted: by(true, "ours", "theirs"), want: []string{""}, asked: []string{"ours", "theirs"}},
		{name: "an unlogged key whose time one root proves", material: ours(w.key, sigstore.WithoutLog()), wanted: by(true, "ours", "theirs"), want: []string{"ours", ""}, asked: []string{"ours", "theirs"}},
		{name: "one key wanted logged under a root, another without any", material: ours(w.strangers, nowhere...), wanted: both(by(false, "ours"), bare(t, w.strangers)), want: []string{""}, asked: []string{"ours"}},
		{name: "one key that needs no root does not free another of its root", material: ours(w.key, nowhere...), wanted: both(by(false, "ours"), bare(t, w.strangers)), reason: invalid, detail: "without the log entry that the policy requires", asked: []string{"ours"}},
		{name: "one key wanted under a root does not count under the other key's", material: theirs(w.key), wanted: both(by(false, "ours"), keysWanted(t, evidence.WantedKey{TrustRoots: []string{"theirs"}}, w.strangers)), reason: invalid, detail: "could not be verified", asked: []string{"ours", "theirs"}},
	} {
		for _, m := range tc.material {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				roots := twoRoots(t, w)
				proven, err := signature.New(roots).Verify(context.Background(), w.chart, m, tc.wanted)
				var names []string
				for _, e := range proven {
					names = append(names, e.TrustRoot)
					if (e.TrustRoot == "") != (!e.Logged && e.SignedAt.IsZero()) {
						t.Errorf("trust root %q in %+v", e.TrustRoot, e)
					}
				}
				if diff := cmp.Diff(tc.want, names); diff != "" {
					t.Errorf("evidence (-want +got):\n%s\nerror %v", diff, err)
				}
				if tc.reason != "" {
					wantRejection(t, evidence.Evidence{}, err, tc.reason, tc.detail)
				}
				if diff := cmp.Diff(tc.asked, roots.names); diff != "" {
					t.Errorf("asked for (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestDeadlineOfRoots: a root that does not arrive in time says nothing about the material,
// whatever the one before said.
func TestDeadlineOfRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, first := range []string{"theirs", "away"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			roots := twoRoots(t, w)
			roots.roots["slow"] = func() (signature.Root, error) {
				cancel()
				return signature.Root{}, &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: "too slow"}
			}
			got, err := one(signature.New(roots).Verify(ctx, w.chart, w.bundle(t, w.workflow), keyless(first, "slow")))
			compare(t, evidence.Evidence{}, got)
			perr, is := errors.AsType[*problem.Error](err)
			if !is || perr.Kind != problem.KindTimeout {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

// TestTimesOfRoots: a time counts as proven by the only root that proves it.
func TestTimesOfRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := w.now.Add(-time.Hour)
	loggedByUs := sigstore.TimestampBy(w.stranger, early)
	wanted := keysWanted(t, evidence.WantedKey{TrustRoots: []string{"ours", "theirs"}, AllowUnlogged: true}, w.key)
	for _, m := range append(w.attestations(t, w.key, slsa, nil, loggedByUs), w.bundle(t, w.key, loggedByUs), w.legacy(t, w.key, loggedByUs)) {
		t.Run(m.Format.String(), func(t *testing.T) {
			t.Parallel()
			got, err := signature.New(twoRoots(t, w)).Verify(context.Background(), w.chart, m, wanted)
			if err != nil {
				t.Fatal(err)
			}
			type entry struct {
				TrustRoot string
				Logged    bool
				SignedAt  time.Time
			}
			var entries []entry
			for _, e := range got {
				entries = append(entries, entry{e.TrustRoot, e.Logged, e.SignedAt})
			}
			if diff := cmp.Diff([]entry{{"ours", true, w.now}, {"theirs", false, early}}, entries); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours := digestOf(t, must(w.TrustedRoot())(t)).String()
	theirs := digestOf(t, must(w.stranger.TrustedRoot())(t)).String()
	key := func(roots ...string) evidence.Wanted {
		return keysWanted(t, evidence.WantedKey{TrustRoots: roots}, w.key)
	}
	for _, tc := range []struct {
		name   string
		wanted evidence.Wanted
		want   string
	}{
		{name: "nothing is wanted", want: "none"},
		{name: "a key that needs none", wanted: bare(t, w.key), want: "none"},
		{name: "one root", wanted: keyless("ours"), want: `none "ours"=` + ours},
		{name: "two roots, whatever the order", wanted: keyless("theirs", "ours"), want: `none "ours"=` + ours + ` "theirs"=` + theirs},
		{name: "one root, twice", wanted: evidence.Wanted{Keyless: []string{"ours"}, Keys: key("ours").Keys}, want: `none "ours"=` + ours},
		{name: "one for certificates and one for a key", wanted: evidence.Wanted{Keyless: []string{"theirs"}, Keys: key("ours").Keys}, want: `none "ours"=` + ours + ` "theirs"=` + theirs},
		{name: "one of two is away", wanted: keyless("away", "ours")},
		{name: "one of two is empty", wanted: keyless("empty", "ours")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := signature.New(twoRoots(t, w)).State(context.Background(), tc.wanted); got != tc.want {
				t.Errorf("state %q, want %q", got, tc.want)
			}
		})
	}
	if found, err := must(signature.Fixed(must(w.TrustedRoot())(t)))(t).Root(context.Background(), "default"); err != nil || found.State() != ours {
		t.Errorf("the default root is %q, %v", found.State(), err)
	}
}
