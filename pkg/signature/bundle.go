package signature

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"time"

	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// bundle is a sigstore bundle.
type bundle struct {
	*sgbundle.Bundle
	leaf      *x509.Certificate
	digest    chart.Digest
	statement *statement // nil if the digest alone is signed
}

func parseBundle(digest chart.Digest, m chart.Material) (*bundle, error) {
	switch {
	case len(m.Content) > maxBundle:
		return nil, tooLarge("the bundle's size in bytes", maxBundle)
	case values(m.Content) > maxValues:
		return nil, tooLarge("the number of values in the bundle", maxValues)
	}
	raw := new(protobundle.Bundle)
	if err := protojson.Unmarshal(m.Content, raw); err != nil {
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

// checkProofs bounds what the parsers of log entries and timestamps are given.
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

// SignatureContent gives sigstore-go the statement that was parsed here.
func (b *bundle) SignatureContent() (verify.SignatureContent, error) {
	content, err := b.Bundle.SignatureContent()
	if envelope, is := content.(*sgbundle.Envelope); is && err == nil {
		return &readEnvelope{Envelope: envelope, statement: b.statement}, nil
	}
	return content, err
}

// readEnvelope is an envelope whose payload is not read again.
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

func (b *bundle) verify(ctx context.Context, co *cosign.CheckOpts) (proof, error) {
	raw, err := hex.DecodeString(b.digest.Hex())
	if err != nil {
		return proof{}, err
	}
	// Rekor v2 keeps no time: there, a timestamp authority must vouch for when the certificate was used.
	co.UseSignedTimestamps = co.SigVerifier == nil && !b.hasIntegratedTime()
	result, err := cosign.VerifyNewBundle(ctx, co, verify.WithArtifactDigest("sha256", raw), b)
	if err != nil {
		return proof{}, err
	}
	p := proof{claim: claim{statement: verdict.ChartSignature}}
	if b.statement != nil {
		p.claim = b.statement.claim()
	}
	if co.SigVerifier != nil {
		p.signedAt, err = b.timeByKey(co)
		return p, err
	}
	p.summary = result.Signature.Certificate
	var times []time.Time
	for _, at := range result.VerifiedTimestamps {
		times = append(times, at.Timestamp)
	}
	p.signedAt = earliest(times)
	return p, nil
}

func (b *bundle) hasIntegratedTime() bool {
	for _, entry := range b.GetVerificationMaterial().GetTlogEntries() {
		if entry.GetIntegratedTime() != 0 {
			return true
		}
	}
	return false
}
