package signature

import (
	"context"
	"crypto"
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
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// legacy is a signature or an attestation in the format of cosign 2: a payload, and annotations
// with the rest.
type legacy struct {
	digest    chart.Digest
	content   signedContent
	payload   []byte
	signature string // in base64; "" if the payload holds it
	leaf      *x509.Certificate
	entry     *rekor.RekorBundle
	stamp     []byte // nil if there is no timestamp
	stamped   []byte // what a timestamp is of
}

// parseLegacy reads a signature: a simple-signing payload, with the signature in an annotation.
func parseLegacy(digest chart.Digest, a attachment.Attachment) (*legacy, error) {
	if err := checkContent(a, maxPayload); err != nil {
		return nil, err
	}
	if err := checkPayload(digest, a); err != nil {
		return nil, err
	}
	raw, err := parseSignature(a.Annotations)
	if err != nil {
		return nil, err
	}
	l := &legacy{digest: digest, content: chartSignature(), payload: a.Content, stamped: raw}
	return l, l.parse(a.Annotations, a.Annotations[static.SignatureAnnotationKey], legacyEntries())
}

// parseLegacyAttestation reads an attestation: an envelope with a signature in it. Its kind is
// evidence.Attestation, whatever it says: an attestation is not a signature.
func parseLegacyAttestation(digest chart.Digest, a attachment.Attachment) (*legacy, error) {
	if err := checkContent(a, maxBundle); err != nil {
		return nil, err
	}
	// cosign would compare this signature with the log entry, and accept a timestamp of it as one
	// of the attestation.
	if a.Annotations[static.SignatureAnnotationKey] != "" {
		return nil, invalid("an attestation with a signature beside it", nil)
	}
	envelope, err := parseEnvelope(a.Content)
	if err != nil {
		return nil, err
	}
	statement, err := parseStatement(digest, envelope.PayloadType, envelope.Payload)
	if err != nil {
		return nil, err
	}
	if statement.PredicateType == evidence.SignaturePredicate {
		return nil, invalid("an attestation that says it is a signature", nil)
	}
	l := &legacy{digest: digest, content: statement.content(), payload: a.Content, stamped: a.Content}
	return l, l.parse(a.Annotations, "", attestationEntries())
}

// parse reads the annotations that both have.
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
	l.signature = signature
	return nil
}

// layer returns the signature in cosign's type, with or without certificate and log entry. The
// certificates in the chain annotation are left out: intermediates come from the trust root only.
// The timestamp is left out too, because cosign panics if it is not valid.
func (l *legacy) layer(withProof bool) (oci.Signature, error) {
	var options []static.Option
	if withProof && l.leaf != nil {
		pem, err := cryptoutils.MarshalCertificateToPEM(l.leaf)
		if err != nil {
			return nil, internal(err)
		}
		options = append(options, static.WithCertChain(pem, nil))
	}
	if withProof && l.entry != nil {
		options = append(options, static.WithBundle(l.entry))
	}
	layer, err := static.NewSignature(l.payload, l.signature, options...)
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

func (l *legacy) verify(ctx context.Context, c checks) (proof, error) {
	logged, err := l.byCosign(ctx, c)
	switch {
	case err != nil:
		return proof{}, err
	case logged != c.log: // impossible in cosign's code
		return proof{}, errors.New("cosign verified no log entry, or another one than requested")
	}
	var times []time.Time
	if logged {
		// The promise of the log, which cosign requires of a legacy entry, covers the time.
		times = append(times, time.Unix(l.entry.Payload.IntegratedTime, 0))
	}
	times = append(times, stampedAt(l.stamp, l.stamped, c.trust)...)
	p := proof{signedContent: l.content, signedAt: earliest(times)}
	if l.leaf == nil {
		return p, nil
	}
	p.summary, err = l.certified(times, c)
	return p, err
}

// byCosign lets cosign verify the signature and, if the log is required, the certificate and the
// log entry.
func (l *legacy) byCosign(ctx context.Context, c checks) (logged bool, err error) {
	options := &cosign.CheckOpts{
		TrustedMaterial: c.trust, SigVerifier: c.key, Offline: true, IgnoreTlog: !c.log, IgnoreSCT: c.scts() == 0,
	}
	switch {
	case c.key != nil:
	case c.log:
		// Any identity is accepted here: package policy matches identities on the evidence, because
		// cosign does not anchor regular expressions. An empty list would mean the same here, but
		// other functions of cosign refuse it.
		options.Identities = []cosign.Identity{{IssuerRegExp: ".*", SubjectRegExp: ".*"}}
	default:
		// Without a log entry, cosign would require the certificate to be valid now, unless it
		// reads the timestamp. So it verifies the signature by the key in the certificate only.
		// certified verifies the certificate afterwards.
		if options.SigVerifier, err = signature.LoadVerifier(l.leaf.PublicKey, crypto.SHA256); err != nil {
			return false, err
		}
	}
	layer, err := l.layer(l.leaf == nil || c.log)
	if err != nil {
		return false, err
	}
	hash := ggcr.Hash{Algorithm: "sha256", Hex: l.digest.Hex()}
	// Without a claim verifier, cosign would accept a signature that was copied from another chart.
	if l.content.kind == evidence.Attestation {
		options.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
		return cosign.VerifyBlobAttestation(ctx, layer, hash, options)
	}
	options.ClaimVerifier = cosign.SimpleClaimVerifier
	return cosign.VerifyImageSignature(ctx, layer, hash, options)
}

// certified verifies that all certificates up to the root were valid when the signature was made,
// and that the certificate transparency log has promised to include the leaf, which it returns.
// cosign verifies the validity of the leaf only, and that of the others when the leaf was issued
// (CVE-2026-24122).
func (l *legacy) certified(times []time.Time, c checks) (*certificate.Summary, error) {
	if err := validAt(l.leaf, times, c.trust); err != nil {
		return nil, err
	}
	if c.scts() > 0 {
		ways, err := chains(l.leaf, earliest(times), c.trust)
		if err != nil {
			return nil, err
		}
		if err := verify.VerifySignedCertificateTimestamp(ways, c.scts(), c.trust); err != nil {
			return nil, err
		}
	}
	summary, err := certificate.SummarizeCertificate(l.leaf)
	return &summary, err
}
