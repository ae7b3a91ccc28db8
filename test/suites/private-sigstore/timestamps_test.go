package privatesigstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// TestWithoutLog: certificates of the real Fulcio whose time only the timestamp authority proves,
// signed with a Sigstore that has no transparency log.
func TestWithoutLog(t *testing.T) {
	w := theWorld(t)
	ours, theirs, release := w.ours.Client, w.theirs.Client, w.release()
	logless := ours.Without(sigstore.Rekor)
	const (
		notRequired = "    transparencyLog: NotRequired\n"
		required    = "    transparencyLog: Required\n"
	)
	good, broken := w.admitted("acme-release", release), unusable("its signature, certificate or signed timestamp is not valid")
	rows := []struct {
		sentence  string
		signature signature
		identity  string
		trusted   *sigstore.Client
		want      answer
	}{
		{"stamped, and the log is not required", signed(logless, release), notRequired, ours, good},
		{"stamped, by a Sigstore whose trust root has no log", signed(logless, release), notRequired, logless, good},
		{"stamped, by a Sigstore whose trust root has neither log nor CT log", signed(logless, release), notRequired, ours.Without(sigstore.Rekor, sigstore.CTLog), good},
		{"in the log and stamped, though the log is not required", signed(ours, release), notRequired, ours, good},
		{"in a log that the trust root does not have, and stamped", signed(ours, release), notRequired, logless, good},
		{"stamped, and the log is required", signed(logless, release), required, ours, unusable(withoutLog)},
		{"stamped, and the log is required by default", signed(logless, release), "", ours, unusable(withoutLog)},
		{"stamped in the identity's window", signed(logless, release), notRequired + "  validity: {notBefore: 2020-01-01T00:00:00Z}\n", ours, good},
		{"without a timestamp", forged(logless, release, func(bundle, _ map[string]any) {
			delete(material(bundle), "timestampVerificationData")
		}), notRequired, ours, broken},
		{"the timestamp of another signature", forged(logless, release, func(bundle, another map[string]any) {
			material(bundle)["timestampVerificationData"] = material(another)["timestampVerificationData"]
		}), notRequired, ours, broken},
		{"the certificate of another signature", forged(logless, release, func(bundle, another map[string]any) {
			material(bundle)["certificate"] = material(another)["certificate"]
		}), notRequired, ours, broken},
		{"the log entry of another signature, beside a good timestamp", forged(ours, release, func(bundle, another map[string]any) {
			material(bundle)["tlogEntries"] = material(another)["tlogEntries"]
		}), notRequired, ours, unusable("")},
		{"stamped by another Sigstore", signed(logless.With(theirs, sigstore.Timestamp), release), notRequired, ours, broken},
		{"a certificate of another Sigstore, stamped by ours", signed(logless.With(theirs, sigstore.Fulcio, sigstore.CTLog), release), notRequired, ours, unusable("its certificate was not issued by an authority of the trust root")},
	}
	var items []item
	for i, row := range rows {
		items = append(items, item{w.registry, fmt.Sprintf("unlogged-%d", i), []signature{row.signature}})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			w.checkBy(t, w.policiesFor(row.identity), charts[i], row.trusted, row.want)
		})
	}
}

// TestAttestedWithoutLog: a policy that requires an attestation and no signature, as the recipe for
// GitHub's attestations in docs/policies.md, and an attestation of a Sigstore without a log.
func TestAttestedWithoutLog(t *testing.T) {
	w := theWorld(t)
	logless, release := w.ours.Client.Without(sigstore.Rekor), w.release()
	const wanting = `require: [{anyOf: [acme-release], attestation: {predicateType: "https://slsa.dev/provenance/v1"}}]`
	policies := func(more string) string {
		return strings.Replace(w.policiesFor(more), "require: [{anyOf: [acme-release, acme-maintainer]}]", wanting, 1)
	}
	c := w.publish(t, item{w.registry, "attested-unlogged", []signature{attested(logless, release)}})[0]
	w.checkBy(t, policies("    transparencyLog: NotRequired\n"), c, logless, w.admitted("acme-release", release))
	refused := unusable(withoutLog)
	refused.Reason = "AttestationMissing"
	w.checkBy(t, policies(""), c, logless, refused)
}

// TestWhenSigned: Rekor v2 keeps no time, so the time of signing is the one that the timestamp
// authority has signed.
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

// checkWindows verifies with several windows around the time at which the signer signs a chart.
func (w *world) checkWindows(
	t *testing.T, name string, by sigstore.Signer, policies func(more string) string, inside answer, signer string,
) {
	t.Helper()
	c, at := w.signedAt(t, name, by)
	// Later the time of verification is outside of the windows.
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

// TestKeys: signatures with a key, whose time the log and the timestamp authority of our Sigstore
// can prove.
func TestKeys(t *testing.T) {
	w := theWorld(t)
	ours, theirs := w.ours.Client, w.theirs.Client
	key := w.newKey(t)
	const (
		logged, unlogged = "    transparencyLog: Required\n", "    transparencyLog: NotRequired\n"
		inTime           = "  validity: {notBefore: 2020-01-01T00:00:00Z}\n"
	)
	good := answer{Verdict: "Verified", Signer: "acme-key (" + byKey(key) + ")"}
	invalid := func(why string) answer { return unusable("by " + byKey(key) + ", but " + why) }
	timeless := denied("IdentityNotAllowed", "1 bundle, 0 legacy signatures", "signed by "+byKey(key))
	rows := []struct {
		sentence  string
		signature signature
		identity  string
		want      answer
	}{
		{"logged, as required", signed(ours, key), logged, good},
		{"logged, not required", signed(ours, key), unlogged, good},
		{"logged without a timestamp", signed(ours.Without(sigstore.Timestamp), key), logged, good},
		{"not logged", signed(ours.Without(sigstore.Rekor), key), logged, invalid("without the log entry that the policy requires")},
		{"not logged, not required", signed(ours.Without(sigstore.Rekor), key), unlogged, good},
		{"logged elsewhere", signed(ours.With(theirs, sigstore.Rekor), key), logged, invalid("its log entry, which the policy requires, could not be verified")},
		{"with another key", signed(ours, w.newKey(t)), logged, unusable("made with a key that no policy trusts")},
		{"in time, says the timestamp", signed(ours, key), logged + inTime, good},
		{"in time, says the timestamp without a log entry", signed(ours.Without(sigstore.Rekor), key), unlogged + inTime, good},
		{"in time, without a timestamp", signed(ours.Without(sigstore.Timestamp), key), logged + inTime, timeless},
		{"in time, with a timestamp by another authority", signed(ours.With(theirs, sigstore.Timestamp), key), logged + inTime, timeless},
	}
	var items []item
	for i, row := range rows {
		items = append(items, item{w.registry, fmt.Sprintf("key-%d", i), []signature{row.signature}})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			w.checkBy(t, w.keyPolicies(key, row.identity), charts[i], ours, row.want)
		})
	}
}

func (w *world) newKey(t *testing.T) sigstore.Key {
	t.Helper()
	key, err := w.ours.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func byKey(key sigstore.Key) string {
	block, _ := pem.Decode([]byte(key.PEM))
	sum := sha256.Sum256(block.Bytes)
	return "key sha256:" + hex.EncodeToString(sum[:])
}
