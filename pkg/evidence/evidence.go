// Package evidence holds what policies need from a verifier (Wanted), and what the verifier proves
// about a chart (Evidence).
package evidence

import (
	"fmt"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
)

// Signer made a verified signature: it is either a key (Key is set) or the subject and issuer of a
// Fulcio certificate.
type Signer struct {
	Key     string            // fingerprint, "sha256:…" of the public key's DER form
	Issuer  string            // OIDC issuer in the certificate
	Subject string            // subject alternative name of the certificate
	Claims  map[string]string // Fulcio certificate extensions by their names
}

// String names the signer for people.
func (s Signer) String() string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return fmt.Sprintf("subject %s, issuer %s", s.Subject, s.Issuer)
}

// Describe names the signer with the repository that the certificate was issued to: two signers
// with the same workflow can differ in it.
func (s Signer) Describe() string {
	if repository := s.Claims["sourceRepositoryURI"]; repository != "" && s.Key == "" {
		return s.String() + ", sourceRepositoryURI " + repository
	}
	return s.String()
}

// Statement says what was signed.
type Statement int

const (
	// ChartSignature is a signature of the chart itself.
	ChartSignature Statement = iota + 1
	// Attestation is a signed statement about the chart. It never counts as a signature, for any
	// signer (CVE-2022-35929).
	Attestation
)

// SignaturePredicate is the predicate type with which cosign signs a chart in a bundle. Every other
// predicate type is an attestation about the chart.
const SignaturePredicate = "https://sigstore.dev/cosign/sign/v1"

// Evidence is one verified statement of a known signer about a digest. Only
// package signature makes it, with New; the zero value proves nothing.
type Evidence struct {
	digest    chart.Digest
	Statement Statement
	Predicate string // predicate type of an attestation
	// Content is the predicate of an attestation, as JSON; nil if no policy requires attestations
	// of the type.
	Content []byte
	Signer  Signer
	Format  attachment.Format
	// TrustRoot is the name of the trust root that proves the certificate, the log entry and the
	// time; "" if no trust root was needed.
	TrustRoot string
	// Logged is set when inclusion in a trusted transparency log was proven.
	Logged bool
	// SignedAt is the time that the log or a timestamp authority proves; zero if no time is proven.
	SignedAt time.Time
}

// New starts evidence about a digest. Call it after verification only.
func New(digest chart.Digest, statement Statement, signer Signer) Evidence {
	return Evidence{digest: digest, Statement: statement, Signer: signer}
}

// Digest returns the digest that was signed.
func (e Evidence) Digest() chart.Digest { return e.digest }

// Attests reports whether e is an attestation of that type about exactly the chart
// with this digest.
func (e Evidence) Attests(digest chart.Digest, predicateType string) bool {
	return !digest.IsZero() && e.digest == digest && e.Statement == Attestation && predicateType != "" && e.Predicate == predicateType
}

// Signs reports whether e is a signature of exactly the chart with this digest.
func (e Evidence) Signs(digest chart.Digest) bool {
	return !digest.IsZero() && e.digest == digest && e.Statement == ChartSignature
}
