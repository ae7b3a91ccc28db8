package signature_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// anyLog wants certificates, in a log or with a timestamp alone.
func anyLog() evidence.Wanted {
	wanted := keyless()
	wanted.KeylessUnlogged = wanted.Keyless
	return wanted
}

// outcome is what becomes of a vector.
type outcome int

const (
	refused outcome = iota
	inLog           // proven, with a log entry
	byStamp         // proven, by a timestamp alone
)

// TestConformance has vectors of each kind that Sigstore's conformance suite has for bundles, made
// by our own Sigstore (the suite: github.com/sigstore/sigstore-conformance,
// test/assets/bundle-verify), and what cosign's library says of them where it says something else.
func TestConformance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := period{w.now.AddDate(-20, 0, 0), w.now.AddDate(20, 0, 0)}
	tsa := newTSA(t, always, always)
	trusted := must(w.TrustedRoot())(t)
	own := tsa.in(t, w) // the world's trust root with an authority that stamps what we like
	twoTSAs := edit(t, trusted, func(r map[string]any) {
		second := at(must(decode(own))(t), "timestampAuthorities", "0")
		second["uri"] = "https://second.sigstore.test"
		r["timestampAuthorities"] = append(r["timestampAuthorities"].([]any), second)
	})
	retired := edit(t, own, func(r map[string]any) {
		at(r, "timestampAuthorities", "0")["validFor"] = map[string]any{"end": w.now.AddDate(0, 0, -1).Format(time.RFC3339)}
	})
	logless := edit(t, trusted, func(r map[string]any) { delete(r, "tlogs") })
	ctless := edit(t, trusted, func(r map[string]any) { delete(r, "ctlogs") })
	like := func(parts ...string) []byte {
		return edit(t, trusted, func(r map[string]any) {
			for _, part := range parts {
				r[part] = must(decode(must(w.stranger.TrustedRoot())(t)))(t)[part]
			}
		})
	}
	minute := func(n int) time.Time { return w.now.Add(time.Duration(n) * time.Minute) }
	noLog, noStamp, noSCT := sigstore.WithoutLog(), sigstore.WithoutTimestamp(), sigstore.WithoutSCT()

	// The first entry of a log needs no hashes for its proof of inclusion.
	_ = w.bundle(t, w.workflow)
	good := w.bundle(t, w.workflow)
	other := w.bundle(t, w.workflow)
	bare := func(opts ...sigstore.Option) attachment.Attachment {
		return bundleOf(must(w.MessageSignatureBundle(w.workflow, w.chart.String(), opts...))(t))
	}
	changed := func(m attachment.Attachment, change func(map[string]any)) attachment.Attachment {
		return bundleOf(edit(t, m.Content, change))
	}
	entry := func(m attachment.Attachment, change func(map[string]any)) attachment.Attachment {
		return changed(m, func(b map[string]any) { change(at(b, "verificationMaterial", "tlogEntries", "0")) })
	}
	proof := func(change func(map[string]any)) attachment.Attachment {
		return entry(good, func(e map[string]any) { change(at(e, "inclusionProof")) })
	}
	checkpoint := func(change func(lines []string)) attachment.Attachment {
		return proof(func(p map[string]any) {
			lines := strings.Split(at(p, "checkpoint")["envelope"].(string), "\n")
			change(lines)
			at(p, "checkpoint")["envelope"] = strings.Join(lines, "\n")
		})
	}
	from := func(donor attachment.Attachment, part string) any {
		return at(must(decode(donor.Content))(t), "verificationMaterial")[part]
	}
	with := func(m, donor attachment.Attachment, part string) attachment.Attachment {
		return changed(m, func(b map[string]any) { at(b, "verificationMaterial")[part] = from(donor, part) })
	}
	// inVersion is the bundle in an older form, where the certificate is in a chain.
	inVersion := func(version string, m attachment.Attachment) attachment.Attachment {
		return changed(m, func(b map[string]any) {
			b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=" + version
			material := at(b, "verificationMaterial")
			material["x509CertificateChain"] = map[string]any{"certificates": []any{material["certificate"]}}
			delete(material, "certificate")
		})
	}
	mediaType := func(text string) attachment.Attachment {
		return changed(good, func(b map[string]any) { b["mediaType"] = text })
	}
	without := func(m attachment.Attachment, part string) attachment.Attachment {
		return entry(m, func(e map[string]any) { delete(e, part) })
	}
	stamped := func(m attachment.Attachment, minutes ...int) attachment.Attachment {
		var stamps [][]byte
		for _, n := range minutes {
			stamps = append(stamps, tsa.stamp(t, stampedIn(t, m), minute(n)))
		}
		return withStamps(t, m, stamps...)
	}
	about := func(subjects string) attachment.Attachment {
		return w.bundle(t, w.workflow, sigstore.Rewritten(func(s []byte) []byte {
			return edit(t, s, func(s map[string]any) { s["subject"] = must(list(subjects))(t) })
		}))
	}
	flip := func(object map[string]any, name string) {
		raw := must(base64.StdEncoding.DecodeString(object[name].(string)))(t)
		raw[len(raw)-1] ^= 1
		object[name] = base64.StdEncoding.EncodeToString(raw)
	}
	subject := func(algorithm, digest string) string { return `{"digest": {"` + algorithm + `": "` + digest + `"}}` }
	mine, theirs := subject("sha256", w.chart.Hex()), subject("sha256", w.other.Hex())
	unlogged := w.bundle(t, w.workflow, noLog)

	for _, tc := range []struct {
		sentence string
		material attachment.Attachment
		trust    []byte // the world's, if nil
		want     outcome
		unlogged bool // no log entry is required
		// What cosign 2.6.5's library (VerifyNewBundle) says if it is not the same. It has no say
		// where no log is required: there it is asked for signed timestamps alone.
		cosignAccepts, cosignRefuses bool
	}{
		{sentence: "an envelope, in a log and stamped", material: good, want: inLog},
		{sentence: "the digest alone, in a log and stamped", material: bare(), want: inLog},
		{sentence: "an envelope, in a log", material: w.bundle(t, w.workflow, noStamp), want: inLog},
		{sentence: "the log keeps no time, an authority stamped it", material: changed(good, forgetTime), want: inLog},
		{sentence: "the log keeps no time, and there is no timestamp", material: changed(w.bundle(t, w.workflow, noStamp), forgetTime)},
		{sentence: "version 0.1, with the log's promise only", material: inVersion("0.1", without(good, "inclusionProof")), want: inLog},
		{sentence: "version 0.2", material: inVersion("0.2", good), want: inLog},

		{sentence: "an unknown version of the media type", material: mediaType("application/vnd.dev.sigstore.bundle.v99.7+json")},
		{sentence: "an unknown version of the older media type", material: mediaType("application/vnd.dev.sigstore.bundle+json;version=99")},
		{sentence: "another media type", material: mediaType("application/json")},
		{sentence: "no media type", material: mediaType("")},
		{sentence: "a field that bundles do not have", material: changed(good, func(b map[string]any) { b["verificationPolicy"] = "none" })},
		{sentence: "version 0.3 with a chain of certificates", material: changed(inVersion("0.2", good), func(b map[string]any) { b["mediaType"] = sigstore.BundleMediaType })},

		{sentence: "the log's promise only, in version 0.2", material: inVersion("0.2", without(good, "inclusionProof"))},
		{sentence: "the log's promise only, in version 0.3", material: without(good, "inclusionProof")},
		{sentence: "no promise in version 0.1", material: inVersion("0.1", without(good, "inclusionPromise"))},
		{sentence: "neither promise nor proof", material: inVersion("0.1", without(without(good, "inclusionProof"), "inclusionPromise"))},
		{sentence: "a promise that is not the log's", material: entry(good, func(e map[string]any) { flip(at(e, "inclusionPromise"), "signedEntryTimestamp") })},
		{sentence: "the promise for another entry", material: entry(good, func(e map[string]any) {
			e["inclusionPromise"] = from(other, "tlogEntries").([]any)[0].(map[string]any)["inclusionPromise"]
		})},
		{sentence: "a time that the log did not promise", material: entry(good, func(e map[string]any) { e["integratedTime"] = minute(1).Unix() })},
		{sentence: "no checkpoint", material: proof(func(p map[string]any) { delete(p, "checkpoint") })},
		{sentence: "a checkpoint with another signature", material: checkpoint(func(lines []string) {
			i := len(lines) - 2
			lines[i] = lines[i][:len(lines[i])-8] + "AAAA" + lines[i][len(lines[i])-4:]
		})},
		{sentence: "a checkpoint with the hint of another key", material: checkpoint(func(lines []string) {
			i := strings.LastIndex(lines[len(lines)-2], " ") + 1
			lines[len(lines)-2] = lines[len(lines)-2][:i] + "AAAA" + lines[len(lines)-2][i+4:]
		})},
		{sentence: "a checkpoint of another log", material: checkpoint(func(lines []string) { lines[0] = strings.Replace(lines[0], "rekor.", "evil.", 1) })},
		{sentence: "a checkpoint of another tree size", material: checkpoint(func(lines []string) { lines[1] += "1" })},
		{sentence: "a checkpoint of another root", material: checkpoint(func(lines []string) { lines[2] = base64.StdEncoding.EncodeToString(make([]byte, 32)) })},
		{sentence: "a checkpoint of which nothing is left", material: proof(func(p map[string]any) { at(p, "checkpoint")["envelope"] = "" })},
		{sentence: "a proof with another root hash", material: proof(func(p map[string]any) { flip(p, "rootHash") })},
		{sentence: "a proof for another index", material: proof(func(p map[string]any) { p["logIndex"] = "0" })},
		{sentence: "a proof without its hashes", material: proof(func(p map[string]any) { delete(p, "hashes") })},
		{sentence: "the proof for another entry", material: entry(good, func(e map[string]any) {
			e["inclusionProof"] = from(other, "tlogEntries").([]any)[0].(map[string]any)["inclusionProof"]
		})},
		{sentence: "one entry twice", material: changed(good, func(b map[string]any) {
			m := at(b, "verificationMaterial")
			m["tlogEntries"] = append(m["tlogEntries"].([]any), m["tlogEntries"].([]any)...)
		})},
		{sentence: "an entry with another body", material: entry(good, func(e map[string]any) {
			e["canonicalizedBody"] = from(other, "tlogEntries").([]any)[0].(map[string]any)["canonicalizedBody"]
		})},
		{sentence: "an entry with the right envelope's hash, by another signature", material: with(good, other, "tlogEntries")},
		{sentence: "an entry of other content, by the same certificate", material: w.bundle(t, w.workflow, sigstore.UnrelatedLogEntry())},
		{sentence: "an entry of other content, for the digest alone", material: bare(sigstore.UnrelatedLogEntry())},
		{sentence: "another certificate than in the entry", material: with(good, other, "certificate")},
		{sentence: "another signature than in the entry", material: changed(good, func(b map[string]any) {
			at(b, "dsseEnvelope")["signatures"] = at(must(decode(other.Content))(t), "dsseEnvelope")["signatures"]
		})},
		{sentence: "no entry", material: unlogged},
		{sentence: "an entry of a log that is not in the trust root", material: good, trust: like("tlogs")},

		{sentence: "the digest alone, which is another", material: bare(sigstore.Tampered(func([]byte) []byte { return make([]byte, 32) }))},
		{sentence: "the signature of another digest, which says that it is of this one", material: bundleOf(must(w.MessageSignatureBundle(w.workflow, w.other.String(), sigstore.Tampered(func([]byte) []byte {
			return must(hex.DecodeString(w.chart.Hex()))(t)
		})))(t))},
		{sentence: "a signature that does not verify", material: changed(bare(), func(b map[string]any) { flip(at(b, "messageSignature"), "signature") })},

		{sentence: "about several things, this one among them", material: about(`[` + theirs + `,` + mine + `]`), want: inLog},
		{sentence: "about something else", material: about(`[` + theirs + `]`)},
		{sentence: "about nothing", material: about(`[]`)},
		{sentence: "about a digest of another kind", material: about(`[` + subject("sha512", w.chart.Hex()) + `]`)},
		{sentence: "an envelope with two signatures", material: changed(good, func(b map[string]any) {
			e := at(b, "dsseEnvelope")
			e["signatures"] = append(e["signatures"].([]any), at(must(decode(other.Content))(t), "dsseEnvelope")["signatures"].([]any)...)
		})},
		{sentence: "an envelope without a signature", material: changed(good, func(b map[string]any) { at(b, "dsseEnvelope")["signatures"] = []any{} })},
		{sentence: "an envelope of another payload type", material: changed(good, func(b map[string]any) { at(b, "dsseEnvelope")["payloadType"] = "application/json" })},
		{sentence: "an envelope with another payload", material: changed(good, func(b map[string]any) {
			at(b, "dsseEnvelope")["payload"] = base64.StdEncoding.EncodeToString([]byte(`{"_type": "https://in-toto.io/Statement/v1", "subject": [` + mine + `], "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}}`))
		})},

		{sentence: "logged after the certificate expired", material: w.bundle(t, w.workflow, sigstore.SignedAt(minute(60)))},
		{sentence: "logged before the certificate was valid", material: w.bundle(t, w.workflow, sigstore.SignedAt(minute(-60)))},
		{sentence: "a certificate by another authority", material: w.bundle(t, w.workflow, sigstore.CertificateOf(w.stranger))},
		{sentence: "a certificate without a promise of the transparency log for certificates", material: w.bundle(t, w.workflow, noSCT)},
		{sentence: "a certificate with a promise of another such log", material: good, trust: like("ctlogs")},
		{sentence: "a certificate without that promise, where the trust root has no such log", material: w.bundle(t, w.workflow, noSCT), trust: ctless, want: inLog, cosignRefuses: true},
		{sentence: "a certificate with such a promise, where the trust root has no such log", material: good, trust: ctless, want: inLog, cosignRefuses: true},
		{sentence: "another trust root altogether", material: good, trust: must(w.stranger.TrustedRoot())(t)},

		{sentence: "logged in time, stamped after the certificate expired", material: stamped(good, 11), trust: own, cosignAccepts: true},
		{sentence: "logged in time, stamped before the certificate was valid", material: stamped(good, -1), trust: own, cosignAccepts: true},
		{sentence: "logged in time, stamped twice by one authority, in time and later", material: stamped(good, 1, 11), trust: own, cosignAccepts: true},
		{sentence: "logged in time, stamped twice by one authority, later and in time", material: stamped(good, 11, 1), trust: own, cosignAccepts: true},
		{sentence: "logged in time, stamped in time by one authority and later by another", material: withStamps(t, good, stampIn(t, good), tsa.stamp(t, stampedIn(t, good), minute(11))), trust: twoTSAs, cosignAccepts: true},
		{sentence: "logged and stamped in time by two authorities", material: withStamps(t, good, stampIn(t, good), tsa.stamp(t, stampedIn(t, good), minute(1))), trust: twoTSAs, want: inLog},
		{sentence: "logged in time, stamped in time and by a stranger later", material: withStamps(t, good, stampIn(t, good), tsa.stamp(t, stampedIn(t, good), minute(11))), want: inLog},
		{sentence: "logged in time, with a timestamp of something else", material: with(good, other, "timestampVerificationData"), want: inLog},
		{sentence: "the log keeps no time, stamped after the certificate expired", material: changed(stamped(good, 11), forgetTime), trust: own},
		{sentence: "the log keeps no time, stamped in time and later", material: changed(stamped(good, 1, 11), forgetTime), trust: own, cosignAccepts: true},
		{sentence: "the log keeps no time, stamped when the authority was retired", material: changed(stamped(good, 1), forgetTime), trust: retired},

		{sentence: "no log is required: stamped in time", material: unlogged, unlogged: true, want: byStamp},
		{sentence: "no log is required: the digest alone, stamped in time", material: bare(noLog), unlogged: true, want: byStamp},
		{sentence: "no log is required: in the log and stamped in time", material: good, unlogged: true, want: inLog},
		{sentence: "no log is required: in the log and not stamped", material: w.bundle(t, w.workflow, noStamp), unlogged: true, want: inLog, cosignRefuses: true},
		{sentence: "no log is required: neither stamped nor in the log", material: w.bundle(t, w.workflow, noLog, noStamp), unlogged: true},
		{sentence: "no log is required: stamped after the certificate expired", material: stamped(unlogged, 11), trust: own, unlogged: true},
		{sentence: "no log is required: stamped before the certificate was valid", material: stamped(unlogged, -1), trust: own, unlogged: true},
		{sentence: "no log is required: stamped in time and later", material: stamped(unlogged, 1, 11), trust: own, unlogged: true, cosignAccepts: true},
		{sentence: "no log is required: stamped when the authority was retired", material: stamped(unlogged, 1), trust: retired, unlogged: true},
		{sentence: "no log is required: stamped by a stranger", material: w.bundle(t, w.workflow, noLog, sigstore.TimestampBy(w.stranger, w.now)), unlogged: true},
		{sentence: "no log is required: a timestamp of something else", material: with(unlogged, other, "timestampVerificationData"), unlogged: true},
		{sentence: "no log is required: a certificate by another authority", material: w.bundle(t, w.workflow, noLog, sigstore.CertificateOf(w.stranger)), unlogged: true},
		{sentence: "no log is required: a certificate without an SCT", material: w.bundle(t, w.workflow, noLog, noSCT), unlogged: true},
		{sentence: "no log is required: an entry of something else, beside a good timestamp", material: w.bundle(t, w.workflow, sigstore.UnrelatedLogEntry()), unlogged: true, cosignAccepts: true},
		{sentence: "no log is required: logged after the certificate expired, and stamped in time", material: stamped(w.bundle(t, w.workflow, sigstore.SignedAt(minute(11))), 1), trust: own, unlogged: true, cosignAccepts: true},
		{sentence: "no log is required: an entry of a log that is not in the trust root", material: good, trust: logless, unlogged: true, want: byStamp},
		{sentence: "no log is required: what was signed was changed", material: bundleOf(must(w.Bundle(w.workflow, w.other.String(), sigstore.SignPredicateType, nil, noLog, sigstore.Tampered(func(b []byte) []byte {
			return []byte(strings.Replace(string(b), w.other.Hex(), w.chart.Hex(), 1))
		})))(t)), unlogged: true},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			trust := tc.trust
			if trust == nil {
				trust = trusted
			}
			wanted := keyless()
			if tc.unlogged {
				wanted = anyLog()
			}
			got, err := one(verifierOf(t, trust).Verify(context.Background(), w.chart, tc.material, wanted))
			switch {
			case tc.want == refused:
				if _, is := err.(*verdict.Rejection); !is {
					t.Errorf("got %+v, %v; want a rejection", got, err)
				}
			case err != nil, !got.Signs(w.chart), got.Logged != (tc.want == inLog), got.SignedAt.IsZero(), got.TrustRoot == "":
				t.Errorf("got %+v, %v", got, err)
			}
			accepts := tc.want != refused && !tc.cosignRefuses || tc.cosignAccepts
			if err := cosignSays(t, trust, w.chart, tc.material, tc.unlogged); (err == nil) != accepts {
				t.Errorf("cosign says %v", err)
			}
		})
	}
}

// cosignSays asks cosign's library, as cosign verify does: with the times of the log where it keeps
// any.
func cosignSays(t *testing.T, trust []byte, digest chart.Digest, m attachment.Attachment, unlogged bool) error {
	t.Helper()
	raw := new(protobundle.Bundle)
	if err := protojson.Unmarshal(m.Content, raw); err != nil {
		return err
	}
	bundle, err := sgbundle.NewBundle(raw)
	if err != nil {
		return err
	}
	timeless := true
	for _, entry := range raw.GetVerificationMaterial().GetTlogEntries() {
		timeless = timeless && entry.GetIntegratedTime() == 0
	}
	co := &cosign.CheckOpts{
		TrustedMaterial: must(root.NewTrustedRootFromJSON(trust))(t), Offline: true,
		Identities:          []cosign.Identity{{IssuerRegExp: ".*", SubjectRegExp: ".*"}},
		UseSignedTimestamps: timeless || unlogged, IgnoreTlog: unlogged,
	}
	_, err = cosign.VerifyNewBundle(context.Background(), co, verify.WithArtifactDigest("sha256", must(hex.DecodeString(digest.Hex()))(t)), bundle)
	return err
}

// TestUnloggedLegacy: certificates without a log entry in the forms of cosign 2, by the same rules.
func TestUnloggedLegacy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := period{w.now.AddDate(-20, 0, 0), w.now.AddDate(20, 0, 0)}
	tsa := newTSA(t, always, always)
	trusted, own := must(w.TrustedRoot())(t), tsa.in(t, w)
	bare := edit(t, trusted, func(r map[string]any) { delete(r, "tlogs"); delete(r, "ctlogs") })
	both := func(opts ...sigstore.Option) []attachment.Attachment {
		return []attachment.Attachment{
			w.legacy(t, w.workflow, opts...), w.legacyAttestation(t, w.Sigstore, w.chart, w.workflow, slsa, nil, opts...),
		}
	}
	stamped := func(minutes int, materials []attachment.Attachment) []attachment.Attachment {
		for i, m := range materials {
			materials[i] = tsa.restamp(t, m, w.now.Add(time.Duration(minutes)*time.Minute))
		}
		return materials
	}
	noLog, noStamp, noSCT := sigstore.WithoutLog(), sigstore.WithoutTimestamp(), sigstore.WithoutSCT()
	flipped := both(noLog)
	flipped[0] = annotate(flipped[0], signatureAnnotation, both(noLog)[0].Annotations[signatureAnnotation])
	flipped[1] = annotate(flipped[1], certificateAnnotation, both(noLog)[1].Annotations[certificateAnnotation])

	const detail = "signed timestamp is not valid"
	for _, tc := range []struct {
		sentence string
		material []attachment.Attachment
		trust    []byte // the world's, if nil
		wanted   evidence.Wanted
		want     outcome
		detail   string
	}{
		{sentence: "stamped in time", material: both(noLog), wanted: anyLog(), want: byStamp},
		{sentence: "stamped in time last year", material: both(noLog, sigstore.At(w.now.AddDate(-1, 0, 0))), wanted: anyLog(), want: byStamp},
		{sentence: "in the log and stamped", material: both(), wanted: anyLog(), want: inLog},
		{sentence: "in the log and not stamped", material: both(noStamp), wanted: anyLog(), want: inLog},
		{sentence: "stamped in time, by a Sigstore without any log", material: both(noLog, noSCT), trust: bare, wanted: anyLog(), want: byStamp},
		{sentence: "in a log that is not in the trust root, and stamped in time", material: both(), trust: bare, wanted: anyLog(), want: byStamp},
		{sentence: "stamped in time, while the log is required", material: both(noLog), wanted: keyless(), detail: "without a transparency log entry, which only keyless.transparencyLog: NotRequired accepts"},
		{sentence: "neither stamped nor in the log", material: both(noLog, noStamp), wanted: anyLog(), detail: detail},
		{sentence: "stamped after the certificate expired", material: stamped(11, both(noLog)), trust: own, wanted: anyLog(), detail: detail},
		{sentence: "stamped before the certificate was valid", material: stamped(-1, both(noLog)), trust: own, wanted: anyLog(), detail: detail},
		{sentence: "in the log in time, and stamped after the certificate expired", material: stamped(11, both()), trust: own, wanted: anyLog(), detail: "log entry is not valid"},
		{sentence: "in the log too late, and stamped in time", material: stamped(1, both(sigstore.SignedAt(w.now.Add(time.Hour)))), trust: own, wanted: anyLog(), detail: "log entry is not valid"},
		{sentence: "the log entry of something else, and stamped in time", material: both(sigstore.UnrelatedLogEntry()), wanted: anyLog(), detail: "log entry is not valid"},
		{sentence: "stamped by a stranger", material: both(noLog, sigstore.TimestampBy(w.stranger, w.now)), wanted: anyLog(), detail: detail},
		{sentence: "a certificate by another authority", material: both(noLog, sigstore.CertificateOf(w.stranger)), wanted: anyLog(), detail: "not issued by an authority of the trust root"},
		{sentence: "a certificate without an SCT", material: both(noLog, noSCT), wanted: anyLog(), detail: detail},
		{sentence: "another signature, or another certificate", material: flipped, wanted: anyLog(), detail: detail},
	} {
		for _, m := range tc.material {
			t.Run(tc.sentence+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				trust := tc.trust
				if trust == nil {
					trust = trusted
				}
				got, err := one(verifierOf(t, trust).Verify(context.Background(), w.chart, m, tc.wanted))
				switch {
				case tc.want == refused:
					wantRejection(t, got, err, verdict.SignatureInvalid, tc.detail)
				case err != nil, got.Signer.Subject != w.workflow.Subject, got.Logged != (tc.want == inLog), got.SignedAt.IsZero(), got.TrustRoot == "":
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
	}
}

// TestLogOfOneRoot: under one trust root no log is required, under the other it is. Without a log
// entry, only the first can prove it, and the reader needs the reason of the other.
func TestLogOfOneRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wanted := evidence.Wanted{Keyless: []string{"ours", "theirs"}, KeylessUnlogged: []string{"theirs"}}
	theirs := bundleOf(must(w.stranger.Bundle(w.workflow, w.chart.String(), sigstore.SignPredicateType, nil, sigstore.WithoutLog()))(t))
	ours := w.bundle(t, w.workflow, sigstore.WithoutLog())
	expired := bundleOf(must(w.stranger.Bundle(w.workflow, w.chart.String(), sigstore.SignPredicateType, nil, sigstore.WithoutLog(), sigstore.CertificateAt(w.now.Add(-time.Hour))))(t))
	got, err := one(signature.New(twoRoots(t, w)).Verify(context.Background(), w.chart, theirs, wanted))
	if err != nil || got.TrustRoot != "theirs" || got.Logged {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = one(signature.New(twoRoots(t, w)).Verify(context.Background(), w.chart, ours, wanted))
	wantRejection(t, got, err, verdict.SignatureInvalid, "without a transparency log entry")
	got, err = one(signature.New(twoRoots(t, w)).Verify(context.Background(), w.chart, expired, wanted))
	wantRejection(t, got, err, verdict.SignatureInvalid, "signed timestamp is not valid")
}

func decode(raw []byte) (object map[string]any, err error) {
	return object, json.Unmarshal(raw, &object)
}

func list(raw string) (values []any, err error) {
	return values, json.Unmarshal([]byte(raw), &values)
}
