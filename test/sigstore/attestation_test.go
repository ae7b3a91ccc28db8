package sigstore

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
)

// verifyAttestation verifies a legacy attestation as cosign does.
func (w *world) verifyAttestation(co *cosign.CheckOpts, envelope []byte, annotations map[string]string) error {
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
	layer, err := static.NewAttestation(envelope, opts...)
	if err != nil {
		return err
	}
	co.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
	_, err = cosign.VerifyBlobAttestation(context.Background(), layer, hash, co)
	return err
}

func TestLegacyAttestations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	otherDigest := func(b []byte) []byte {
		return bytes.Replace(b, []byte(w.manifest[7:]), []byte(digestOf("evil")[7:]), 1)
	}
	stamped := func(co *cosign.CheckOpts) { co.UseSignedTimestamps = true }
	noTlog := func(co *cosign.CheckOpts) { co.IgnoreTlog = true }
	for _, tc := range []struct {
		name    string
		by      Signer
		options []Option
		checks  func(*cosign.CheckOpts)
		want    string // empty is consent
	}{
		{name: "a workflow attests", by: w.workflow},
		{name: "a workflow attested last year", by: w.workflow, options: []Option{At(w.now.AddDate(-1, 0, 0))}},
		{name: "a workflow attests, time from the timestamp authority too", by: w.workflow, checks: stamped},
		{name: "a key attests", by: w.key},
		{name: "a key attests, logged in the older kind of entry", by: w.key, options: []Option{IntotoLogEntry()}},
		{name: "the older kind of log entry is of another attestation", by: w.key, options: []Option{IntotoLogEntry(), UnrelatedLogEntry()}, want: "matching bundle to payload"},
		{name: "a key attests, unlogged, and none is asked for", by: w.key, options: []Option{WithoutLog(), WithoutTimestamp()}, checks: noTlog},
		{name: "a key attests, unlogged", by: w.key, options: []Option{WithoutLog()}, want: "offline verification failed"},
		{name: "the log entry is of another attestation", by: w.key, options: []Option{UnrelatedLogEntry()}, want: "matching bundle to payload"},
		{name: "what was signed was changed", by: w.key, options: []Option{Tampered(otherDigest)}, want: "matching bundle to payload"},
		{name: "what was signed was changed, and none looks at the log", by: w.key, options: []Option{Tampered(otherDigest)}, checks: noTlog, want: "accepted signatures do not match threshold"},
		{name: "about another chart", by: w.key, options: []Option{Rewritten(otherDigest)}, want: "no matching subject digest found"},
		{name: "the certificate had expired", by: w.workflow, options: []Option{CertificateAt(w.now.Add(-time.Hour))}, want: "certificate expired before signatures were entered in log"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			co := w.checks(t, tc.by)
			if tc.checks != nil {
				tc.checks(co)
			}
			envelope, annotations, err := w.LegacyAttestation(tc.by, w.manifest, "https://slsa.dev/provenance/v1", nil, tc.options...)
			wantError(t, "make attestation", err, "")
			wantError(t, "attestation", w.verifyAttestation(co, envelope, annotations), tc.want)
		})
	}
}
