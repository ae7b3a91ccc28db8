package sigstore

import (
	bundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	// BundleMediaType is that of a bundle, as a layer and as an artifact type.
	BundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	// SignPredicateType makes a bundle a signature. With any other type it is an attestation.
	SignPredicateType = "https://sigstore.dev/cosign/sign/v1"
)

// Bundle is a bundle around a signed in-toto statement about the subject, a manifest digest "sha256:…".
// The predicate is anything that marshals to JSON; nil is an empty one, as cosign sign writes it.
func (s *Sigstore) Bundle(by Signer, subject, predicateType string, predicate any, opts ...Option) ([]byte, error) {
	o := s.options(opts)
	payload, err := newStatement(subject, predicateType, predicate)
	if err != nil {
		return nil, err
	}
	payload = o.rewrite(payload)
	sig, err := s.sign(by, payload, o)
	if err != nil {
		return nil, err
	}
	return sig.bundle(&bundle.Bundle{Content: &bundle.Bundle_DsseEnvelope{DsseEnvelope: &dsse.Envelope{
		PayloadType: statementType,
		Payload:     o.tamper(payload),
		Signatures:  []*dsse.Signature{{Sig: sig.signature}},
	}}})
}

// MessageSignatureBundle is a bundle around a bare signature of the manifest with that digest, "sha256:…".
func (s *Sigstore) MessageSignatureBundle(by Signer, subject string, opts ...Option) ([]byte, error) {
	o := s.options(opts)
	digest, err := parseDigest(subject)
	if err != nil {
		return nil, err
	}
	sig, err := s.sign(by, digest, o)
	if err != nil {
		return nil, err
	}
	return sig.bundle(&bundle.Bundle{Content: &bundle.Bundle_MessageSignature{MessageSignature: &common.MessageSignature{
		MessageDigest: &common.HashOutput{Algorithm: common.HashAlgorithm_SHA2_256, Digest: o.tamper(digest[:])},
		Signature:     sig.signature,
	}}})
}

// bundle adds to b what vouches for the signature in it.
func (s *signed) bundle(b *bundle.Bundle) ([]byte, error) {
	material := &bundle.VerificationMaterial{}
	if s.certificate != nil {
		material.Content = &bundle.VerificationMaterial_Certificate{
			Certificate: &common.X509Certificate{RawBytes: s.certificate.Raw},
		}
	} else {
		hint, err := keyHint(s.key)
		if err != nil {
			return nil, err
		}
		material.Content = &bundle.VerificationMaterial_PublicKey{PublicKey: &common.PublicKeyIdentifier{Hint: hint}}
	}
	if s.entry != nil {
		material.TlogEntries = []*rekorpb.TransparencyLogEntry{s.entry}
	}
	if s.timestamp != nil {
		material.TimestampVerificationData = &bundle.TimestampVerificationData{
			Rfc3161Timestamps: []*common.RFC3161SignedTimestamp{{SignedTimestamp: s.timestamp}},
		}
	}
	b.MediaType, b.VerificationMaterial = BundleMediaType, material
	return protojson.Marshal(b)
}
