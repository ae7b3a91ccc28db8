package privatesigstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// TestWhenSigned: Rekor v2 keeps no time, so the time of signing is the one that the timestamp authority vouches for.
func TestWhenSigned(t *testing.T) {
	w := theWorld(t)
	release, key := w.release(), w.newKey(t)
	t.Run("by a workflow", func(t *testing.T) {
		w.checkWindows(t, "when-workflow", release, w.policiesFor,
			w.admitted("acme-release", release), byWorkflow(release, "acme/charts"))
	})
	t.Run("by a key", func(t *testing.T) {
		w.checkWindows(t, "when-key", key, func(more string) string { return w.keyPolicies(key, more) },
			answer{Verdict: "Verified", Signer: "acme-key (" + byKey(key) + ")"}, byKey(key))
	})
}

// checkWindows asks with policies of several windows around the time at which the signer signs a chart.
func (w *world) checkWindows(
	t *testing.T, name string, by sigstore.Signer, policies func(more string) string, inside answer, signer string,
) {
	t.Helper()
	c, at := w.signedAt(t, name, by)
	// Then it is not the time of verification that lies in a window.
	time.Sleep(time.Until(at.Add(2 * time.Second)))

	text := func(t time.Time) string { return t.Format(time.RFC3339) }
	earlier, later := at.Add(-time.Second), at.Add(time.Second)
	outside := denied("IdentityNotAllowed", "1 bundle, 0 legacy signatures", "signed by "+signer)
	outside.SignedAt = text(at)
	for _, tc := range []struct {
		sentence, validity string
		want               answer
	}{
		{"within", fmt.Sprintf("{notBefore: %q, notAfter: %q}", text(earlier), text(later)), inside},
		{"at the first moment", fmt.Sprintf("{notBefore: %q}", text(at)), inside},
		{"at the last moment", fmt.Sprintf("{notAfter: %q}", text(at)), inside},
		{"too early", fmt.Sprintf("{notBefore: %q}", text(later)), outside},
		{"too late", fmt.Sprintf("{notAfter: %q}", text(earlier)), outside},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			w.checkBy(t, policies("  validity: "+tc.validity+"\n"), c, w.ours.Client, tc.want)
		})
	}
}

// signedAt is a chart, and the time in its only timestamp.
func (w *world) signedAt(t *testing.T, name string, by sigstore.Signer) (chart, time.Time) {
	t.Helper()
	c := w.publish(t, item{registry: w.registry, name: name})[0]
	bundle, err := w.ours.Bundle(t.Context(), by, c.reference())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.registry.AttachBundle(c.repository(), c.digest, bundle, nil); err != nil {
		t.Fatal(err)
	}
	return c, signingTime(t, bundle)
}

// signingTime is the one in the bundle's timestamp. That of the log must be missing.
func signingTime(t *testing.T, raw []byte) time.Time {
	t.Helper()
	var bundle protobundle.Bundle
	if err := protojson.Unmarshal(raw, &bundle); err != nil {
		t.Fatal(err)
	}
	entries := bundle.GetVerificationMaterial().GetTlogEntries()
	stamps := bundle.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps()
	if len(entries) != 1 || entries[0].GetIntegratedTime() != 0 || entries[0].GetKindVersion().GetVersion() != "0.0.2" || len(stamps) != 1 {
		t.Fatalf("not a bundle of Rekor v2 with a timestamp: %s", raw)
	}
	stamp, err := timestamp.ParseResponse(stamps[0].GetSignedTimestamp())
	if err != nil {
		t.Fatal(err)
	}
	return stamp.Time.UTC()
}
