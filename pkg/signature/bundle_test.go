package signature_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestBundleAttacks: what is not a good bundle about the chart proves nothing, and says why.
func TestBundleAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anHourAgo := w.now.Add(-time.Hour)
	byWorkflow, byKey := w.bundle(t, w.workflow), w.bundle(t, w.key)
	elsewhere := func(by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
		return bundleOf(must(w.stranger.Bundle(by, w.chart.String(), sigstore.SignPredicateType, nil, opts...))(t))
	}
	about := func(digest chart.Digest, by sigstore.Signer) attachment.Attachment {
		return bundleOf(must(w.Bundle(by, digest.String(), sigstore.SignPredicateType, nil))(t))
	}
	message := func(digest chart.Digest, opts ...sigstore.Option) attachment.Attachment {
		return bundleOf(must(w.MessageSignatureBundle(w.workflow, digest.String(), opts...))(t))
	}
	changed := func(m attachment.Attachment, change func(map[string]any)) attachment.Attachment {
		return bundleOf(edit(t, m.Content, change))
	}
	// with gives one bundle another's parts of the verification material.
	with := func(m, donor attachment.Attachment, parts ...string) attachment.Attachment {
		var from map[string]any
		if err := json.Unmarshal(donor.Content, &from); err != nil {
			t.Fatal(err)
		}
		return changed(m, func(b map[string]any) {
			for _, part := range parts {
				at(b, "verificationMaterial")[part] = at(from, "verificationMaterial")[part]
			}
		})
	}
	otherChart := func(b []byte) []byte { return bytes.Replace(b, []byte(w.chart.Hex()), []byte(w.other.Hex()), 1) }
	thisChart := func(b []byte) []byte { return bytes.Replace(b, []byte(w.other.Hex()), []byte(w.chart.Hex()), 1) }
	withLogged, withUnlogged := logged(t, w.key), unlogged(t, w.key)
	byKeyUnlogged := w.bundle(t, w.key, sigstore.WithoutLog())
	fingerprint := publicKey(t, w.key).Fingerprint()

	const invalid = verdict.SignatureInvalid
	const other = "made for another digest"
	const broken = "its signature, certificate or log entry is not valid"
	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		rootless bool
		reason   verdict.Reason
		detail   string
	}{
		{name: "statement for another digest", material: about(w.other, w.workflow), wanted: keyless(), reason: invalid, detail: other},
		{name: "statement for another digest, by a key", material: about(w.other, w.key), wanted: withUnlogged, reason: invalid, detail: other},
		{name: "statement changed to this digest", material: bundleOf(must(w.Bundle(w.workflow, w.other.String(), sigstore.SignPredicateType, nil, sigstore.Tampered(thisChart)))(t)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "statement changed to this digest, by a key", material: bundleOf(must(w.Bundle(w.key, w.other.String(), sigstore.SignPredicateType, nil, sigstore.Tampered(thisChart)))(t)), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "statement changed to another digest", material: w.bundle(t, w.workflow, sigstore.Tampered(otherChart)), wanted: keyless(), reason: invalid, detail: other},
		{name: "message signature of another digest", material: message(w.other), wanted: keyless(), reason: invalid, detail: broken},
		{name: "message signature of another digest that says it is of this one", material: message(w.other, sigstore.Tampered(func([]byte) []byte { return must(rawHex(w.chart))(t) })), wanted: keyless(), reason: invalid, detail: broken},
		{name: "tampered signature", material: changed(byWorkflow, flipSignature), wanted: keyless(), reason: invalid, detail: broken},
		{name: "tampered signature, by a key", material: changed(byKey, flipSignature), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "two signatures in the envelope", material: changed(byKey, func(b map[string]any) {
			e := at(b, "dsseEnvelope")
			e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)...)
		}), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "attestation turned into a signature", material: bundleOf(must(w.Bundle(w.workflow, w.chart.String(), slsa, nil, sigstore.Tampered(func(b []byte) []byte {
			return bytes.Replace(b, []byte(slsa), []byte(sigstore.SignPredicateType), 1)
		})))(t)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "a statement without predicate type", material: bundleOf(must(w.Bundle(w.workflow, w.chart.String(), "", nil))(t)), wanted: keyless(), reason: invalid, detail: "no predicate type"},
		{name: "a signed payload that is not in-toto", material: bundleOf(signEnvelope(t, "text/plain", w.chart)), wanted: ownKey(t), reason: invalid, detail: "holds no in-toto statement"},
		{name: "a payload that is not in-toto", material: changed(byWorkflow, func(b map[string]any) { at(b, "dsseEnvelope")["payloadType"] = "text/plain" }), wanted: keyless(), reason: invalid, detail: "holds no in-toto statement"},

		{name: "CVE-2026-22703: log entry of another signature", material: w.bundle(t, w.workflow, sigstore.UnrelatedLogEntry()), wanted: keyless(), reason: invalid, detail: broken},
		{name: "CVE-2026-22703: log entry of another digest", material: with(byWorkflow, about(w.other, w.workflow), "tlogEntries"), wanted: keyless(), reason: invalid, detail: broken},
		{name: "CVE-2026-22703: log entry of another signature, by the key", material: w.bundle(t, w.key, sigstore.UnrelatedLogEntry()), wanted: withLogged, reason: invalid, detail: "by key " + fingerprint + ", but its log entry, which the policy requires, could not be verified"},
		{name: "CVE-2026-22703: log entry of another digest, by the key", material: with(byKey, about(w.other, w.key), "tlogEntries"), wanted: withLogged, reason: invalid, detail: "but its log entry"},
		{name: "CVE-2026-22703: log entry of another key", material: with(byKey, w.bundle(t, w.strangers), "tlogEntries"), wanted: withLogged, reason: invalid, detail: "but its log entry"},
		{name: "log entry moved in time", material: changed(byWorkflow, func(b map[string]any) {
			at(b, "verificationMaterial", "tlogEntries", "0")["integratedTime"] = w.now.Add(time.Minute).Unix()
		}), wanted: keyless(), reason: invalid, detail: broken},
		{name: "log time without a promise of the log", material: changed(byWorkflow, func(b map[string]any) {
			delete(at(b, "verificationMaterial", "tlogEntries", "0"), "inclusionPromise")
		}), wanted: keyless(), reason: invalid, detail: broken},
		{name: "a log without time, and no timestamp", material: changed(w.bundle(t, w.workflow, sigstore.WithoutTimestamp()), forgetTime), wanted: keyless(), reason: invalid, detail: broken},
		{name: "a log without time, and another's timestamp", material: changed(with(byWorkflow, w.bundle(t, w.workflow), "timestampVerificationData"), forgetTime), wanted: keyless(), reason: invalid, detail: broken},
		{name: "a log without time, and a stranger's timestamp", material: changed(with(byWorkflow, elsewhere(w.workflow), "timestampVerificationData"), forgetTime), wanted: keyless(), reason: invalid, detail: broken},
		{name: "no log entry", material: w.bundle(t, w.workflow, sigstore.WithoutLog()), wanted: keyless(), reason: invalid, detail: "without a transparency log entry"},
		{name: "no log entry, by a key that must log", material: byKeyUnlogged, wanted: withLogged, reason: invalid, detail: "by key " + fingerprint + ", but without the log entry that the policy requires"},
		{name: "logged elsewhere, by a key that must log", material: elsewhere(w.key), wanted: withLogged, reason: invalid, detail: "but its log entry"},

		{name: "no SCT", material: w.bundle(t, w.workflow, sigstore.WithoutSCT()), wanted: keyless(), reason: invalid, detail: broken},
		{name: "another Sigstore", material: elsewhere(w.workflow), wanted: keyless(), reason: invalid, detail: "logged in no transparency log of the trust root"},
		{name: "certificate that had expired", material: w.bundle(t, w.workflow, sigstore.CertificateAt(anHourAgo)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "certificate that had expired, and a log without time", material: changed(w.bundle(t, w.workflow, sigstore.CertificateAt(anHourAgo)), forgetTime), wanted: keyless(), reason: invalid, detail: broken},
		{name: "certificate issued after signing", material: w.bundle(t, w.workflow, sigstore.SignedAt(anHourAgo)), wanted: keyless(), reason: invalid, detail: broken},
		{name: "certificate without issuer", material: w.bundle(t, sigstore.Identity{Subject: w.workflow.Subject}), wanted: keyless(), reason: invalid, detail: "its certificate does not say who signed"},
		{name: "certificate without subject", material: w.bundle(t, sigstore.Identity{Issuer: w.workflow.Issuer}), wanted: keyless(), reason: invalid, detail: broken},
		{name: "another's certificate", material: with(byWorkflow, w.bundle(t, w.workflow), "certificate"), wanted: keyless(), reason: invalid, detail: broken},
		{name: "a certificate while keys are wanted", material: byWorkflow, wanted: withUnlogged, reason: invalid, detail: "made with a certificate, while the policy trusts keys only"},
		{name: "a key while certificates are wanted", material: byKey, wanted: keyless(), reason: invalid, detail: "made with a key, while the policy trusts certificates only"},
		{name: "a certificate beside a key", material: with(byKey, byWorkflow, "certificate"), wanted: withUnlogged, reason: invalid, detail: "not a sigstore bundle"},

		{name: "stranger's key", material: w.bundle(t, w.strangers), wanted: withLogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "stranger's key, unlogged", material: w.bundle(t, w.strangers, sigstore.WithoutLog()), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "stranger's key that says it is ours", material: with(w.bundle(t, w.strangers), byKey, "publicKey"), wanted: withLogged, reason: invalid, detail: "made with a key that no policy trusts"},

		{name: "certificate without trust root", material: byWorkflow, wanted: keyless(), rootless: true, reason: verdict.TrustRootUnavailable, detail: "no trust root"},
		{name: "logged key without trust root", material: byKey, wanted: withLogged, rootless: true, reason: verdict.TrustRootUnavailable, detail: "by key " + fingerprint + ", but its log entry cannot be verified: there is no trust root"},
		{name: "stranger's key without trust root", material: w.bundle(t, w.strangers), wanted: withLogged, rootless: true, reason: invalid, detail: "made with a key that no policy trusts"},

		{name: "nothing", material: bundleOf(nil), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "garbage", material: bundleOf([]byte("\x00\xff")), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "null", material: bundleOf([]byte("null")), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "an empty object", material: bundleOf([]byte("{}")), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "CVE-2026-39395: a statement that does not parse", material: changed(byWorkflow, func(b map[string]any) { at(b, "dsseEnvelope")["payload"] = "AAAA" }), wanted: keyless(), reason: invalid, detail: "holds no in-toto statement"},
		{name: "an envelope without payload", material: changed(byWorkflow, func(b map[string]any) { delete(at(b, "dsseEnvelope"), "payload") }), wanted: keyless(), reason: invalid, detail: "holds no in-toto statement"},
		{name: "an empty chain of certificates", material: changed(byWorkflow, func(b map[string]any) {
			b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
			m := at(b, "verificationMaterial")
			delete(m, "certificate")
			m["x509CertificateChain"] = map[string]any{}
		}), wanted: keyless(), reason: invalid, detail: "names no signer"},
		{name: "a log entry that is not JSON", material: changed(byWorkflow, func(b map[string]any) {
			at(b, "verificationMaterial", "tlogEntries", "0")["canonicalizedBody"] = "AAAA"
		}), wanted: keyless(), reason: invalid, detail: "log entry of an unknown kind"},
		{name: "no envelope", material: changed(byWorkflow, func(b map[string]any) { delete(b, "dsseEnvelope") }), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "no signature", material: changed(byKey, func(b map[string]any) { delete(at(b, "dsseEnvelope"), "signatures") }), wanted: withUnlogged, reason: invalid, detail: "made with a key that no policy trusts"},
		{name: "no verification material", material: changed(byWorkflow, func(b map[string]any) { delete(b, "verificationMaterial") }), wanted: keyless(), reason: invalid, detail: "not a sigstore bundle"},
		{name: "a certificate that does not parse", material: changed(byWorkflow, func(b map[string]any) { at(b, "verificationMaterial", "certificate")["rawBytes"] = "AAAA" }), wanted: keyless(), reason: invalid, detail: "names no signer"},
		{name: "a log entry of a kind that no signature has", material: changed(byWorkflow, func(b map[string]any) {
			at(b, "verificationMaterial", "tlogEntries", "0")["canonicalizedBody"] = base64.StdEncoding.EncodeToString([]byte(`{"kind": "rpm", "apiVersion": "0.0.1"}`))
		}), wanted: keyless(), reason: invalid, detail: "log entry of an unknown kind"},
		{name: "a huge bundle", material: bundleOf([]byte(strings.Repeat(" ", 8<<20) + string(byWorkflow.Content))), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the bundle's size in bytes exceeds the limit of 8388608"},
		{name: "a bundle of very many values", material: bundleOf([]byte("[" + strings.Repeat("0,", 10_000) + "0]")), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the number of values in the bundle exceeds the limit of 10000"},
		{name: "a well signed statement of very many values", material: bundleOf(must(w.Bundle(w.workflow, w.chart.String(), slsa, map[string]any{"list": make([]int, 300_000)}))(t)), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the number of values in its statement exceeds the limit of 300000"},
		{name: "a huge log entry", material: changed(byWorkflow, func(b map[string]any) {
			e := at(b, "verificationMaterial", "tlogEntries", "0")
			e["canonicalizedBody"] = append(must(base64.StdEncoding.DecodeString(e["canonicalizedBody"].(string)))(t), bytes.Repeat([]byte(" "), 64<<10)...)
		}), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the size in bytes of a log entry in the bundle exceeds the limit of 65536"},
		{name: "nine log entries", material: changed(byWorkflow, func(b map[string]any) {
			m := at(b, "verificationMaterial")
			m["tlogEntries"] = slices.Repeat(m["tlogEntries"].([]any), 9)
		}), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the number of log entries in the bundle exceeds the limit of 8"},
		{name: "nine timestamps", material: changed(byWorkflow, func(b map[string]any) {
			m := at(b, "verificationMaterial", "timestampVerificationData")
			m["rfc3161Timestamps"] = slices.Repeat(m["rfc3161Timestamps"].([]any), 9)
		}), wanted: keyless(), reason: verdict.LimitExceeded, detail: "the number of timestamps in the bundle exceeds the limit of 8"},
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
}

// TestAuthorities: a certificate is good only by an authority of the trust root, while that
// authority was good.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, theirs := must(w.TrustedRoot())(t), must(w.stranger.TrustedRoot())(t)
	var strange map[string]any
	if err := json.Unmarshal(theirs, &strange); err != nil {
		t.Fatal(err)
	}
	// The instance's certificates end ten years from now. Nothing else of the root ends in this
	// one.
	endless := edit(t, ours, func(r map[string]any) {
		for _, list := range []string{"certificateAuthorities", "timestampAuthorities"} {
			delete(at(r, list, "0", "validFor"), "end")
		}
		for _, list := range []string{"tlogs", "ctlogs"} {
			delete(at(r, list, "0", "publicKey", "validFor"), "end")
		}
	})
	end := w.now.AddDate(10, 0, 0)
	before, after := end.Add(-5*time.Minute), end.Add(2*time.Minute)
	const unknown = "its certificate was not issued by an authority of the trust root"

	for _, tc := range []struct {
		name    string
		root    []byte
		options []sigstore.Option
		detail  string // empty: evidence
	}{
		{name: "our own", root: endless},
		{name: "our log, another's certificate authority", root: edit(t, ours, func(r map[string]any) {
			r["certificateAuthorities"] = strange["certificateAuthorities"]
		}), detail: unknown},
		{name: "our log, another's certificate transparency log", root: edit(t, ours, func(r map[string]any) {
			r["ctlogs"] = strange["ctlogs"]
		}), detail: "is not valid"},
		{name: "our certificate authority, another's log", root: edit(t, ours, func(r map[string]any) {
			r["tlogs"] = strange["tlogs"]
		}), detail: "logged in no transparency log of the trust root"},
		{name: "the last minutes of the authority", root: endless, options: []sigstore.Option{
			sigstore.CertificateAt(before), sigstore.SignedAt(before.Add(time.Minute)),
		}},
		{name: "CVE-2026-24122: the certificate is still valid, the issuer's is not", root: endless, options: []sigstore.Option{
			sigstore.CertificateAt(before), sigstore.SignedAt(after), sigstore.WithoutTimestamp(),
		}, detail: "is not valid"},
		{name: "the authority was retired before signing", root: edit(t, ours, func(r map[string]any) {
			at(r, "certificateAuthorities", "0", "validFor")["end"] = w.now.Add(-time.Minute).Format(time.RFC3339)
		}), options: []sigstore.Option{sigstore.CertificateAt(w.now.Add(-2 * time.Minute))}, detail: "is not valid"},
		{name: "the log was retired before signing", root: edit(t, ours, func(r map[string]any) {
			at(r, "tlogs", "0", "publicKey", "validFor")["end"] = w.now.Add(-time.Minute).Format(time.RFC3339)
		}), detail: "is not valid"},
	} {
		verifier := verifierOf(t, tc.root)
		for _, m := range []attachment.Attachment{w.bundle(t, w.workflow, tc.options...), w.legacy(t, w.workflow, tc.options...)} {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				got, err := one(verifier.Verify(context.Background(), w.chart, m, keyless()))
				if tc.detail != "" {
					wantRejection(t, got, err, verdict.SignatureInvalid, tc.detail)
				} else if err != nil || !got.Signs(w.chart) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func flipSignature(bundle map[string]any) {
	s := at(bundle, "dsseEnvelope", "signatures", "0")
	raw, err := base64.StdEncoding.DecodeString(s["sig"].(string))
	if err != nil {
		panic(err)
	}
	raw[len(raw)-1] ^= 1
	s["sig"] = base64.StdEncoding.EncodeToString(raw)
}
