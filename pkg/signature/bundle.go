package signature

import (
	"context"
	"crypto/x509"
	"encoding/hex"

	intoto "github.com/in-toto/attestation/go/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
)

// bundle is a sigstore bundle.
type bundle struct {
	*sgbundle.Bundle
	leaf      *x509.Certificate
	digest    chart.Digest
	statement *statement // nil if the digest alone is signed
}

func parseBundle(digest chart.Digest, a attachment.Attachment) (*bundle, error) {
	switch {
	case len(a.Content) > maxBundle:
		return nil, tooLarge("the bundle's size in bytes", maxBundle)
	case values(a.Content) > maxValues:
		return nil, tooLarge("the number of values in the bundle", maxValues)
	}
	raw := new(protobundle.Bundle)
	if err := protojson.Unmarshal(a.Content, raw); err != nil {
		return nil, invalid("not a sigstore bundle", err)
	}
	if err := checkProofs(raw.GetVerificationMaterial()); err != nil {
		return nil, err
	}
	parsed, err := sgbundle.NewBundle(raw)
	if err != nil {
		return nil, invalid("not a sigstore bundle", err)
	}
	content, err := parsed.VerificationContent()
	if err != nil {
		return nil, invalid("the bundle names no signer", err)
	}
	b := &bundle{Bundle: parsed, leaf: content.Certificate(), digest: digest}
	if envelope := raw.GetDsseEnvelope(); envelope != nil {
		b.statement, err = parseStatement(digest, envelope.GetPayloadType(), envelope.GetPayload())
	}
	return b, err
}

// checkProofs limits the input of the parsers of log entries and timestamps.
func checkProofs(m *protobundle.VerificationMaterial) error {
	switch {
	case len(m.GetTlogEntries()) > maxProofs:
		return tooLarge("the number of log entries in the bundle", maxProofs)
	case len(m.GetTimestampVerificationData().GetRfc3161Timestamps()) > maxProofs:
		return tooLarge("the number of timestamps in the bundle", maxProofs)
	}
	for _, entry := range m.GetTlogEntries() {
		if len(entry.GetCanonicalizedBody()) > maxEntry {
			return tooLarge("the size in bytes of a log entry in the bundle", maxEntry)
		}
		if err := checkEntry(entry.GetCanonicalizedBody(), bundleEntries()); err != nil {
			return invalid("the bundle holds a log entry of an unknown kind", err)
		}
	}
	return nil
}

// SignatureContent lets sigstore-go use the statement that was parsed here.
func (b *bundle) SignatureContent() (verify.SignatureContent, error) {
	content, err := b.Bundle.SignatureContent()
	if envelope, is := content.(*sgbundle.Envelope); is && err == nil {
		return &readEnvelope{Envelope: envelope, statement: b.statement}, nil
	}
	return content, err
}

// readEnvelope is an envelope whose payload is not parsed again.
type readEnvelope struct {
	*sgbundle.Envelope
	statement *statement
}

func (e *readEnvelope) EnvelopeContent() verify.EnvelopeContent { return e }

func (e *readEnvelope) Statement() (*intoto.Statement, error) { return e.statement.forSigstore(), nil }

func (b *bundle) certificate() *x509.Certificate { return b.leaf }

func (b *bundle) logs() []string {
	var ids []string
	for _, entry := range b.GetVerificationMaterial().GetTlogEntries() {
		ids = append(ids, hex.EncodeToString(entry.GetLogId().GetKeyId()))
	}
	return ids
}

// verify uses sigstore-go and not cosign's VerifyNewBundle, which ignores timestamps if there is a
// log entry.
func (b *bundle) verify(_ context.Context, c checks) (proof, error) {
	raw, err := hex.DecodeString(b.digest.Hex())
	if err != nil {
		return proof{}, err
	}
	verifier, err := verify.NewVerifier(materialWithKey{c.trust, c.key}, b.options(c)...)
	if err != nil {
		return proof{}, err
	}
	// Any identity is accepted here: package policy matches identities on the evidence.
	by := verify.WithoutIdentitiesUnsafe()
	if c.key != nil {
		by = verify.WithKey()
	}
	result, err := verifier.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", raw), by))
	if err != nil {
		return proof{}, err
	}
	p := proof{signedContent: chartSignature()}
	if b.statement != nil {
		p.signedContent = b.statement.content()
	}
	times, err := b.times(c)
	if err != nil {
		return proof{}, err
	}
	p.signedAt = earliest(times)
	if c.key != nil {
		return p, nil
	}
	p.summary = result.Signature.Certificate
	return p, validAt(b.leaf, times, c.trust)
}

// options say what sigstore-go verifies beside the signature.
func (b *bundle) options(c checks) []verify.VerifierOption {
	var options []verify.VerifierOption
	if c.log {
		options = append(options, verify.WithTransparencyLog(1))
	}
	switch {
	case c.key != nil:
		return append(options, verify.WithNoObserverTimestamps())
	case c.scts() > 0:
		options = append(options, verify.WithSignedCertificateTimestamps(c.scts()))
	}
	switch {
	case !c.log:
		return append(options, verify.WithSignedTimestamps(1))
	case b.hasIntegratedTime():
		// A time in a log entry counts only with a signed promise of the log.
		options = append(options, verify.WithIntegratedTimestamps(1))
	}
	// Rekor v2 has no time in its entries. With it, a timestamp authority must prove when the
	// certificate was used.
	return append(options, verify.WithObserverTimestamps(1))
}

func (b *bundle) hasIntegratedTime() bool {
	for _, entry := range b.GetVerificationMaterial().GetTlogEntries() {
		if entry.GetIntegratedTime() != 0 {
			return true
		}
	}
	return false
}
