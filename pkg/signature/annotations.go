package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	rekor "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	simple "github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
)

// The parts of a legacy signature or attestation are read strictly where cosign is lax or panics.
// An empty annotation is an absent one, as for cosign.

// checkContent limits what is read next, and compares the payload with its digest in the manifest.
func checkContent(a attachment.Attachment, limit int) error {
	if len(a.Content) > limit {
		return tooLarge("the payload's size in bytes", limit)
	}
	for _, key := range []string{
		static.SignatureAnnotationKey, static.CertificateAnnotationKey, static.ChainAnnotationKey,
		static.BundleAnnotationKey, static.RFC3161TimestampAnnotationKey,
	} {
		if len(a.Annotations[key]) > maxAnnotation {
			return tooLarge("the size in bytes of annotation "+key, maxAnnotation)
		}
	}
	sum := sha256.Sum256(a.Content)
	if a.Source.Hex() != hex.EncodeToString(sum[:]) {
		return invalid("the payload does not match its digest", nil)
	}
	return nil
}

// checkPayload refuses a payload that is not about the digest, before any signature is verified.
// cosign checks the digest too, but not the type. Without the type, an attacker could present a
// payload of another kind by a trusted signer as a signature.
func checkPayload(digest chart.Digest, a attachment.Attachment) error {
	var payload simple.SimpleContainerImage
	switch err := json.Unmarshal(a.Content, &payload); {
	case err != nil:
		return invalid("the payload is not valid JSON", err)
	case payload.Critical.Type != simple.CosignSignatureType:
		return invalid("the payload is not a cosign signature", fmt.Errorf("type %q", payload.Critical.Type))
	case payload.Critical.Image.DockerManifestDigest != digest.String():
		return invalid("made for another digest", fmt.Errorf("digest %q", payload.Critical.Image.DockerManifestDigest))
	}
	return nil
}

// parseSignature refuses an empty signature: cosign would not compare it with the log entry.
func parseSignature(annotations map[string]string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(annotations[static.SignatureAnnotationKey])
	if err != nil || len(raw) == 0 {
		return nil, invalid("holds no signature", err)
	}
	return raw, nil
}

// parseCertificate requires exactly one certificate. cosign would trust a bare public key in its
// place without any authority (GHSA-fx35-mq7g-6g98).
func parseCertificate(annotations map[string]string) (*x509.Certificate, error) {
	text := annotations[static.CertificateAnnotationKey]
	if text == "" {
		if annotations[static.ChainAnnotationKey] != "" {
			return nil, invalid("holds a certificate chain without a certificate", nil)
		}
		return nil, nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, invalid("the certificate annotation is not exactly one certificate", nil)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, invalid("the certificate annotation is not exactly one certificate", err)
	}
	return leaf, nil
}

// parseEntry reads the log entry. cosign panics if its body is not a string, and decodes the body
// twice, each time lax in another way, so only the canonical encoding is accepted.
func parseEntry(annotations map[string]string, allowed []entryKind) (*rekor.RekorBundle, error) {
	text := annotations[static.BundleAnnotationKey]
	if text == "" {
		return nil, nil
	}
	entry := new(rekor.RekorBundle)
	if err := json.Unmarshal([]byte(text), entry); err != nil {
		return nil, invalid("its log entry is not valid", err)
	}
	encoded, ok := entry.Payload.Body.(string)
	if !ok {
		return nil, invalid("its log entry is not valid", fmt.Errorf("body is a %T", entry.Payload.Body))
	}
	body, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err == nil && base64.StdEncoding.EncodeToString(body) != encoded {
		err = errors.New("body is not in canonical base64")
	}
	if err != nil {
		return nil, invalid("its log entry is not valid", err)
	}
	if err := checkEntry(body, allowed); err != nil {
		return nil, invalid("its log entry is of an unknown kind", err)
	}
	return entry, nil
}

func parseTimestamp(annotations map[string]string) ([]byte, error) {
	text := annotations[static.RFC3161TimestampAnnotationKey]
	if text == "" {
		return nil, nil
	}
	var stamp rekor.RFC3161Timestamp
	if err := json.Unmarshal([]byte(text), &stamp); err != nil {
		return nil, invalid("its timestamp is not valid", err)
	}
	return stamp.SignedRFC3161Timestamp, nil
}
