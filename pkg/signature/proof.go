package signature

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// signed is parsed material: what it claims, none of which is proven.
type signed interface {
	// certificate is nil if the material was made with a key.
	certificate() *x509.Certificate
	// logs are the identifiers, in hexadecimal, of the logs that the entries in the material name.
	logs() []string
	// verify proves the signature over the digest by the key in the options or else by the certificate, and all else
	// that the options ask for.
	verify(ctx context.Context, co *cosign.CheckOpts) (proof, error)
}

// proof is what was established about material.
type proof struct {
	claim
	summary  *certificate.Summary // of the verified certificate; nil for a key
	signer   verdict.Signer
	logged   bool
	signedAt time.Time // zero if nobody vouches for a time
}

// claim is what is signed.
type claim struct {
	statement verdict.Statement
	predicate string // of an attestation
	content   []byte // the predicate, as it was signed
}

// evidence is p as what the trust root proves, of which it had no part if it vouches neither for a log entry, without
// which no certificate counts, nor for a time.
func (p proof) evidence(digest chart.Digest, format chart.Format, trustRoot string) verdict.Evidence {
	evidence := verdict.NewEvidence(digest, p.statement, p.signer)
	evidence.Predicate, evidence.Content, evidence.Format = p.predicate, p.content, format
	evidence.Logged, evidence.SignedAt = p.logged, p.signedAt.UTC()
	if p.logged || !p.signedAt.IsZero() {
		evidence.TrustRoot = trustRoot
	}
	return evidence
}
