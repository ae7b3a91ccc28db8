package signature_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestEvidence: a valid attachment proves what was signed, its signer, and the time.
func TestEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	identity, key := w.identity(), w.keySigner(t)
	lastYear := w.now.AddDate(-1, 0, 0)
	nowhere := []sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutTimestamp()}
	email := sigstore.Identity{Issuer: "https://accounts.example", Subject: "dev@acme.example"}
	attest := func(by sigstore.Signer) attachment.Attachment {
		return bundleOf(must(w.Bundle(by, w.chart.String(), slsa, map[string]any{"buildType": "helm"}))(t))
	}
	message := func(by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
		return bundleOf(must(w.MessageSignatureBundle(by, w.chart.String(), opts...))(t))
	}
	liar := attest(w.workflow)
	liar.Annotations = map[string]string{"dev.sigstore.bundle.predicateType": sigstore.SignPredicateType}
	timeless := bundleOf(edit(t, w.bundle(t, w.workflow, sigstore.SignedAt(w.now.Add(time.Minute))).Content, forgetTime))
	byKeyTimeless := bundleOf(edit(t, w.bundle(t, w.key).Content, forgetTime))

	type want struct {
		statement evidence.Statement
		predicate string
		signer    evidence.Signer
		logged    bool
		signedAt  time.Time
	}
	signedBy := func(signer evidence.Signer) want { return want{evidence.ChartSignature, "", signer, true, w.now} }
	unloggedBy := func(signer evidence.Signer, at time.Time) want {
		return want{evidence.ChartSignature, "", signer, false, at}
	}
	attestedBy := func(signer evidence.Signer) want { return want{evidence.Attestation, slsa, signer, true, w.now} }
	stampedLater := signedBy(identity)
	stampedLater.signedAt = w.now.Add(time.Minute)
	long := signedBy(identity)
	long.signedAt = lastYear

	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		want     want
	}{
		{name: "bundle by a workflow", material: w.bundle(t, w.workflow), wanted: keyless(), want: signedBy(identity)},
		{name: "bundle by a person", material: w.bundle(t, email), wanted: keyless(), want: signedBy(evidence.Signer{
			Issuer: email.Issuer, Subject: email.Subject, Claims: map[string]string{"issuer": email.Issuer},
		})},
		{name: "bundle of last year", material: w.bundle(t, w.workflow, sigstore.At(lastYear)), wanted: keyless(), want: long},
		{name: "bundle without timestamp", material: w.bundle(t, w.workflow, sigstore.WithoutTimestamp()), wanted: keyless(), want: signedBy(identity)},
		{name: "bundle whose log keeps no time (Rekor v2)", material: timeless, wanted: keyless(), want: stampedLater},
		{name: "bundle around the digest alone", material: message(w.workflow), wanted: keyless(), want: signedBy(identity)},
		{name: "bundle by a logged key", material: w.bundle(t, w.key), wanted: logged(t, w.key), want: signedBy(key)},
		{name: "bundle by the second key", material: w.bundle(t, w.key), wanted: logged(t, w.strangers, w.key), want: signedBy(key)},
		{name: "bundle by a logged key that need not be", material: w.bundle(t, w.key), wanted: unlogged(t, w.key), want: signedBy(key)},
		{name: "bundle by a key whose log keeps no time", material: byKeyTimeless, wanted: logged(t, w.key), want: signedBy(key)},
		{name: "bundle by a key, time from the log alone", material: w.bundle(t, w.key, sigstore.WithoutTimestamp()), wanted: logged(t, w.key), want: signedBy(key)},
		{name: "bundle by an unlogged key", material: w.bundle(t, w.key, nowhere...), wanted: unlogged(t, w.key), want: unloggedBy(key, time.Time{})},
		{name: "bundle by an unlogged but timestamped key", material: w.bundle(t, w.key, sigstore.WithoutLog()), wanted: unlogged(t, w.key), want: unloggedBy(key, w.now)},
		{name: "bundle by a key, with a log entry of another signature, while none is needed", material: w.bundle(t, w.key, sigstore.UnrelatedLogEntry(), sigstore.WithoutTimestamp()), wanted: unlogged(t, w.key), want: unloggedBy(key, time.Time{})},
		{name: "bundle by an unlogged key, no trust root asked for", material: w.bundle(t, w.key), wanted: bare(t, w.key), want: unloggedBy(key, time.Time{})},
		{name: "bundle around the digest alone, by a key", material: message(w.key), wanted: logged(t, w.key), want: signedBy(key)},
		{name: "bundle by a key wanted twice, once unlogged", material: w.bundle(t, w.key, nowhere...), wanted: evidence.Wanted{Keys: append(logged(t, w.key).Keys, unlogged(t, w.key).Keys...)}, want: unloggedBy(key, time.Time{})},

		{name: "CVE-2022-35929: attestation only", material: attest(w.workflow), wanted: keyless(), want: attestedBy(identity)},
		{name: "CVE-2022-35929: attestation only, by a key", material: attest(w.key), wanted: logged(t, w.key), want: attestedBy(key)},
		{name: "CVE-2022-35929: attestation whose annotation says signature", material: liar, wanted: keyless(), want: attestedBy(identity)},

		{name: "legacy by a workflow", material: w.legacy(t, w.workflow), wanted: keyless(), want: signedBy(identity)},
		{name: "legacy of last year", material: w.legacy(t, w.workflow, sigstore.At(lastYear)), wanted: keyless(), want: long},
		{name: "legacy without timestamp", material: w.legacy(t, w.workflow, sigstore.WithoutTimestamp()), wanted: keyless(), want: signedBy(identity)},
		{name: "legacy without chain annotation", material: without(w.legacy(t, w.workflow), chainAnnotation), wanted: keyless(), want: signedBy(identity)},
		{name: "legacy by a logged key", material: w.legacy(t, w.key), wanted: logged(t, w.strangers, w.key), want: signedBy(key)},
		{name: "legacy by a logged key that need not be", material: w.legacy(t, w.key), wanted: unlogged(t, w.key), want: signedBy(key)},
		{name: "legacy by a key, time from the log alone", material: w.legacy(t, w.key, sigstore.WithoutTimestamp()), wanted: logged(t, w.key), want: signedBy(key)},
		{name: "legacy by an unlogged key", material: w.legacy(t, w.key, nowhere...), wanted: unlogged(t, w.key), want: unloggedBy(key, time.Time{})},
		{name: "legacy by an unlogged but timestamped key", material: w.legacy(t, w.key, sigstore.WithoutLog()), wanted: unlogged(t, w.key), want: unloggedBy(key, w.now)},
		{name: "legacy by an unlogged key, no trust root asked for", material: w.legacy(t, w.key), wanted: bare(t, w.key), want: unloggedBy(key, time.Time{})},
		{name: "legacy by an unlogged key with empty annotations", material: annotate(annotate(w.legacy(t, w.key, nowhere...), bundleAnnotation, ""), certificateAnnotation, ""), wanted: unlogged(t, w.key), want: unloggedBy(key, time.Time{})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := w.verify(tc.material, tc.wanted)
			if err != nil {
				t.Fatal(err)
			}
			want := evidence.New(w.chart, tc.want.statement, tc.want.signer)
			want.Predicate, want.Format = tc.want.predicate, tc.material.Format
			want.Logged, want.SignedAt = tc.want.logged, tc.want.signedAt
			if want.Logged || !want.SignedAt.IsZero() {
				want.TrustRoot = evidence.DefaultTrustRoot
			}
			compare(t, want, got)
			if got.Signs(w.chart) != (tc.want.statement == evidence.ChartSignature) {
				t.Errorf("Signs is %v", got.Signs(w.chart))
			}
		})
	}
}

// forgetTime leaves of a log entry what Rekor v2 gives: proof of inclusion, and no time.
func forgetTime(bundle map[string]any) {
	entry := at(bundle, "verificationMaterial", "tlogEntries", "0")
	delete(entry, "integratedTime")
	delete(entry, "inclusionPromise")
}

func TestParseRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := must(w.TrustedRoot())(t)
	for _, tc := range []struct {
		name, content, want string
	}{
		{name: "empty", content: "", want: "read trusted root: "},
		{name: "not JSON", content: "<html>", want: "read trusted root: "},
		{name: "an empty object", content: "{}", want: "unsupported TrustedRoot media type"},
		{name: "a TUF root", content: `{"signed": {}, "signatures": []}`, want: "read trusted root: "},
		{
			name:    "no services",
			content: `{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
			want:    "it names neither a certificate authority nor a transparency log",
		},
		{name: "cut off", content: string(trusted[:len(trusted)/2]), want: "read trusted root: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			roots, err := signature.Fixed([]byte(tc.content))
			if roots != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want error %q", roots, err, tc.want)
			}
		})
	}
}

// TestBadCalls: what a caller gets wrong is never evidence.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.bundle(t, w.workflow)
	formatless := good
	formatless.Format = 0
	for _, tc := range []struct {
		name     string
		verifier *signature.Verifier
		digest   chart.Digest
		material attachment.Attachment
		wanted   evidence.Wanted
		reason   verdict.Reason
		detail   string
	}{
		{name: "no digest", verifier: w.verifier, material: good, wanted: keyless(), reason: verdict.InternalError},
		{name: "no format", verifier: w.verifier, digest: w.chart, material: formatless, wanted: keyless(), reason: verdict.InternalError},
		{name: "no verifier, so a panic", digest: w.chart, material: good, wanted: keyless(), reason: verdict.InternalError},
		{name: "no key in the key", verifier: w.verifier, digest: w.chart, material: w.bundle(t, w.key), wanted: evidence.Wanted{Keys: make([]evidence.WantedKey, 1)}, reason: verdict.InternalError},
		{name: "no signer is trusted, certificate", verifier: w.verifier, digest: w.chart, material: good, reason: verdict.SignatureInvalid, detail: "made with a certificate, while the policy trusts keys only"},
		{name: "no signer is trusted, key", verifier: w.verifier, digest: w.chart, material: w.bundle(t, w.key), reason: verdict.SignatureInvalid, detail: "made with a key, while the policy trusts certificates only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := one(tc.verifier.Verify(context.Background(), tc.digest, tc.material, tc.wanted))
			wantRejection(t, got, err, tc.reason, tc.detail)
		})
	}
}

// TestDeadline: running out of time says nothing about the material.
func TestDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		wanted evidence.Wanted
	}{
		"before the start": {ended, keyless()},
		"between two keys": {&endsAfter{Context: context.Background(), calls: 2}, logged(t, w.strangers, w.key)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := one(w.verifier.Verify(tc.ctx, w.chart, w.bundle(t, w.key), tc.wanted))
			compare(t, evidence.Evidence{}, got)
			var perr *problem.Error
			if !errors.As(err, &perr) || perr.Kind != problem.KindTimeout || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

// endsAfter is a context that is done after some calls of Err.
type endsAfter struct {
	context.Context
	calls int
}

func (c *endsAfter) Err() error {
	if c.calls--; c.calls < 0 {
		return context.Canceled
	}
	return nil
}
