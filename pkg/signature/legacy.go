package signature

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	rekor "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// legacy is a signature or an attestation in cosign 2's form: a payload, and annotations with the rest.
type legacy struct {
	digest  chart.Digest
	claim   claim
	payload []byte
	layer   oci.Signature
	leaf    *x509.Certificate
	entry   *rekor.RekorBundle
	stamp   []byte // nil if there is no timestamp
	stamped []byte // what a timestamp is of
}

// parseLegacy reads a signature: a simple-signing payload, with the signature in an annotation.
func parseLegacy(digest chart.Digest, m chart.Material) (*legacy, error) {
	if err := checkContent(m, maxPayload); err != nil {
		return nil, err
	}
	if err := checkPayload(digest, m); err != nil {
		return nil, err
	}
	raw, err := parseSignature(m.Annotations)
	if err != nil {
		return nil, err
	}
	l := &legacy{digest: digest, claim: claim{statement: verdict.ChartSignature}, payload: m.Content, stamped: raw}
	return l, l.parse(m.Annotations, m.Annotations[static.SignatureAnnotationKey], legacyEntries())
}

// parseLegacyAttestation reads an attestation: an envelope, with the signature in it. It never counts as a signature.
func parseLegacyAttestation(digest chart.Digest, m chart.Material) (*legacy, error) {
	if err := checkContent(m, maxBundle); err != nil {
		return nil, err
	}
	// cosign would compare it with the log entry, and take a timestamp of it for one of the attestation.
	if m.Annotations[static.SignatureAnnotationKey] != "" {
		return nil, invalid("an attestation with a signature beside it", nil)
	}
	envelope, err := parseEnvelope(m.Content)
	if err != nil {
		return nil, err
	}
	statement, err := parseStatement(digest, envelope.PayloadType, envelope.Payload)
	if err != nil {
		return nil, err
	}
	if statement.PredicateType == verdict.SignaturePredicate {
		return nil, invalid("an attestation that says it is a signature", nil)
	}
	l := &legacy{digest: digest, claim: statement.claim(), payload: m.Content, stamped: m.Content}
	return l, l.parse(m.Annotations, "", attestationEntries())
}

// parse reads what both have in annotations.
func (l *legacy) parse(annotations map[string]string, signature string, allowed []entryKind) (err error) {
	if l.leaf, err = parseCertificate(annotations); err != nil {
		return err
	}
	if l.entry, err = parseEntry(annotations, allowed); err != nil {
		return err
	}
	if l.stamp, err = parseTimestamp(annotations); err != nil {
		return err
	}
	l.layer, err = l.newLayer(signature)
	return err
}

// newLayer is the signature as cosign wants it. The certificates in the chain annotation are left out: intermediates
// come from the trust root only. So is the timestamp, on which cosign panics if it does not verify.
func (l *legacy) newLayer(signature string) (oci.Signature, error) {
	var options []static.Option
	if l.leaf != nil {
		pem, err := cryptoutils.MarshalCertificateToPEM(l.leaf)
		if err != nil {
			return nil, internal(err)
		}
		options = append(options, static.WithCertChain(pem, nil))
	}
	if l.entry != nil {
		options = append(options, static.WithBundle(l.entry))
	}
	layer, err := static.NewSignature(l.payload, signature, options...)
	if err != nil {
		return nil, internal(err)
	}
	return layer, nil
}

func (l *legacy) certificate() *x509.Certificate { return l.leaf }

func (l *legacy) logs() []string {
	if l.entry == nil {
		return nil
	}
	return []string{strings.ToLower(l.entry.Payload.LogID)}
}

func (l *legacy) verify(ctx context.Context, co *cosign.CheckOpts) (proof, error) {
	logged, err := l.ask(ctx, co)
	switch {
	case err != nil:
		return proof{}, err
	case logged == co.IgnoreTlog: // cannot be, by cosign's code
		return proof{}, errors.New("cosign verified a log entry that it was not asked for, or none")
	}
	var times []time.Time
	if logged {
		// The promise of the log, which cosign wants of a legacy entry, covers the time.
		times = append(times, time.Unix(l.entry.Payload.IntegratedTime, 0))
	}
	times = append(times, stampedAt(l.stamp, l.stamped, co.TrustedMaterial)...)
	p := proof{claim: l.claim, signedAt: earliest(times)}
	if l.leaf == nil {
		return p, nil
	}
	p.summary, err = l.certified(times, co.TrustedMaterial)
	return p, err
}

// ask lets cosign verify the signature, the certificate and the log entry. Without a claim verifier it would accept what
// was copied from another chart.
func (l *legacy) ask(ctx context.Context, co *cosign.CheckOpts) (logged bool, err error) {
	hash := ggcr.Hash{Algorithm: "sha256", Hex: l.digest.Hex()}
	if l.claim.statement == verdict.Attestation {
		co.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
		return cosign.VerifyBlobAttestation(ctx, l.layer, hash, co)
	}
	co.ClaimVerifier = cosign.SimpleClaimVerifier
	return cosign.VerifyImageSignature(ctx, l.layer, hash, co)
}

// certified proves that all certificates up to the root were valid when the signature was made, and reads the first.
// cosign proves it of the leaf alone, and of the others when the leaf was issued (CVE-2026-24122).
func (l *legacy) certified(times []time.Time, trust root.TrustedMaterial) (*certificate.Summary, error) {
	for _, at := range times {
		if err := chains(l.leaf, at, trust); err != nil {
			return nil, err
		}
	}
	summary, err := certificate.SummarizeCertificate(l.leaf)
	return &summary, err
}
