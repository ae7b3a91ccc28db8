package signature_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// golden is a world with signatures in it, kept in a file: the processes of a fuzzer must agree
// about it. Material in it that verified once must go on to.
type golden struct {
	TrustedRoot []byte
	Key         string
	Chart       string
	Signed      []attachment.Attachment // good
	Forged      []attachment.Attachment // to start from
}

const goldenFile = "testdata/golden.json"

// TestGolden renews the file when UPDATE_GOLDEN is set.
func TestGolden(t *testing.T) {
	if os.Getenv("UPDATE_GOLDEN") != "" {
		raw := must(json.MarshalIndent(newGolden(t), "", " "))(t)
		if err := os.WriteFile(goldenFile, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if x := newForger(t); len(x.genuine) != 10 {
		t.Errorf("%d good signatures", len(x.genuine))
	}
}

func newGolden(t testing.TB) golden {
	w := newWorld(t)
	g := golden{TrustedRoot: must(w.TrustedRoot())(t), Key: string(must(w.key.PEM())(t)), Chart: w.chart.String()}
	for _, by := range []sigstore.Signer{w.workflow, w.key} {
		g.Signed = append(g.Signed,
			w.bundle(t, by), w.legacy(t, by),
			bundleOf(must(w.Bundle(by, w.chart.String(), slsa, nil))(t)),
			w.legacyAttestation(t, w.Sigstore, w.chart, by, slsa, map[string]any{"builder": map[string]string{"id": "x"}}),
			bundleOf(must(w.MessageSignatureBundle(by, w.chart.String()))(t)))
		g.Forged = append(g.Forged,
			bundleOf(must(w.Bundle(by, w.other.String(), sigstore.SignPredicateType, nil))(t)),
			w.legacyIn(t, w.stranger, by),
			w.legacyAttestation(t, w.stranger, w.chart, by, slsa, nil))
	}
	for i := range g.Signed { // a Digest is not for JSON
		g.Signed[i].Source = chart.Digest{}
	}
	return g
}

// forger knows what was really signed. Nothing that a fuzzer makes of it may prove anything else.
type forger struct {
	golden
	verifier *signature.Verifier
	digest   chart.Digest
	wanted   evidence.Wanted
	genuine  []evidence.Evidence
}

func newForger(t testing.TB) *forger {
	t.Helper()
	x := new(forger)
	if err := json.Unmarshal(must(os.ReadFile(goldenFile))(t), &x.golden); err != nil {
		t.Fatal(err)
	}
	x.verifier = verifierOf(t, x.TrustedRoot)
	x.digest = must(chart.ParseDigest(x.Chart))(t)
	key := parsedKey(t, []byte(x.Key))
	x.wanted = evidence.Wanted{Keyless: keyless().Keyless, Predicates: []string{slsa}, Keys: []evidence.WantedKey{{PublicKey: key, TrustRoots: keyless().Keyless}}}
	for _, m := range x.Signed {
		m.Source = digestOf(t, m.Content)
		x.genuine = append(x.genuine, must(one(x.verifier.Verify(context.Background(), x.digest, m, x.wanted)))(t))
	}
	return x
}

// check is the oracle.
func (x *forger) check(t *testing.T, m attachment.Attachment) {
	got, err := one(x.verifier.Verify(context.Background(), x.digest, m, x.wanted))
	var rejection *verdict.Rejection
	switch {
	case err == nil:
		for _, want := range x.genuine {
			if got.SignedAt.IsZero() { // proofs of time can be removed, if no proof is needed
				want.SignedAt = time.Time{}
			}
			if cmp.Equal(want, got, cmp.AllowUnexported(evidence.Evidence{}, chart.Digest{})) {
				return
			}
		}
		t.Errorf("forged: %+v", got)
	case !errors.As(err, &rejection):
		t.Errorf("neither evidence nor rejection: %v", err)
	case !got.Digest().IsZero():
		t.Errorf("evidence beside an error: %+v", got)
	}
}

func FuzzBundle(f *testing.F) {
	x := newForger(f)
	for _, m := range append(x.Signed, x.Forged...) {
		if m.Format == attachment.Bundle {
			f.Add(m.Content)
		}
	}
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, content []byte) { x.check(t, bundleOf(content)) })
}

func FuzzLegacy(f *testing.F) {
	x := newForger(f)
	for _, m := range append(x.Signed, x.Forged...) {
		if a := m.Annotations; m.Format == attachment.Legacy {
			f.Add(m.Content, a[signatureAnnotation], a[certificateAnnotation], a[chainAnnotation], a[bundleAnnotation], a[timestampAnnotation])
		}
	}
	f.Add([]byte("null"), "", "", "", "", "")
	f.Fuzz(func(t *testing.T, payload []byte, sig, certificate, chain, entry, stamp string) {
		x.check(t, legacyOf(t, payload, map[string]string{
			signatureAnnotation: sig, certificateAnnotation: certificate, chainAnnotation: chain,
			bundleAnnotation: entry, timestampAnnotation: stamp,
		}))
	})
}

func FuzzLegacyAttestation(f *testing.F) {
	x := newForger(f)
	for _, m := range append(x.Signed, x.Forged...) {
		if a := m.Annotations; m.Format == attachment.LegacyAttestation {
			f.Add(m.Content, a[certificateAnnotation], a[chainAnnotation], a[bundleAnnotation], a[timestampAnnotation])
		}
	}
	f.Add([]byte("null"), "", "", "", "")
	f.Fuzz(func(t *testing.T, envelope []byte, certificate, chain, entry, stamp string) {
		x.check(t, attestationOf(t, envelope, map[string]string{
			certificateAnnotation: certificate, chainAnnotation: chain, bundleAnnotation: entry, timestampAnnotation: stamp,
		}))
	})
}
