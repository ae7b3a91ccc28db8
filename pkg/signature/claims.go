package signature

import (
	"encoding/base64"
	"encoding/hex"
	"errors"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// claimed adds to a rejection who made the attachment by its own words, so that a person can find
// out whom to trust. It proves nothing.
func claimed(err error, s unverified) error {
	rejection, ok := errors.AsType[*verdict.Rejection](err)
	if !ok {
		return err
	}
	told := *rejection
	told.Claims = claims(s)
	return &told
}

// claims is what an attachment says of its signer: what the certificate holds, or the fingerprint
// of the key. Only a bundle names its key; cosign and sigstore-go write the digest of the key's DER
// form there, in base64.
func claims(s unverified) evidence.Signer {
	if leaf := s.certificate(); leaf != nil {
		summary, err := certificate.SummarizeCertificate(leaf)
		if err != nil {
			return evidence.Signer{}
		}
		signer, _ := signerOf(&summary) // without both names, it names no signer
		return signer
	}
	b, ok := s.(*bundle)
	if !ok {
		return evidence.Signer{}
	}
	hint := b.GetVerificationMaterial().GetPublicKey().GetHint()
	digest, err := base64.StdEncoding.DecodeString(hint)
	if err != nil || len(digest) != fingerprintSize {
		return evidence.Signer{}
	}
	return evidence.Signer{Key: "sha256:" + hex.EncodeToString(digest)}
}

// fingerprintSize is that of SHA-256.
const fingerprintSize = 32
