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

// legacy is a signature or an attestation in cosign 2's form: a payload, and annotations with the rest.
type legacy struct {
	digest    chart.Digest
	claim     claim
	payload   []byte
	signature string // in base64; "" if the payload holds it
	leaf      *x509.Certificate
	entry     *rekor.RekorBundle
	stamp     []byte // nil if there is no timestamp
	stamped   []byte // what a timestamp is of
}

// parseLegacy reads a signature: a simple-signing payload, with the signature in an annotation.
func parseLegacy(digest chart.Digest, m attachment.Attachment) (*legacy, error) {
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
	l := &legacy{digest: digest, claim: claim{statement: evidence.ChartSignature}, payload: m.Content, stamped: raw}
	return l, l.parse(m.Annotations, m.Annotations[static.SignatureAnnotationKey], legacyEntries())
}

// parseLegacyAttestation reads an attestation: an envelope, with the signature in it. It never counts as a signature.
func parseLegacyAttestation(digest chart.Digest, m attachment.Attachment) (*legacy, error) {
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
	if statement.PredicateType == evidence.SignaturePredicate {
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
	l.signature = signature
	return nil
}

// layer is the signature as cosign wants it, with what proves it or without. The certificates in the chain annotation
// are left out: intermediates come from the trust root only. So is the timestamp, on which cosign panics if it does not
// verify.
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
	logged, err := l.ask(ctx, c)
	switch {
	case err != nil:
		return proof{}, err
	case logged != c.log: // cannot be, by cosign's code
		return proof{}, errors.New("cosign verified a log entry that it was not asked for, or none")
	}
	var times []time.Time
	if logged {
		// The promise of the log, which cosign wants of a legacy entry, covers the time.
		times = append(times, time.Unix(l.entry.Payload.IntegratedTime, 0))
	}
	times = append(times, stampedAt(l.stamp, l.stamped, c.trust)...)
	p := proof{claim: l.claim, signedAt: earliest(times)}
	if l.leaf == nil {
		return p, nil
	}
	p.summary, err = l.certified(times, c)
	return p, err
}

// ask lets cosign verify the signature and, where the log is asked for, the certificate and the log entry.
func (l *legacy) ask(ctx context.Context, c checks) (logged bool, err error) {
	options := &cosign.CheckOpts{
		TrustedMaterial: c.trust, SigVerifier: c.key, Offline: true, IgnoreTlog: !c.log, IgnoreSCT: c.scts() == 0,
	}
	switch {
	case c.key != nil:
	case c.log:
		// Any identity: package policy matches identities on the evidence, because cosign matches regular expressions
		// unanchored. None at all would mean the same here, and is refused elsewhere.
		options.Identities = []cosign.Identity{{IssuerRegExp: ".*", SubjectRegExp: ".*"}}
	default:
		// Without a log entry, cosign would want the certificate to be valid at present, unless it reads the timestamp.
		// So it verifies the signature by the certificate's key alone. All else of the certificate is proven afterwards.
		if options.SigVerifier, err = signature.LoadVerifier(l.leaf.PublicKey, crypto.SHA256); err != nil {
			return false, err
		}
	}
	layer, err := l.layer(l.leaf == nil || c.log)
	if err != nil {
		return false, err
	}
	hash := ggcr.Hash{Algorithm: "sha256", Hex: l.digest.Hex()}
	// Without a claim verifier, cosign would accept what was copied from another chart.
	if l.claim.statement == evidence.Attestation {
		options.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
		return cosign.VerifyBlobAttestation(ctx, layer, hash, options)
	}
	options.ClaimVerifier = cosign.SimpleClaimVerifier
	return cosign.VerifyImageSignature(ctx, layer, hash, options)
}

// certified proves that all certificates up to the root were valid when the signature was made, and that the first was
// promised to the certificate transparency log, and reads it. cosign proves the times of the leaf alone, and of the
// others when the leaf was issued (CVE-2026-24122).
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
