package signature

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// signed is parsed material: what it claims, none of which is proven.
type signed interface {
	// certificate is nil if the material was made with a key.
	certificate() *x509.Certificate
	// logs are the identifiers, in hexadecimal, of the logs that the entries in the material name.
	logs() []string
	// verify proves the signature over the digest and all that is asked for. Of a certificate it always proves who
	// issued it, the promise of the certificate transparency log, if the trust root has one, and that it was valid at
	// every time that the trust root vouches for: one at least.
	verify(ctx context.Context, c checks) (proof, error)
}

// checks is what is asked of a signature.
type checks struct {
	trust root.TrustedMaterial
	key   signature.Verifier // nil: the signature is by the certificate
	log   bool               // it must be in a transparency log of the trust root
}

// scts is how many promises of certificate transparency logs a certificate needs. A Sigstore without such a log (GitHub's
// own is one) issues certificates without a promise, and then its trust root has no log by which one could be verified.
func (c checks) scts() int { return min(1, len(c.trust.CTLogs())) }

// proof is what was established about material.
type proof struct {
	claim
	summary  *certificate.Summary // of the verified certificate; nil for a key
	signer   evidence.Signer
	logged   bool
	signedAt time.Time // zero if nobody vouches for a time
}

// claim is what is signed.
type claim struct {
	statement evidence.Statement
	predicate string // of an attestation
	content   []byte // the predicate, as it was signed
}

// evidence is p as what the trust root proves, of which it had no part if it vouches neither for a log entry nor for a
// time. Of a certificate it always vouches for a time.
func (p proof) evidence(digest chart.Digest, format attachment.Format, trustRoot string) evidence.Evidence {
	proven := evidence.New(digest, p.statement, p.signer)
	proven.Predicate, proven.Content, proven.Format = p.predicate, p.content, format
	proven.Logged, proven.SignedAt = p.logged, p.signedAt.UTC()
	if p.logged || !p.signedAt.IsZero() {
		proven.TrustRoot = trustRoot
	}
	return proven
}
