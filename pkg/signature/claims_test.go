package signature_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestClaims: what proves nothing tells who made it, so that a person can find out whom to trust.
func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := bundleOf(must(w.stranger.Bundle(w.workflow, w.chart.String(), sigstore.SignPredicateType, nil))(t))
	key := evidence.Signer{Key: publicKey(t, w.strangers).Fingerprint()}
	hinted := func(hint string) attachment.Attachment {
		return bundleOf(edit(t, w.bundle(t, w.strangers).Content, func(b map[string]any) {
			at(b, "verificationMaterial", "publicKey")["hint"] = hint
		}))
	}
	ours, _ := at(must(decode(w.bundle(t, w.key).Content))(t), "verificationMaterial", "publicKey")["hint"].(string)
	for _, c := range []struct {
		sentence string
		material attachment.Attachment
		wanted   evidence.Wanted
		want     evidence.Signer
	}{
		{"a certificate of an unknown authority names its identity", stranger, keyless(), w.identity()},
		{"so does one in a legacy signature", w.legacyIn(t, w.stranger, w.workflow), keyless(), w.identity()},
		{"a certificate where only keys are trusted", w.bundle(t, w.workflow), logged(t, w.key), w.identity()},
		{"a bundle by an unknown key names the key", w.bundle(t, w.strangers), logged(t, w.key), key},
		{"a bundle by a key where only certificates are trusted", w.bundle(t, w.strangers), keyless(), key},
		{"a legacy signature does not name its key", w.legacy(t, w.strangers), logged(t, w.key), evidence.Signer{}},
		{"a hint that is no digest names nobody", hinted("my-key"), logged(t, w.key), evidence.Signer{}},
		{"a hint that is too short for a digest names nobody", hinted("YWJj"), logged(t, w.key), evidence.Signer{}},
		{"no hint names nobody", hinted(""), logged(t, w.key), evidence.Signer{}},
		{"a forged hint names whom it wants, which proves nothing", hinted(ours), logged(t, w.key), w.keySigner(t)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			got, err := w.verify(c.material, c.wanted)
			compare(t, evidence.Evidence{}, got)
			rejection, ok := errors.AsType[*verdict.Rejection](err)
			if !ok {
				t.Fatalf("%v is no rejection", err)
			}
			if diff := cmp.Diff(c.want, rejection.Claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}
