package signature

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// signPredicate is the predicate type with which cosign signs a chart. Every other one is an attestation about it.
const signPredicate = "https://sigstore.dev/cosign/sign/v1"

// bundle is a sigstore bundle.
type bundle struct {
	*sgbundle.Bundle
	leaf   *x509.Certificate
	digest chart.Digest
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
	return b, b.checkStatement()
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

// checkStatement bounds what sigstore-go parses once the signature holds, which may be anybody's, and finds the common
// mistakes for the message. What is true is read from the verified result.
func (b *bundle) checkStatement() error {
	envelope := b.GetDsseEnvelope()
	if envelope == nil {
		return nil
	}
	if values(envelope.GetPayload()) > maxValues {
		return tooLarge("the number of values in the bundle's statement", maxValues)
	}
	if envelope.GetPayloadType() != sgbundle.IntotoMediaType {
		return invalid("the bundle holds no in-toto statement", fmt.Errorf("payload type %q", envelope.GetPayloadType()))
	}
	var claim struct {
		Subject []struct{ Digest map[string]string }
	}
	if err := json.Unmarshal(envelope.GetPayload(), &claim); err != nil {
		return invalid("the bundle holds no in-toto statement", err)
	}
	for _, subject := range claim.Subject {
		if subject.Digest["sha256"] == b.digest.Hex() {
			return nil
		}
	}
	return invalid("made for another digest", nil)
}

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
	result, err := cosign.VerifyNewBundle(ctx, co, verify.WithArtifactDigest("sha256", raw), b.Bundle)
	if err != nil {
		return proof{}, err
	}
	p, err := b.read(result)
	if err != nil {
		return proof{}, err
	}
	if co.SigVerifier != nil {
		p.signedAt, err = b.timeByKey(co)
		return p, err
	}
	p.summary = result.Signature.Certificate
	for _, at := range result.VerifiedTimestamps {
		p.signedAt = earlier(p.signedAt, at.Timestamp)
	}
	return p, nil
}

// read says what the verified bundle states. The annotations of the manifest around it say so too, and may lie.
func (b *bundle) read(result *verify.VerificationResult) (proof, error) {
	statement := result.Statement
	switch {
	case statement == nil && b.GetMessageSignature() != nil:
		return proof{statement: verdict.ChartSignature}, nil
	case statement == nil || !isAbout(statement, b.digest):
		return proof{}, errors.New("verified statement is not about the digest")
	case statement.GetPredicateType() == signPredicate:
		return proof{statement: verdict.ChartSignature}, nil
	case statement.GetPredicateType() == "":
		return proof{}, invalid("the bundle's statement has no predicate type", nil)
	default:
		return proof{statement: verdict.Attestation, predicate: statement.GetPredicateType()}, nil
	}
}

func (b *bundle) hasIntegratedTime() bool {
	for _, entry := range b.GetVerificationMaterial().GetTlogEntries() {
		if entry.GetIntegratedTime() != 0 {
			return true
		}
	}
	return false
}

// isAbout reports whether a subject of the statement has the digest.
func isAbout(statement *intoto.Statement, digest chart.Digest) bool {
	return slices.ContainsFunc(statement.GetSubject(), func(subject *intoto.ResourceDescriptor) bool {
		return subject.GetDigest()["sha256"] == digest.Hex()
	})
}
