package signature_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestLegacyAttacks: what is not a good legacy signature of the chart proves nothing, and says why.
func TestLegacyAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anHourAgo := w.now.Add(-time.Hour)
	byWorkflow, byKey := w.legacy(t, w.workflow), w.legacy(t, w.key)
	byStranger := w.legacyIn(t, w.stranger, w.workflow)
	bare := w.legacy(t, w.key, sigstore.WithoutLog(), sigstore.WithoutTimestamp())
	about := func(digest chart.Digest, by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
		payload, annotations, err := w.Legacy(by, repository, digest.String(), opts...)
		if err != nil {
			t.Fatal(err)
		}
		return legacyOf(t, payload, annotations)
	}
	// with gives one signature another's annotations.
	with := func(m, donor attachment.Attachment, keys ...string) attachment.Attachment {
		for _, key := range keys {
			m = annotate(m, key, donor.Annotations[key])
		}
		return m
	}
	changedEntry := func(m attachment.Attachment, change func(entry map[string]any)) attachment.Attachment {
		return annotate(m, bundleAnnotation, string(edit(t, []byte(m.Annotations[bundleAnnotation]), change)))
	}
	body := func(value any) attachment.Attachment {
		return changedEntry(byKey, func(e map[string]any) { at(e, "Payload")["body"] = value })
	}
	encodedBody := func(change func(string) string) attachment.Attachment {
		return changedEntry(byKey, func(e map[string]any) { at(e, "Payload")["body"] = change(at(e, "Payload")["body"].(string)) })
	}
	payload := func(text string) attachment.Attachment { return signPayload(t, []byte(text)) }
	thisChart := func(b []byte) []byte { return bytes.Replace(b, []byte(w.other.Hex()), []byte(w.chart.Hex()), 1) }
	withLogged, withUnlogged := logged(t, w.key), unlogged(t, w.key)
	fingerprint := publicKey(t, w.key).Fingerprint()
	keyPEM := string(must(w.key.PEM())(t))
	misplaced := byKey
	misplaced.Source = digestOf(t, []byte("elsewhere"))
	claim := func(kind, digest string) string {
		return string(must(json.Marshal(map[string]any{"critical": map[string]any{
			"type": kind, "image": map[string]string{"docker-manifest-digest": digest}, "identity": map[string]string{"docker-reference": repository},
		}}))(t))
	}
	const cosignType = "cosign container image signature"

	const invalid = verdict.SignatureInvalid
	const other = "made for another digest"
	const broken = "its signature, certificate or log entry is not valid"
	const entryBroken = "but its log entry, which the policy requires, could not be verified"
	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		rootless bool
		reason   verdict.Reason
		detail   string
	}{
		{name: "copied from another chart", material: about(w.other, w.workflow), wanted: keyless(), reason: invalid, detail: other},
		{name: "copied from another chart, by a key", material: about(w.other, w.key), wanted: withUnlogged, reason: invalid, detail: other},
		{name: "claim changed to this digest", material: about(w.other, w.workflow, sigstore.Tampered(thisChart)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "claim changed to this digest, by a key", material: about(w.other, w.key, sigstore.Tampered(thisChart)), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "tampered signature", material: annotate(byWorkflow, signatureAnnotation, flip(t, byWorkflow.Annotations[signatureAnnotation])), wanted: keyless(), reason: invalid, detail: broken},
		{name: "tampered signature without timestamp", material: without(annotate(byWorkflow, signatureAnnotation, flip(t, byWorkflow.Annotations[signatureAnnotation])), timestampAnnotation), wanted: keyless(), reason: invalid, detail: broken},
		{name: "tampered signature, by a key", material: annotate(bare, signatureAnnotation, flip(t, bare.Annotations[signatureAnnotation])), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "another payload than its digest says", material: misplaced, wanted: withUnlogged, reason: invalid, detail: "the payload does not match its digest"},

		{name: "CVE-2026-22703: log entry of another signature", material: w.legacy(t, w.workflow, sigstore.UnrelatedLogEntry()), wanted: keyless(), reason: invalid, detail: broken},
		{name: "CVE-2026-22703: log entry of another digest", material: with(byWorkflow, about(w.other, w.workflow), bundleAnnotation), wanted: keyless(), reason: invalid, detail: broken},
		{name: "CVE-2026-22703: log entry of another certificate", material: with(byWorkflow, w.legacy(t, w.workflow), bundleAnnotation), wanted: keyless(), reason: invalid, detail: broken},
		{name: "CVE-2026-22703: log entry of another signature, by the key", material: w.legacy(t, w.key, sigstore.UnrelatedLogEntry()), wanted: withLogged, reason: invalid, detail: "by key " + fingerprint + ", " + entryBroken},
		{name: "CVE-2026-22703: log entry of another digest, by the key", material: with(byKey, about(w.other, w.key), bundleAnnotation), wanted: withLogged, reason: invalid, detail: entryBroken},
		{name: "CVE-2026-22703: log entry of another key", material: with(byKey, w.legacy(t, w.strangers), bundleAnnotation), wanted: withLogged, reason: invalid, detail: entryBroken},
		{name: "CVE-2026-22703: log entry with a body of another", material: changedEntry(byKey, func(e map[string]any) {
			var donor map[string]any
			if err := json.Unmarshal([]byte(about(w.other, w.key).Annotations[bundleAnnotation]), &donor); err != nil {
				t.Fatal(err)
			}
			e["SignedEntryTimestamp"] = donor["SignedEntryTimestamp"]
		}), wanted: withLogged, reason: invalid, detail: entryBroken},
		{name: "log entry moved in time", material: changedEntry(byWorkflow, func(e map[string]any) {
			at(e, "Payload")["integratedTime"] = w.now.Add(time.Minute).Unix()
		}), wanted: keyless(), reason: invalid, detail: broken},
		{name: "no log entry", material: without(byWorkflow, bundleAnnotation), wanted: keyless(), reason: invalid, detail: "without a transparency log entry"},
		{name: "an empty log entry", material: annotate(byWorkflow, bundleAnnotation, ""), wanted: keyless(), reason: invalid, detail: "without a transparency log entry"},
		{name: "no log entry, by a key that must log", material: bare, wanted: withLogged, reason: invalid, detail: "by key " + fingerprint + ", but without the log entry that the policy requires"},
		{name: "logged elsewhere, by a key that must log", material: without(w.legacyIn(t, w.stranger, w.key), timestampAnnotation), wanted: withLogged, reason: invalid, detail: entryBroken},

		{name: "no SCT", material: w.legacy(t, w.workflow, sigstore.WithoutSCT()), wanted: keyless(), reason: invalid, detail: broken},
		{name: "another Sigstore", material: without(byStranger, timestampAnnotation), wanted: keyless(), reason: invalid, detail: "logged in no transparency log of the trust root"},
		{name: "certificate that had expired", material: w.legacy(t, w.workflow, sigstore.CertificateAt(anHourAgo)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "certificate issued after signing", material: w.legacy(t, w.workflow, sigstore.SignedAt(anHourAgo)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "certificate without issuer", material: w.legacy(t, sigstore.Identity{Subject: w.workflow.Subject}), wanted: keyless(), reason: invalid, detail: "its certificate does not say who signed"},
		{name: "certificate without subject", material: w.legacy(t, sigstore.Identity{Issuer: w.workflow.Issuer}), wanted: keyless(), reason: invalid, detail: broken},
		{name: "another's certificate", material: with(byWorkflow, w.legacy(t, w.workflow), certificateAnnotation), wanted: keyless(), reason: invalid, detail: broken},
		{name: "another authority's certificate with its chain", material: with(byWorkflow, byStranger, certificateAnnotation, chainAnnotation), wanted: keyless(), reason: invalid, detail: "its certificate was not issued by an authority of the trust root"},
		{name: "GHSA-fx35-mq7g-6g98: a bare public key as certificate", material: annotate(byKey, certificateAnnotation, keyPEM), wanted: keyless(), reason: invalid, detail: "the certificate annotation is not exactly one certificate"},
		{name: "GHSA-fx35-mq7g-6g98: a certificate and a public key", material: annotate(byWorkflow, certificateAnnotation, byWorkflow.Annotations[certificateAnnotation]+keyPEM), wanted: keyless(), reason: invalid, detail: "not exactly one certificate"},
		{name: "two certificates", material: annotate(byWorkflow, certificateAnnotation, strings.Repeat(byWorkflow.Annotations[certificateAnnotation], 2)), wanted: keyless(), reason: invalid, detail: "not exactly one certificate"},
		{name: "a certificate that is none", material: annotate(byWorkflow, certificateAnnotation, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), wanted: keyless(), reason: invalid, detail: "not exactly one certificate"},
		{name: "a certificate under another name", material: annotate(byWorkflow, certificateAnnotation, strings.ReplaceAll(byWorkflow.Annotations[certificateAnnotation], "CERTIFICATE", "PUBLIC KEY")), wanted: keyless(), reason: invalid, detail: "not exactly one certificate"},
		{name: "a chain without certificate", material: without(byWorkflow, certificateAnnotation), wanted: withUnlogged, reason: invalid, detail: "a certificate chain without a certificate"},
		{name: "a certificate while keys are wanted", material: byWorkflow, wanted: withUnlogged, reason: invalid, detail: "made with a certificate, while the policy trusts keys only"},
		{name: "a key's signature with another's certificate", material: with(bare, byWorkflow, certificateAnnotation), wanted: evidence.Wanted{Keyless: keyless().Keyless, Keys: withUnlogged.Keys}, reason: invalid, detail: "without a transparency log entry"},
		{name: "a key while certificates are wanted", material: byKey, wanted: keyless(), reason: invalid, detail: "made with a key, while the policy trusts certificates only"},

		{name: "stranger's key", material: w.legacy(t, w.strangers), wanted: withLogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "stranger's key, unlogged", material: w.legacy(t, w.strangers, sigstore.WithoutLog()), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "certificate without trust root", material: byWorkflow, wanted: keyless(), rootless: true, reason: verdict.TrustRootUnavailable, detail: "no trust root"},
		{name: "logged key without trust root", material: byKey, wanted: withLogged, rootless: true, reason: verdict.TrustRootUnavailable, detail: "by key " + fingerprint + ", but its log entry cannot be verified: there is no trust root"},

		{name: "a timestamp that is not JSON", material: annotate(byKey, timestampAnnotation, `AAAA`), wanted: withLogged, reason: invalid, detail: "its timestamp is not valid"},

		{name: "a log entry whose body is a number", material: body(1), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry whose body is an object", material: body(map[string]any{"kind": "hashedrekord"}), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry without body", material: body(nil), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry whose body is not base64", material: body("{}"), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry whose body is in loose base64", material: encodedBody(func(s string) string { return s[:8] + "\n" + s[8:] }), wanted: withLogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry whose body goes on", material: encodedBody(func(s string) string { return s + "!" }), wanted: withLogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry of a kind that no signature has", material: body(base64.StdEncoding.EncodeToString([]byte(`{"kind": "rpm", "apiVersion": "0.0.1"}`))), wanted: withUnlogged, reason: invalid, detail: "its log entry is of an unknown kind"},
		{name: "a log entry that is not JSON", material: annotate(byKey, bundleAnnotation, "{"), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},
		{name: "a log entry that is empty JSON", material: annotate(byKey, bundleAnnotation, "null"), wanted: withUnlogged, reason: invalid, detail: "its log entry is not valid"},

		{name: "no annotations", material: legacyOf(t, byKey.Content, nil), wanted: withUnlogged, reason: invalid, detail: "holds no signature"},
		{name: "an empty signature", material: annotate(byKey, signatureAnnotation, ""), wanted: withLogged, reason: invalid, detail: "holds no signature"},
		{name: "a signature that is not base64", material: annotate(byKey, signatureAnnotation, "!"), wanted: withLogged, reason: invalid, detail: "holds no signature"},
		{name: "a signed claim of another type", material: payload(claim("atomic container signature", w.chart.String())), wanted: ownKey(t), reason: invalid, detail: "the payload is not a cosign signature"},
		{name: "a signed claim without type", material: payload(claim("", w.chart.String())), wanted: ownKey(t), reason: invalid, detail: "the payload is not a cosign signature"},
		{name: "a signed claim about nothing", material: payload(claim(cosignType, "")), wanted: ownKey(t), reason: invalid, detail: other},
		{name: "a signed claim about the bare digits", material: payload(claim(cosignType, w.chart.Hex())), wanted: ownKey(t), reason: invalid, detail: other},
		{name: "CVE-2026-39395: signed garbage", material: payload("\x00"), wanted: ownKey(t), reason: invalid, detail: "the payload is not valid JSON"},
		{name: "CVE-2026-39395: signed nothing", material: payload(""), wanted: ownKey(t), reason: invalid, detail: "the payload is not valid JSON"},
		{name: "CVE-2026-39395: a signed null", material: payload("null"), wanted: ownKey(t), reason: invalid, detail: "the payload is not a cosign signature"},
		{name: "CVE-2026-39395: a signed list", material: payload("[]"), wanted: ownKey(t), reason: invalid, detail: "the payload is not valid JSON"},
		{name: "a huge payload", material: payload(strings.Repeat(" ", 64<<10) + claim(cosignType, w.chart.String())), wanted: ownKey(t), reason: verdict.LimitExceeded, detail: "the payload's size in bytes exceeds the limit of 65536"},
		{name: "a huge annotation", material: annotate(byWorkflow, certificateAnnotation, strings.Repeat("\n", 64<<10)+byWorkflow.Annotations[certificateAnnotation]), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the size in bytes of annotation dev.sigstore.cosign/certificate exceeds the limit of 65536"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			verifier := w.verifier
			if tc.rootless {
				verifier = w.rootless
			}
			got, err := one(verifier.Verify(context.Background(), w.chart, tc.material, tc.wanted))
			wantRejection(t, got, err, tc.reason, tc.detail)
		})
	}

	// The claims above are refused for what they say, not for how they are signed.
	got, err := w.verify(payload(claim(cosignType, w.chart.String())), ownKey(t))
	if err != nil || !got.Signs(w.chart) {
		t.Errorf("a good claim by the same key: %v", err)
	}
}

func flip(t *testing.T, encoded string) string {
	t.Helper()
	raw := must(base64.StdEncoding.DecodeString(encoded))(t)
	raw[len(raw)-1] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

func rawHex(digest chart.Digest) ([]byte, error) { return hex.DecodeString(digest.Hex()) }
