package signature_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestTimes: where a log and a timestamp authority prove different times, a certificate must be
// valid at both, and the earlier one is the signing time. The fixture's authority has the same time
// as its log, so this test has its own one.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := period{w.now.AddDate(-20, 0, 0), w.now.AddDate(20, 0, 0)}
	tsa := newTSA(t, always, always)
	end := w.now.AddDate(10, 0, 0)
	verifier := verifierOf(t, edit(t, tsa.in(t, w), func(r map[string]any) {
		delete(at(r, "certificateAuthorities", "0", "validFor"), "end")
	}))
	minute := func(n int) time.Time { return w.now.Add(time.Duration(n) * time.Minute) }
	lastMinutes := []sigstore.Option{sigstore.CertificateAt(end.Add(-5 * time.Minute)), sigstore.SignedAt(end.Add(-time.Minute))}

	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		stamp    time.Time
		want     time.Time // zero: refused
	}{
		{name: "bundle by a key, stamped before it was logged", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "bundle by a key, stamped later", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "legacy by a key, stamped before it was logged", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "legacy by a key, stamped later", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "bundle, logged before it was stamped", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(2), want: w.now},
		{name: "bundle, stamped before it was logged", material: w.bundle(t, w.workflow, sigstore.SignedAt(minute(2))), wanted: keyless(), stamp: minute(1), want: minute(1)},
		{name: "bundle, stamped after the certificate ended", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(11)},
		{name: "bundle, stamped before the certificate began", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(-1)},
		{name: "bundle, stamped while the issuer was valid", material: w.bundle(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(-2 * time.Minute), want: end.Add(-2 * time.Minute)},
		{name: "CVE-2026-24122: bundle, stamped after the issuer's certificate ended", material: w.bundle(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(2 * time.Minute)},
		{name: "legacy, logged before it was stamped", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(2), want: w.now},
		{name: "legacy, stamped before it was logged", material: w.legacy(t, w.workflow, sigstore.SignedAt(minute(2))), wanted: keyless(), stamp: minute(1), want: minute(1)},
		{name: "legacy, stamped after the certificate ended", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(11)},
		{name: "legacy, stamped before the certificate began", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(-1)},
		{name: "legacy, stamped while the issuer was valid", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(-2 * time.Minute), want: end.Add(-2 * time.Minute)},
		{name: "CVE-2026-24122: legacy, stamped after the issuer's certificate ended", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(2 * time.Minute)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := one(verifier.Verify(context.Background(), w.chart, tsa.restamp(t, tc.material, tc.stamp), tc.wanted))
			switch {
			case tc.want.IsZero():
				wantRejection(t, got, err, verdict.SignatureInvalid, "is not valid")
			case err != nil:
				t.Error(err)
			case !got.SignedAt.Equal(tc.want):
				t.Errorf("signed at %s, want %s", got.SignedAt, tc.want)
			}
		})
	}
}

type period struct{ start, end time.Time }

// TestForgedTimes: validity windows depend on the time in evidence, so an attacker with a stolen
// key tries to choose it. None of these attacks proves a time that no log or authority of the trust
// root has signed. The signatures are by a key, which count without any time: a forged time must be
// ignored.
func TestForgedTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	never := time.Time{}
	early := w.now.Add(-30 * 24 * time.Hour)
	noStamp, noLog := sigstore.WithoutTimestamp(), sigstore.WithoutLog()
	all := func(opts ...sigstore.Option) []attachment.Attachment {
		return append(w.attestations(t, w.key, slsa, nil, opts...), w.bundle(t, w.key, opts...), w.legacy(t, w.key, opts...))
	}
	bundles := func(opts ...sigstore.Option) []attachment.Attachment {
		return []attachment.Attachment{w.bundle(t, w.key, opts...)}
	}
	legacy := func(opts ...sigstore.Option) []attachment.Attachment {
		return []attachment.Attachment{w.legacy(t, w.key, opts...), w.legacyAttestation(t, w.Sigstore, w.chart, w.key, slsa, nil, opts...)}
	}
	each := func(materials []attachment.Attachment, change func(attachment.Attachment) attachment.Attachment) []attachment.Attachment {
		for i, m := range materials {
			materials[i] = change(m)
		}
		return materials
	}
	// entry changes the log entry of a bundle or of legacy material.
	entry := func(inBundle, inLegacy func(map[string]any)) func(attachment.Attachment) attachment.Attachment {
		return func(m attachment.Attachment) attachment.Attachment {
			if m.Format == attachment.Bundle {
				return bundleOf(edit(t, m.Content, func(b map[string]any) { inBundle(at(b, "verificationMaterial", "tlogEntries", "0")) }))
			}
			return annotate(m, bundleAnnotation, string(edit(t, []byte(m.Annotations[bundleAnnotation]), inLegacy)))
		}
	}
	backdated := entry(
		func(e map[string]any) { e["integratedTime"] = early.Unix() },
		func(e map[string]any) { at(e, "Payload")["integratedTime"] = early.Unix() })
	// donor replaces the parts that prove the time by those of another attachment of the same
	// format.
	donor := func(annotation, part string, from ...attachment.Attachment) func(attachment.Attachment) attachment.Attachment {
		return func(m attachment.Attachment) attachment.Attachment {
			other := from[slices.IndexFunc(from, func(other attachment.Attachment) bool { return other.Format == m.Format })]
			if m.Format != attachment.Bundle {
				return annotate(m, annotation, other.Annotations[annotation])
			}
			var b map[string]any
			if err := json.Unmarshal(other.Content, &b); err != nil {
				t.Fatal(err)
			}
			return bundleOf(edit(t, m.Content, func(mine map[string]any) {
				at(mine, "verificationMaterial")[part] = at(b, "verificationMaterial")[part]
			}))
		}
	}
	old := all(sigstore.At(early))
	stampOf := func(opts ...sigstore.Option) []byte {
		var b struct {
			VerificationMaterial struct {
				TimestampVerificationData struct {
					RFC3161Timestamps []struct{ SignedTimestamp []byte }
				}
			}
		}
		if err := json.Unmarshal(w.bundle(t, w.key, opts...).Content, &b); err != nil {
			t.Fatal(err)
		}
		return b.VerificationMaterial.TimestampVerificationData.RFC3161Timestamps[0].SignedTimestamp
	}
	loggedTwice := func(m attachment.Attachment) attachment.Attachment {
		return bundleOf(edit(t, m.Content, func(b map[string]any) {
			material := at(b, "verificationMaterial")
			forged := map[string]any{}
			for name, value := range at(material, "tlogEntries", "0") {
				forged[name] = value
			}
			forged["integratedTime"], forged["logIndex"] = early.Unix(), "77"
			material["tlogEntries"] = []any{forged, at(material, "tlogEntries", "0")}
		}))
	}

	for _, tc := range []struct {
		name     string
		material []attachment.Attachment
		logged   bool
		at       time.Time
	}{
		{name: "(good) log and timestamp", material: all(), logged: true, at: w.now},
		{name: "(good) the log's promise without its proof of inclusion", material: each(bundles(noStamp), func(m attachment.Attachment) attachment.Attachment {
			return bundleOf(edit(t, m.Content, func(b map[string]any) {
				b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
				delete(at(b, "verificationMaterial", "tlogEntries", "0"), "inclusionProof")
			}))
		}), logged: true, at: w.now},
		{name: "the log's time changed", material: each(all(noStamp), backdated), at: never},
		{name: "the log's time changed, beside a good timestamp", material: each(all(), backdated), at: w.now},
		{name: "the log's promise removed, its proof of inclusion and the time kept", material: each(bundles(noStamp), entry(func(e map[string]any) { delete(e, "inclusionPromise") }, nil)), logged: true, at: never},
		{name: "the log's promise removed, and the time changed", material: each(bundles(noStamp), entry(func(e map[string]any) {
			delete(e, "inclusionPromise")
			e["integratedTime"] = early.Unix()
		}, nil)), logged: true, at: never},
		{name: "the log's promise emptied, its proof of inclusion kept", material: each(bundles(noStamp), entry(func(e map[string]any) { at(e, "inclusionPromise")["signedEntryTimestamp"] = "" }, nil)), logged: true, at: never},
		{name: "the log's promise emptied", material: each(legacy(noStamp), entry(nil, func(e map[string]any) { e["SignedEntryTimestamp"] = "" })), at: never},
		{name: "no time, proof of inclusion only (Rekor v2), and no timestamp", material: each(bundles(noStamp), func(m attachment.Attachment) attachment.Attachment {
			return bundleOf(edit(t, m.Content, forgetTime))
		}), logged: true, at: never},
		{name: "the log entry of an older signature by the same key", material: each(all(noStamp), donor(bundleAnnotation, "tlogEntries", all(sigstore.At(early), noStamp)...)), at: never},
		{name: "a log entry that was changed beside the good one", material: each(bundles(noStamp), loggedTwice), logged: true, at: w.now},
		{name: "logged by a stranger earlier", material: []attachment.Attachment{
			bundleOf(must(w.stranger.Bundle(w.key, w.chart.String(), sigstore.SignPredicateType, nil, sigstore.At(early)))(t)),
			w.legacyIn(t, w.stranger, w.key, sigstore.At(early)),
			w.legacyAttestation(t, w.stranger, w.chart, w.key, slsa, nil, sigstore.At(early)),
		}, at: never},
		{name: "the timestamp of an older signature by the same key", material: each(all(noLog), donor(timestampAnnotation, "timestampVerificationData", old...)), at: never},
		{name: "the timestamp of an older signature, beside a good log entry", material: each(all(), donor(timestampAnnotation, "timestampVerificationData", old...)), logged: true, at: w.now},
		{name: "a stranger's earlier timestamp", material: all(noLog, sigstore.TimestampBy(w.stranger, early)), at: never},
		{name: "a stranger's earlier timestamp, beside a good log entry", material: all(sigstore.TimestampBy(w.stranger, early)), logged: true, at: w.now},
		{name: "two timestamps, the first one of an older signature", material: each(bundles(noLog), func(m attachment.Attachment) attachment.Attachment {
			return withStamps(t, m, stampOf(sigstore.At(early)), stampIn(t, m))
		}), at: w.now},
		{name: "two timestamps, the second one of an older signature", material: each(bundles(noLog), func(m attachment.Attachment) attachment.Attachment {
			return withStamps(t, m, stampIn(t, m), stampOf(sigstore.At(early)))
		}), at: w.now},
		{name: "two timestamps, both of older signatures", material: each(bundles(noLog), func(m attachment.Attachment) attachment.Attachment {
			return withStamps(t, m, stampOf(sigstore.At(early)), stampOf(sigstore.At(early)))
		}), at: never},
		{name: "a timestamp that is garbage", material: each(all(noLog), func(m attachment.Attachment) attachment.Attachment { return withStamps(t, m, []byte{0x30, 0}) }), at: never},
		{name: "a timestamp of the envelope's signature, where the whole envelope counts", material: each(legacy(noLog)[1:], func(m attachment.Attachment) attachment.Attachment {
			return withStamps(t, m, stampOf(sigstore.At(early)))
		}), at: never},
	} {
		for _, m := range tc.material {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				got, err := w.verify(m, unlogged(t, w.key))
				if err != nil || got.Logged != tc.logged || !got.SignedAt.Equal(tc.at) {
					t.Errorf("logged %v, signed at %s; want %v, %s\nerror %v", got.Logged, got.SignedAt, tc.logged, tc.at, err)
				}
			})
		}
	}

	// cosign would take the time of what the annotation holds, which has nothing to do with the
	// attestation.
	t.Run("an old signature with its timestamp in the annotations of an attestation", func(t *testing.T) {
		t.Parallel()
		mine, donor := legacy(noLog, noStamp)[1], w.legacy(t, w.key, sigstore.At(early), noLog)
		forged := annotate(annotate(mine, signatureAnnotation, donor.Annotations[signatureAnnotation]), timestampAnnotation, donor.Annotations[timestampAnnotation])
		got, err := w.verify(forged, unlogged(t, w.key))
		wantRejection(t, got, err, verdict.SignatureInvalid, "a signature beside it")
	})
}

// TestForgedTimestamps: an authority proves only times at which its certificates were valid, and no
// other signer counts as the authority.
func TestForgedTimestamps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	day := func(n int) time.Time { return w.now.AddDate(0, 0, n) }
	always := period{day(-1000), day(1000)}
	expired, future := period{day(-100), day(-10)}, period{day(10), day(100)}
	current := newTSA(t, always, always)
	ending := edit(t, current.in(t, w), func(r map[string]any) {
		at(r, "timestampAuthorities", "0")["validFor"] = map[string]any{"end": day(-10).Format(time.RFC3339)}
	})
	leafless := edit(t, current.in(t, w), func(r map[string]any) {
		at(r, "timestampAuthorities", "0")["certChain"] = map[string]any{"certificates": []any{map[string]any{"rawBytes": current.root.Raw}}}
	})
	plain := func(a *tsa, at time.Time) func(*testing.T, []byte) []byte {
		return func(t *testing.T, content []byte) []byte { return a.stamp(t, content, at) }
	}
	started, stopped := newTSA(t, always, period{day(-1), day(100)}), newTSA(t, always, period{day(-100), day(1)})
	young := newTSA(t, period{day(-1), day(100)}, always)
	past, coming := newTSA(t, always, expired), newTSA(t, always, future)
	withItsCertificate := func(t *testing.T, content []byte) []byte {
		return signStamp(t, content, day(-1), current.leaf, current.key, current.root)
	}
	// Signing times in tokens are those of signing, so a token of the past is made by an authority
	// of the present.
	for _, tc := range []struct {
		name  string
		trust []byte
		stamp func(*testing.T, []byte) []byte
		at    time.Time
	}{
		{name: "(good) by the authority", trust: current.in(t, w), stamp: plain(current, day(-1)), at: day(-1)},
		{name: "(good) by the authority, with its certificates", trust: current.in(t, w), stamp: withItsCertificate, at: day(-1)},
		{name: "(good) the trust root names the CA only", trust: leafless, stamp: withItsCertificate, at: day(-1)},
		{name: "at a time before its certificate was valid", trust: started.in(t, w), stamp: plain(started, day(-2))},
		{name: "at a time after its certificate was valid", trust: stopped.in(t, w), stamp: plain(stopped, day(2))},
		{name: "at a time before its CA was valid", trust: young.in(t, w), stamp: plain(young, day(-2))},
		{name: "by an authority whose certificate has expired, at a time when it was valid", trust: past.in(t, w), stamp: plain(past, day(-20))},
		{name: "by an authority whose certificate is not valid yet", trust: coming.in(t, w), stamp: plain(coming, day(20))},
		{name: "after the trust root retired the authority", trust: ending, stamp: plain(current, day(-5))},
		{name: "(good) before the trust root retired the authority", trust: ending, stamp: plain(current, day(-15)), at: day(-15)},
		{name: "by another authority of the same names", trust: current.in(t, w), stamp: plain(newTSA(t, always, always), day(-1))},
		{name: "by another signer with a certificate of the CA", trust: current.in(t, w), stamp: func(t *testing.T, content []byte) []byte {
			return signStamp(t, content, day(-1), current.other, current.otherKey, current.root)
		}},
		{name: "by another signer with a certificate of the CA, and the authority's put before it", trust: current.in(t, w), stamp: func(t *testing.T, content []byte) []byte {
			return impostor(t, content, day(-1), current.leaf, current.other, current.otherKey)
		}},
		{name: "by another signer with a certificate of the CA, where the trust root names the CA only", trust: leafless, stamp: func(t *testing.T, content []byte) []byte {
			return impostor(t, content, day(-1), current.leaf, current.other, current.otherKey)
		}},
	} {
		for _, m := range append(w.attestations(t, w.key, slsa, nil, sigstore.WithoutLog()), w.legacy(t, w.key, sigstore.WithoutLog())) {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				stamped := withStamps(t, m, tc.stamp(t, stampedIn(t, m)))
				got, err := one(verifierOf(t, tc.trust).Verify(context.Background(), w.chart, stamped, unlogged(t, w.key)))
				if err != nil || !got.SignedAt.Equal(tc.at) {
					t.Errorf("signed at %s, want %s; error %v", got.SignedAt, tc.at, err)
				}
			})
		}
	}
}
