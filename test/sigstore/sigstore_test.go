package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

const repository = "registry.test/acme/charts/podinfo"

// world is one Sigstore, a stranger's, and two signers.
type world struct {
	*Sigstore
	stranger *Sigstore
	now      time.Time
	manifest string
	workflow Identity
	key      *Key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 5, 4, 12, 0, 0, 987, time.UTC), manifest: digestOf("manifest")}
	clock := func() time.Time { return w.now }
	w.Sigstore = must(New(clock))(t)
	w.stranger = must(New(clock))(t)
	w.key = must(NewKey())(t)
	w.workflow = Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
		Claims:  map[string]string{"sourceRepositoryURI": "https://github.com/acme/charts", "githubWorkflowRef": "refs/heads/main"},
	}
	return w
}

// checks trust the world's Sigstore, and one signer in it.
func (w *world) checks(t *testing.T, by Signer) *cosign.CheckOpts {
	t.Helper()
	trusted := must(root.NewTrustedRootFromJSON(must(w.TrustedRoot())(t)))(t)
	co := &cosign.CheckOpts{TrustedMaterial: trusted, Offline: true, ClaimVerifier: cosign.SimpleClaimVerifier}
	switch by := by.(type) {
	case Identity:
		co.Identities = []cosign.Identity{{Issuer: by.Issuer, Subject: by.Subject}}
	case *Key:
		public := must(cryptoutils.UnmarshalPEMToPublicKey(must(by.PEM())(t)))(t)
		co.SigVerifier = must(signature.LoadVerifier(public, crypto.SHA256))(t)
	}
	return co
}

func (w *world) verifyBundle(co *cosign.CheckOpts, raw []byte) (*verify.VerificationResult, error) {
	var b sgbundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(strings.TrimPrefix(w.manifest, "sha256:"))
	if err != nil {
		return nil, err
	}
	return cosign.VerifyNewBundle(context.Background(), co, verify.WithArtifactDigest("sha256", digest), &b)
}

func (w *world) verifyLegacy(co *cosign.CheckOpts, payload []byte, annotations map[string]string) error {
	hash, err := v1.NewHash(w.manifest)
	if err != nil {
		return err
	}
	var opts []static.Option
	if pem := annotations[static.CertificateAnnotationKey]; pem != "" {
		opts = append(opts, static.WithCertChain([]byte(pem), []byte(annotations[static.ChainAnnotationKey])))
	}
	var entry bundle.RekorBundle
	if json.Unmarshal([]byte(annotations[static.BundleAnnotationKey]), &entry) == nil {
		opts = append(opts, static.WithBundle(&entry))
	}
	var stamp bundle.RFC3161Timestamp
	if json.Unmarshal([]byte(annotations[static.RFC3161TimestampAnnotationKey]), &stamp) == nil {
		opts = append(opts, static.WithRFC3161Timestamp(&stamp))
	}
	sig, err := static.NewSignature(payload, annotations[static.SignatureAnnotationKey], opts...)
	if err != nil {
		return err
	}
	_, err = cosign.VerifyImageSignature(context.Background(), sig, hash, co)
	return err
}

// TestVerifiersAgree proves the good signatures good and each forgery refused, and why.
func TestVerifiersAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lastYear, anHourAgo := w.now.AddDate(-1, 0, 0), w.now.Add(-time.Hour)
	email := Identity{Issuer: "https://accounts.example", Subject: "dev@acme.example"}
	otherDigest := func(b []byte) []byte {
		return bytes.Replace(b, []byte(w.manifest[7:]), []byte(digestOf("evil")[7:]), 1)
	}
	noTlog := func(co *cosign.CheckOpts) { co.IgnoreTlog = true }
	stamped := func(co *cosign.CheckOpts) { co.UseSignedTimestamps = true }

	for _, tc := range []struct {
		name    string
		by      Signer
		options []Option
		checks  func(*cosign.CheckOpts)
		// What the verifiers say; empty is consent.
		bundle, legacy string
	}{
		{name: "a workflow signs", by: w.workflow},
		{name: "a person signs", by: email},
		{name: "a key signs", by: w.key},
		{name: "a workflow signs, time from the timestamp authority", by: w.workflow, checks: stamped},
		{name: "a key signs, unlogged, and none is asked for", by: w.key, options: []Option{WithoutLog(), WithoutTimestamp()}, checks: noTlog},
		{name: "a workflow signed last year", by: w.workflow, options: []Option{At(lastYear)}},
		{name: "a workflow signed last year, timestamp wanted", by: w.workflow, options: []Option{At(lastYear)}, checks: stamped},
		{
			name: "no promise of the certificate transparency log", by: w.workflow, options: []Option{WithoutSCT()},
			bundle: "only able to verify 0 SCT entries", legacy: "does not include required embedded SCT",
		}, {
			name: "a workflow signs, unlogged", by: w.workflow, options: []Option{WithoutLog()},
			bundle: "not enough verified log entries", legacy: "offline verification failed",
		}, {
			name: "a key signs, unlogged", by: w.key, options: []Option{WithoutLog()},
			bundle: "not enough verified log entries", legacy: "offline verification failed",
		}, {
			// The cosign library takes the log's time instead for a legacy signature.
			name: "no timestamp where one is wanted", by: w.workflow, options: []Option{WithoutTimestamp()}, checks: stamped,
			bundle: "threshold not met for verified signed timestamps: 0 < 1",
		}, {
			name: "logged after the certificate ended", by: w.workflow, options: []Option{SignedAt(w.now.Add(time.Hour))},
			bundle: "integrated time outside certificate validity", legacy: "certificate expired before signatures were entered in log",
		}, {
			name: "logged before the certificate began", by: w.workflow, options: []Option{SignedAt(anHourAgo)},
			bundle: "integrated time outside certificate validity", legacy: "certificate was issued after signatures were entered in log",
		}, {
			name: "the certificate had expired", by: w.workflow, options: []Option{CertificateAt(anHourAgo)},
			bundle: "integrated time outside certificate validity", legacy: "certificate expired before signatures were entered in log",
		}, {
			name: "a certificate of another authority, genuinely logged", by: w.workflow, options: []Option{CertificateOf(w.stranger)},
			bundle: "leaf certificate verification failed", legacy: "leaf certificate verification failed",
		}, {
			name: "the log entry is of another signature", by: w.workflow, options: []Option{UnrelatedLogEntry()},
			bundle: "transparency log signature does not match", legacy: "signature in bundle does not match signature being verified",
		}, {
			name: "the log entry is of another signature by the key", by: w.key, options: []Option{UnrelatedLogEntry()},
			bundle: "transparency log signature does not match", legacy: "signature in bundle does not match signature being verified",
		}, {
			name: "what was signed was changed", by: w.workflow, options: []Option{Tampered(otherDigest)},
			bundle: "could not verify envelope", legacy: "matching bundle to payload",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			co := w.checks(t, tc.by)
			if tc.checks != nil {
				tc.checks(co)
			}
			raw := must(w.Bundle(tc.by, w.manifest, SignPredicateType, nil, tc.options...))(t)
			_, err := w.verifyBundle(co, raw)
			wantError(t, "bundle", err, tc.bundle)

			payload, annotations, err := w.Legacy(tc.by, repository, w.manifest, tc.options...)
			wantError(t, "make legacy", err, "")
			wantError(t, "legacy", w.verifyLegacy(co, payload, annotations), tc.legacy)
		})
	}
}

func TestMessageSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name    string
		by      Signer
		subject string
		options []Option
		want    string
	}{
		{name: "a workflow signs", by: w.workflow, subject: w.manifest},
		{name: "a key signs", by: w.key, subject: w.manifest},
		{name: "the digest inside lies", by: w.key, subject: w.manifest, options: []Option{Tampered(func(b []byte) []byte { return append(b[1:], 0) })}, want: "artifact does not match digest"},
		{name: "another manifest was signed", by: w.key, subject: digestOf("evil"), want: "artifact does not match digest"},
		{name: "the digest inside lies about what was signed", by: w.key, subject: digestOf("evil"), options: []Option{Tampered(func([]byte) []byte {
			digest, _ := parseDigest(w.manifest)
			return digest[:]
		})}, want: "could not verify message"},
		{name: "unlogged", by: w.workflow, subject: w.manifest, options: []Option{WithoutLog()}, want: "not enough verified log entries"},
		{name: "the log entry is of another signature", by: w.workflow, subject: w.manifest, options: []Option{UnrelatedLogEntry()}, want: "transparency log signature does not match"},
		{name: "no promise of the certificate transparency log", by: w.workflow, subject: w.manifest, options: []Option{WithoutSCT()}, want: "only able to verify 0 SCT entries"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			raw := must(w.MessageSignatureBundle(tc.by, tc.subject, tc.options...))(t)
			_, err := w.verifyBundle(w.checks(t, tc.by), raw)
			wantError(t, "bundle", err, tc.want)
		})
	}
}

// TestStrangers: a signature is good only for its own Sigstore, signer and digest.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mallory := Identity{Issuer: w.workflow.Issuer, Subject: "https://github.com/mallory/x/.github/workflows/r.yaml@refs/heads/main"}
	for _, tc := range []struct {
		name           string
		in             *Sigstore
		by             Signer
		trust          Signer
		subject        string
		bundle, legacy string
	}{
		{
			name: "another Sigstore, the same name", in: w.stranger, by: w.workflow, trust: w.workflow, subject: w.manifest,
			bundle: "not enough verified log entries", legacy: "rekor log public key not found",
		}, {
			name: "the right key, logged elsewhere", in: w.stranger, by: w.key, trust: w.key, subject: w.manifest,
			bundle: "not enough verified log entries", legacy: "rekor log public key not found",
		}, {
			name: "another workflow", in: w.Sigstore, by: mallory, trust: w.workflow, subject: w.manifest,
			bundle: "expected SAN value", legacy: "none of the expected identities matched",
		}, {
			name: "another key", in: w.Sigstore, by: must(NewKey())(t), trust: w.key, subject: w.manifest,
			bundle: "transparency log certificate does not match", legacy: "comparing public key PEMs",
		}, {
			name: "another chart", in: w.Sigstore, by: w.workflow, trust: w.workflow, subject: digestOf("evil"),
			bundle: "provided artifact digest does not match any digest in statement", legacy: "invalid or missing digest in claim",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			co := w.checks(t, tc.trust)
			_, err := w.verifyBundle(co, must(tc.in.Bundle(tc.by, tc.subject, SignPredicateType, nil))(t))
			wantError(t, "bundle", err, tc.bundle)
			payload, annotations, err := tc.in.Legacy(tc.by, repository, tc.subject)
			wantError(t, "make legacy", err, "")
			wantError(t, "legacy", w.verifyLegacy(co, payload, annotations), tc.legacy)
		})
	}
}

// TestEvidence: what a verifier reads out of a good bundle is what was put in.
func TestEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for claim := range fulcioArcs() {
		if claim != "issuer" {
			w.workflow.Claims[claim] = "the " + claim
		}
	}
	predicate := map[string]any{"buildType": "helm"}
	raw := must(w.Bundle(w.workflow, w.manifest, "https://slsa.dev/provenance/v1", predicate))(t)
	result := must(w.verifyBundle(w.checks(t, w.workflow), raw))(t)

	want := certificate.Extensions{Issuer: w.workflow.Issuer}
	wantError(t, "claims", json.Unmarshal(must(json.Marshal(w.workflow.Claims))(t), &want), "")
	if diff := cmp.Diff(want, result.Signature.Certificate.Extensions); diff != "" {
		t.Errorf("extensions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(w.workflow.Subject, result.Signature.Certificate.SubjectAlternativeName); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("https://slsa.dev/provenance/v1", result.Statement.PredicateType); diff != "" {
		t.Errorf("predicate type (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(predicate, result.Statement.Predicate.AsMap()); diff != "" {
		t.Errorf("predicate (-want +got):\n%s", diff)
	}
	if at := result.VerifiedTimestamps[0].Timestamp; !at.Equal(w.now.Truncate(time.Second)) {
		t.Errorf("signed at %s, want %s", at, w.now)
	}
}

func TestRefusedArguments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown := Identity{Issuer: "https://i", Subject: "a@b", Claims: map[string]string{"shoeSize": "43"}}
	_, err := w.Bundle(unknown, w.manifest, SignPredicateType, nil)
	wantError(t, "unknown claim", err, `claim "shoeSize" is not an extension`)
	_, err = w.Bundle(w.key, "sha256:abc", SignPredicateType, nil)
	wantError(t, "short digest", err, "is not sha256:")
	_, err = w.MessageSignatureBundle(w.key, strings.TrimPrefix(w.manifest, "sha256:"))
	wantError(t, "digest without algorithm", err, "is not sha256:")
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: refused: %v", what, err)
	case want != "" && err == nil:
		t.Errorf("%s: accepted, want %q", what, want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("%s: refused with %q, want %q", what, err, want)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
