package signature_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// replacing is for statements.
func replacing(old, new string) sigstore.Option {
	return sigstore.Rewritten(func(statement []byte) []byte {
		changed := bytes.Replace(statement, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, statement) {
			panic(fmt.Sprintf("%q does not occur in %s", old, statement))
		}
		return changed
	})
}

// TestAttestations: an attestation proves what was signed, to the byte, and evidence holds its
// content where a policy requires it.
func TestAttestations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const content = `{"buildType":"helm","n":12345678901234567890,"s":"\u003c"}`
	predicate := json.RawMessage(content)
	lastYear := w.now.AddDate(-1, 0, 0)
	nowhere := []sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutTimestamp()}
	slsaKeyless, slsaByKey := wanting(keyless(), "https://spdx.dev/Document", slsa), wanting(logged(t, w.key), slsa)

	for _, tc := range []struct {
		name    string
		by      sigstore.Signer
		options []sigstore.Option
		wanted  evidence.Wanted
		// What differs from an attestation by the workflow, logged now.
		unlogged bool
		signedAt time.Time
		content  string
	}{
		{name: "by a workflow", by: w.workflow, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "by a workflow last year", by: w.workflow, options: []sigstore.Option{sigstore.At(lastYear)}, wanted: slsaKeyless, signedAt: lastYear, content: content},
		{name: "by a workflow, without timestamp", by: w.workflow, options: []sigstore.Option{sigstore.WithoutTimestamp()}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "by a logged key", by: w.key, wanted: slsaByKey, signedAt: w.now, content: content},
		{name: "by a workflow, logged in the older kind of entry", by: w.workflow, options: []sigstore.Option{sigstore.IntotoLogEntry()}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "by a key, logged in the older kind of entry", by: w.key, options: []sigstore.Option{sigstore.IntotoLogEntry()}, wanted: slsaByKey, signedAt: w.now, content: content},
		{name: "by an unlogged key", by: w.key, options: nowhere, wanted: wanting(bare(t, w.key), slsa), unlogged: true, content: content},
		{name: "by an unlogged but timestamped key", by: w.key, options: []sigstore.Option{sigstore.WithoutLog()}, wanted: wanting(unlogged(t, w.key), slsa), unlogged: true, signedAt: w.now, content: content},
		{name: "no policy requires the content", by: w.workflow, wanted: wanting(keyless(), "https://spdx.dev/Document"), signedAt: w.now},
		{name: "about another chart first, then about this one", by: w.workflow, options: []sigstore.Option{
			replacing(`"subject":[`, `"subject":[{"name":"other","digest":{"sha256":"`+w.other.Hex()+`"}},`),
		}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "with everything that a subject may have", by: w.workflow, options: []sigstore.Option{
			replacing(`"subject":[{`, `"subject":[{"name":"podinfo","uri":"oci://x","content":"AA==","downloadLocation":"https://x","mediaType":"text/plain","annotations":{"a":1},`),
		}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "in the older form of a statement", by: w.workflow, options: []sigstore.Option{replacing("Statement/v1", "Statement/v0.1")}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "spread over lines", by: w.workflow, options: []sigstore.Option{replacing(`"predicate":`, "\n\t\"predicate\" :\n ")}, wanted: slsaKeyless, signedAt: w.now, content: content},
		{name: "without predicate, which in-toto allows", by: w.workflow, options: []sigstore.Option{replacing(`,"predicate":`+content, "")}, wanted: slsaKeyless, signedAt: w.now},
		{name: "a name twice where no policy requires the content", by: w.workflow, options: []sigstore.Option{replacing(`"buildType":"helm"`, `"n":1`)}, wanted: keyless(), signedAt: w.now},
	} {
		for _, m := range w.attestations(t, tc.by, slsa, predicate, tc.options...) {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				got, err := w.verify(m, tc.wanted)
				if err != nil {
					t.Fatal(err)
				}
				signer := w.identity()
				if tc.by == w.key {
					signer = w.keySigner(t)
				}
				want := evidence.New(w.chart, evidence.Attestation, signer)
				want.Predicate, want.Format, want.Logged, want.SignedAt = slsa, m.Format, !tc.unlogged, tc.signedAt
				if want.Logged || !want.SignedAt.IsZero() {
					want.TrustRoot = evidence.DefaultTrustRoot
				}
				if tc.content != "" {
					want.Content = []byte(tc.content)
				}
				compare(t, want, got)
				if got.Signs(w.chart) || !got.Attests(w.chart, slsa) {
					t.Errorf("signs: %v, attests: %v", got.Signs(w.chart), got.Attests(w.chart, slsa))
				}
			})
		}
	}
}

// TestAttestationIsNotASignature: an attestation is not a signature, in either format and by a
// signer that every policy trusts; and a signature is not an attestation.
func TestAttestationIsNotASignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, by := range []sigstore.Signer{w.workflow, w.key} {
		wanted := wanting(keyless(), slsa)
		wanted.Keys = unlogged(t, w.key).Keys
		for _, m := range w.attestations(t, by, slsa, map[string]any{"buildType": "helm"}) {
			got, err := w.verify(m, wanted)
			if err != nil || got.Signs(w.chart) || !got.Attests(w.chart, slsa) {
				t.Errorf("%s: %+v, %v", m.Format, got, err)
			}
		}
		for _, m := range []attachment.Attachment{w.bundle(t, by), w.legacy(t, by)} {
			got, err := w.verify(m, wanted)
			if err != nil || !got.Signs(w.chart) || got.Attests(w.chart, slsa) || got.Attests(w.chart, sigstore.SignPredicateType) {
				t.Errorf("%s: %+v, %v", m.Format, got, err)
			}
		}
		// cosign signs with this predicate type in bundles only.
		m := w.legacyAttestation(t, w.Sigstore, w.chart, by, sigstore.SignPredicateType, nil)
		if got, err := w.verify(m, wanted); err == nil {
			t.Errorf("an attestation passes for a signature: %+v", got)
		}
	}
}

// TestAttestationAttacks: what is not an attestation of the chart by a trusted signer, or can be
// read in two ways, proves nothing in either form.
func TestAttestationAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	predicate := map[string]any{"builder": map[string]any{"id": "https://evil.example"}}
	changed := func(old, new string) sigstore.Option {
		return sigstore.Tampered(func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) })
	}
	const builder = `"builder":{"id":"https://evil.example"}`
	other, this := w.other.Hex(), w.chart.Hex()
	byWorkflow, byKey := wanting(keyless(), slsa), wanting(unlogged(t, w.key), slsa)
	const invalid = verdict.SignatureInvalid
	const noStatement = "holds no in-toto statement"
	for _, tc := range []struct {
		name    string
		about   chart.Digest // this chart
		by      sigstore.Signer
		kind    string // slsa
		options []sigstore.Option
		wanted  evidence.Wanted
		reason  verdict.Reason // invalid
		detail  string
	}{
		{name: "copied from another chart", about: w.other, by: w.workflow, wanted: byWorkflow, detail: "made for another digest"},
		{name: "copied from another chart, subject changed", about: w.other, by: w.workflow, options: []sigstore.Option{changed(other, this)}, wanted: byWorkflow, detail: "is not valid"},
		{name: "copied from another chart, by a key", about: w.other, by: w.key, wanted: byKey, detail: "made for another digest"},
		{name: "copied from another chart, subject changed, by a key", about: w.other, by: w.key, options: []sigstore.Option{changed(other, this)}, wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "predicate changed", by: w.workflow, options: []sigstore.Option{changed("evil", "good")}, wanted: byWorkflow, detail: "is not valid"},
		{name: "predicate changed, by a key", by: w.key, options: []sigstore.Option{changed("evil", "good")}, wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "predicate type changed", by: w.key, options: []sigstore.Option{changed("/v1\",\"predicate\"", "/v2\",\"predicate\"")}, wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "by a stranger", by: w.strangers, wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "no log entry", by: w.workflow, options: []sigstore.Option{sigstore.WithoutLog()}, wanted: byWorkflow, detail: "without a transparency log entry"},
		{name: "no log entry, by a key that must log", by: w.key, options: []sigstore.Option{sigstore.WithoutLog()}, wanted: wanting(logged(t, w.key), slsa), detail: "without the log entry"},
		{name: "log entry of another attestation", by: w.workflow, options: []sigstore.Option{sigstore.UnrelatedLogEntry()}, wanted: byWorkflow, detail: "is not valid"},
		{name: "log entry of another attestation, by the key", by: w.key, options: []sigstore.Option{sigstore.UnrelatedLogEntry()}, wanted: wanting(logged(t, w.key), slsa), detail: "could not be verified"},
		{name: "the older kind of log entry, of another attestation", by: w.workflow, options: []sigstore.Option{sigstore.IntotoLogEntry(), sigstore.UnrelatedLogEntry()}, wanted: byWorkflow, detail: "is not valid"},
		{name: "certificate that had expired", by: w.workflow, options: []sigstore.Option{sigstore.CertificateAt(w.now.Add(-time.Hour))}, wanted: byWorkflow, detail: "is not valid"},
		{name: "certificate of a stranger's authority", by: w.workflow, options: []sigstore.Option{sigstore.CertificateOf(w.stranger)}, wanted: byWorkflow, detail: "not issued by an authority"},
		{name: "no SCT", by: w.workflow, options: []sigstore.Option{sigstore.WithoutSCT()}, wanted: byWorkflow, detail: "is not valid"},

		{name: "no subject", by: w.key, options: []sigstore.Option{replacing(`[{"digest":{"sha256":"`+this+`"}}]`, `[]`)}, wanted: byKey, detail: "made for another digest"},
		{name: "a subject in another algorithm", by: w.key, options: []sigstore.Option{replacing(`"sha256"`, `"sha512"`)}, wanted: byKey, detail: "made for another digest"},
		{name: "a subject in upper case", by: w.key, options: []sigstore.Option{replacing(this, strings.ToUpper(this))}, wanted: byKey, detail: "made for another digest"},
		{name: "a subject with two digests of an algorithm", by: w.key, options: []sigstore.Option{replacing(`"sha256":`, `"sha256":"`+other+`","sha256":`)}, wanted: byKey, detail: noStatement},
		{name: "a subject with an algorithm in upper case", by: w.key, options: []sigstore.Option{replacing(`"sha256"`, `"SHA256"`)}, wanted: byKey, detail: "made for another digest"},
		{name: "two lists of subjects", by: w.key, options: []sigstore.Option{replacing(`"subject":`, `"subject":[{"digest":{"sha256":"`+other+`"}}],"subject":`)}, wanted: byKey, detail: noStatement},
		{name: "names in upper case, which encoding/json takes", by: w.key, options: []sigstore.Option{replacing(`"subject"`, `"SUBJECT"`)}, wanted: byKey, detail: noStatement},
		{name: "a second list of subjects in upper case", by: w.key, options: []sigstore.Option{replacing(`"subject":`, `"Subject":[],"subject":`)}, wanted: byKey, detail: noStatement},
		{name: "a name in protobuf's spelling", by: w.key, options: []sigstore.Option{replacing(`"predicateType"`, `"predicate_type"`)}, wanted: byKey, detail: noStatement},
		{name: "a predicate in upper case beside the predicate", by: w.key, options: []sigstore.Option{replacing(`"predicate":`, `"PREDICATE":{},"predicate":`)}, wanted: byKey, detail: noStatement},
		{name: "two predicates", by: w.key, options: []sigstore.Option{replacing(`"predicate":`, `"predicate":{},"predicate":`)}, wanted: byKey, detail: noStatement},
		{name: "two predicate types", by: w.key, options: []sigstore.Option{replacing(`"predicateType":`, `"predicateType":"x","predicateType":`)}, wanted: byKey, detail: noStatement},
		{name: "a name twice in the predicate", by: w.key, options: []sigstore.Option{replacing(builder, builder+`,"builder":{"id":"https://good.example"}`)}, wanted: byKey, detail: "can be read in more than one way"},
		{name: "a name twice deep in the predicate", by: w.key, options: []sigstore.Option{replacing(`"id":"https://evil.example"`, `"l":[{"id":1,"id":2}]`)}, wanted: byKey, detail: "can be read in more than one way"},
		{name: "a name twice in the predicate, once escaped", by: w.key, options: []sigstore.Option{replacing(builder, builder+`,"build\u0065r":{"id":"https://good.example"}`)}, wanted: byKey, detail: "can be read in more than one way"},
		{name: "names that are the same once their garbage is replaced", by: w.key, options: []sigstore.Option{replacing(builder, "\"\xff\":1,\"\xfe\":2")}, wanted: byKey, detail: "can be read in more than one way"},
		{name: "a predicate that is a list", by: w.key, options: []sigstore.Option{replacing(`{`+builder+`}`, `[]`)}, wanted: byKey, detail: "its predicate is not an object"},
		{name: "a predicate that is a text", by: w.key, options: []sigstore.Option{replacing(`{`+builder+`}`, `"{}"`)}, wanted: byKey, detail: "its predicate is not an object"},
		{name: "a predicate that is null", by: w.key, options: []sigstore.Option{replacing(`{`+builder+`}`, `null`)}, wanted: byKey, detail: "its predicate is not an object"},
		{name: "an empty predicate type", by: w.key, options: []sigstore.Option{replacing(slsa, "")}, wanted: wanting(byKey, ""), detail: "no predicate type"},
		{name: "no predicate type", by: w.key, options: []sigstore.Option{replacing(`"predicateType":"`+slsa+`",`, "")}, wanted: wanting(byKey, ""), detail: "no predicate type"},
		{name: "a statement of an unknown version", by: w.key, options: []sigstore.Option{replacing("Statement/v1", "Statement/v2")}, wanted: byKey, detail: noStatement},
		{name: "something behind the statement", by: w.key, options: []sigstore.Option{sigstore.Rewritten(func(b []byte) []byte { return append(b, '{', '}') })}, wanted: byKey, detail: noStatement},
		{name: "null", by: w.key, options: []sigstore.Option{sigstore.Rewritten(func([]byte) []byte { return []byte("null") })}, wanted: byKey, detail: noStatement},
		{name: "a list", by: w.key, options: []sigstore.Option{sigstore.Rewritten(func([]byte) []byte { return []byte("[]") })}, wanted: byKey, detail: noStatement},
		{name: "1025 subjects", by: w.key, options: []sigstore.Option{replacing(`"subject":[`, `"subject":[`+strings.Repeat(`{"digest":{"sha256":"`+other+`"}},`, 1024))}, wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "very many values", by: w.key, options: []sigstore.Option{replacing(`"predicate":{`, `"predicate":{"list":[`+strings.Repeat("0,", 300_000)+`0],`)}, wanted: byKey, reason: verdict.LimitExceeded, detail: "the number of values in its statement exceeds the limit of 300000"},
	} {
		if tc.about.IsZero() {
			tc.about = w.chart
		}
		if tc.reason == "" {
			tc.reason = invalid
		}
		for _, m := range w.attestationsAbout(t, tc.about, tc.by, slsa, predicate, tc.options...) {
			if tc.name == "1025 subjects" && m.Format == attachment.LegacyAttestation {
				continue // sigstore-go's limit; ours is that of values
			}
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				got, err := w.verify(m, tc.wanted)
				wantRejection(t, got, err, tc.reason, tc.detail)
			})
		}
	}
}

// TestLegacyAttestationAttacks: attacks on what only the older form has, the envelope as JSON and
// annotations.
func TestLegacyAttestationAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attest := func(by sigstore.Signer, kind string, opts ...sigstore.Option) attachment.Attachment {
		return w.legacyAttestation(t, w.Sigstore, w.chart, by, kind, map[string]any{"a": 1}, opts...)
	}
	unloggedByKey := attest(w.key, slsa, sigstore.WithoutLog(), sigstore.WithoutTimestamp())
	byKey, byWorkflow := wanting(unlogged(t, w.key), slsa), wanting(keyless(), slsa)
	rewrite := func(m attachment.Attachment, change func(string) string) attachment.Attachment {
		changed := change(string(m.Content))
		if changed == string(m.Content) {
			t.Fatalf("nothing changed in %s", changed)
		}
		return attestationOf(t, []byte(changed), m.Annotations)
	}
	replace := func(old, new string) attachment.Attachment {
		return rewrite(unloggedByKey, func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	signatures := func(m attachment.Attachment, change func(mine map[string]any) []any) attachment.Attachment {
		return attestationOf(t, edit(t, m.Content, func(e map[string]any) { e["signatures"] = change(at(e, "signatures", "0")) }), m.Annotations)
	}
	var evil struct{ Payload string }
	if err := json.Unmarshal(w.legacyAttestation(t, w.Sigstore, w.chart, w.strangers, slsa, nil).Content, &evil); err != nil {
		t.Fatal(err)
	}
	misplaced := unloggedByKey
	misplaced.Source = w.other
	signature := w.legacy(t, w.key)
	signature.Format = attachment.LegacyAttestation
	asSignature := unloggedByKey
	asSignature.Format = attachment.Legacy
	asSignature.Annotations = map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString([]byte("x"))}

	const twice = "not an attestation's envelope"
	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		reason   verdict.Reason // invalid
		detail   string
	}{
		{name: "two signatures, the second by a stranger", material: signatures(unloggedByKey, func(mine map[string]any) []any {
			return []any{mine, map[string]any{"keyid": "", "sig": "AAAA"}}
		}), wanted: byKey, detail: "exactly one signature"},
		{name: "two signatures, the first by a stranger", material: signatures(unloggedByKey, func(mine map[string]any) []any {
			return []any{map[string]any{"keyid": "", "sig": "AAAA"}, mine}
		}), wanted: byKey, detail: "exactly one signature"},
		{name: "the same signature twice", material: signatures(unloggedByKey, func(mine map[string]any) []any { return []any{mine, mine} }), wanted: byKey, detail: "exactly one signature"},
		{name: "no signature", material: signatures(unloggedByKey, func(map[string]any) []any { return nil }), wanted: byKey, detail: "exactly one signature"},
		{name: "an empty signature", material: signatures(unloggedByKey, func(map[string]any) []any { return []any{map[string]any{"sig": ""}} }), wanted: byKey, detail: "made with a key that no policy trusts"},
		{name: "two payloads, the second one signed", material: replace(`"payload":`, `"payload":"`+evil.Payload+`","payload":`), wanted: byKey, detail: twice},
		{name: "two payloads, the first one signed", material: replace(`"signatures":`, `"payload":"`+evil.Payload+`","signatures":`), wanted: byKey, detail: twice},
		{name: "a second payload in upper case", material: replace(`"signatures":`, `"Payload":"`+evil.Payload+`","signatures":`), wanted: byKey, detail: twice},
		{name: "a payload in upper case", material: replace(`"payload":`, `"PAYLOAD":`), wanted: byKey, detail: twice},
		{name: "something else in the envelope", material: replace(`{"payloadType"`, `{"x":1,"payloadType"`), wanted: byKey, detail: twice},
		{name: "a payload with a line break", material: replace(`"payload":"`, `"payload":"\n`), wanted: byKey, detail: twice},
		{name: "a payload in the URL's base64", material: replace(`"payload":"`, `"payload":"_`), wanted: byKey, detail: twice},
		{name: "another type of payload", material: replace("application/vnd.in-toto+json", "text/plain"), wanted: byKey, detail: "holds no in-toto statement"},
		{name: "no type of payload", material: replace(`"payloadType":"application/vnd.in-toto+json",`, ``), wanted: byKey, detail: "holds no in-toto statement"},
		{name: "not JSON", material: attestationOf(t, []byte("\x00"), nil), wanted: byKey, detail: twice},
		{name: "nothing", material: attestationOf(t, nil, nil), wanted: byKey, detail: twice},
		{name: "null", material: attestationOf(t, []byte("null"), nil), wanted: byKey, detail: "exactly one signature"},
		{name: "an envelope of very many values", material: attestationOf(t, []byte("["+strings.Repeat("0,", 10_000)+"0]"), nil), wanted: byKey, reason: verdict.LimitExceeded, detail: "the number of values in the envelope exceeds the limit of 10000"},
		{name: "a huge envelope", material: attestationOf(t, bytes.Repeat([]byte(" "), 8<<20+1), nil), wanted: byKey, reason: verdict.LimitExceeded, detail: "the payload's size in bytes exceeds the limit of 8388608"},
		{name: "another envelope than its digest says", material: misplaced, wanted: byKey, detail: "does not match its digest"},

		{name: "CVE-2022-35929: an attestation that says it is a signature", material: attest(w.key, sigstore.SignPredicateType), wanted: byKey, detail: "says it is a signature"},
		{name: "a signature in the place of attestations", material: signature, wanted: byKey, detail: "a signature beside it"},
		{name: "a signature in the place of attestations, without its annotation", material: without(signature, signatureAnnotation), wanted: byKey, detail: twice},
		{name: "an attestation in the place of signatures", material: asSignature, wanted: byKey, detail: "not a cosign signature"},

		{name: "the log entry of a signature by the key", material: annotate(attest(w.key, slsa), bundleAnnotation, w.legacy(t, w.key).Annotations[bundleAnnotation]), wanted: wanting(logged(t, w.key), slsa), detail: "log entry is of an unknown kind"},
		{name: "the log entry of another attestation by the key", material: annotate(attest(w.key, slsa), bundleAnnotation, attest(w.key, "https://spdx.dev/Document").Annotations[bundleAnnotation]), wanted: wanting(logged(t, w.key), slsa), detail: "could not be verified"},
		{name: "the log entry of a stranger's attestation", material: annotate(attest(w.key, slsa), bundleAnnotation, attest(w.strangers, slsa).Annotations[bundleAnnotation]), wanted: wanting(logged(t, w.key), slsa), detail: "could not be verified"},
		{name: "the certificate of another", material: annotate(attest(w.workflow, slsa), certificateAnnotation, attest(w.workflow, slsa).Annotations[certificateAnnotation]), wanted: byWorkflow, detail: "is not valid"},
		{name: "a certificate while keys are wanted", material: attest(w.workflow, slsa), wanted: byKey, detail: "while the policy trusts keys only"},
		{name: "a key while certificates are wanted", material: attest(w.key, slsa), wanted: byWorkflow, detail: "while the policy trusts certificates only"},
		{name: "GHSA-fx35-mq7g-6g98: a bare public key as certificate", material: annotate(unloggedByKey, certificateAnnotation, string(must(w.key.PEM())(t))), wanted: byWorkflow, detail: "not exactly one certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.reason == "" {
				tc.reason = verdict.SignatureInvalid
			}
			got, err := w.verify(tc.material, tc.wanted)
			wantRejection(t, got, err, tc.reason, tc.detail)
		})
	}

	// The type in the annotation and the name of the key decide nothing.
	hints := signatures(annotate(unloggedByKey, "predicateType", "https://spdx.dev/Document"), func(mine map[string]any) []any {
		mine["keyid"] = "x"
		return []any{mine}
	})
	got, err := w.verify(hints, wanting(byKey, "https://spdx.dev/Document"))
	if err != nil || got.Predicate != slsa || got.Content != nil {
		t.Errorf("with lying hints: %+v, %v", got, err)
	}
}

// sbom is a CycloneDX document of so many components, with some 350 bytes and 30 values each, as
// syft writes them.
func sbom(components int) json.RawMessage {
	var list []string
	for i := range components {
		list = append(list, fmt.Sprintf(`{"bom-ref":"pkg:golang/github.com/acme/module-%[1]d@v1.2.3","type":"library","name":"github.com/acme/module-%[1]d",`+
			`"version":"v1.2.3","purl":"pkg:golang/github.com/acme/module-%[1]d@v1.2.3","licenses":[{"license":{"id":"Apache-2.0"}}],`+
			`"hashes":[{"alg":"SHA-256","content":"%064[1]x"}],"properties":[{"name":"syft:package:type","value":"go-module"},{"name":"syft:location","value":"/bin/%[1]d"}]}`, i))
	}
	return json.RawMessage(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(list, ",") + `]}`)
}

// BenchmarkSBOM verifies an SBOM of 4 MB.
func BenchmarkSBOM(b *testing.B) {
	w := newWorld(b)
	document := sbom(8500)
	for _, m := range w.attestations(b, w.workflow, "https://cyclonedx.org/bom", document) {
		b.Run(m.Format.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(document)))
			for b.Loop() {
				wanted := wanting(keyless(), "https://cyclonedx.org/bom")
				if got, err := w.verifier.Verify(context.Background(), w.chart, m, wanted); err != nil || len(got[0].Content) != len(document) {
					b.Fatal(err)
				}
			}
		})
	}
}
