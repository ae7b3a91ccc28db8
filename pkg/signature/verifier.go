package signature

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// noRoot is the State of a Verifier without a trust root.
const noRoot = "none"

// Verifier verifies against one trust root. It is safe for concurrent use.
type Verifier struct {
	trust root.TrustedMaterial // empty without a trust root, never nil: VerifyNewBundle wants one even for keys
	state string
}

// New reads a trusted_root.json. With nil content nothing can be verified that rests on a trust root: certificates and
// log entries are rejected with TrustRootUnavailable, keys with AllowUnlogged still work.
func New(trustedRootJSON []byte) (*Verifier, error) {
	if trustedRootJSON == nil {
		return &Verifier{trust: &root.BaseTrustedMaterial{}, state: noRoot}, nil
	}
	trust, err := root.NewTrustedRootFromJSON(trustedRootJSON)
	if err != nil {
		return nil, fmt.Errorf("read trusted root: %w", err)
	}
	if len(trust.RekorLogs()) == 0 && len(trust.FulcioCertificateAuthorities()) == 0 {
		return nil, errors.New("read trusted root: it names neither a certificate authority nor a transparency log")
	}
	sum := sha256.Sum256(trustedRootJSON)
	return &Verifier{trust: trust, state: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// State identifies the trust root's content: "sha256:…" of its JSON, or "none". Verified evidence is good for one state
// only, so it belongs into a cache's key.
func (v *Verifier) State() string { return v.state }

// Verify proves who made the statement in m about the chart with the digest. Every failure is a *verdict.Rejection of
// m alone, but for one: when ctx is done, it is a *chart.Problem of KindTimeout, since then nothing was found out.
func (v *Verifier) Verify(
	ctx context.Context, digest chart.Digest, m chart.Material, wanted verdict.Wanted,
) (evidence verdict.Evidence, err error) {
	// cosign and its parsers panic on some inputs that are only shaped like what they expect.
	defer func() {
		if reason := recover(); reason != nil {
			evidence, err = verdict.Evidence{}, panicked(reason)
		}
	}()
	if digest.IsZero() {
		return verdict.Evidence{}, internal(errors.New("no digest to verify"))
	}
	if err := ctx.Err(); err != nil {
		return verdict.Evidence{}, outOfTime(err)
	}
	s, err := v.parse(digest, m)
	if err != nil {
		return verdict.Evidence{}, err
	}
	p, err := v.prove(ctx, s, wanted)
	if err != nil {
		return verdict.Evidence{}, err
	}
	evidence = verdict.NewEvidence(digest, p.statement, p.signer)
	evidence.Predicate, evidence.Format = p.predicate, m.Format
	evidence.Logged, evidence.SignedAt = p.logged, p.signedAt.UTC()
	return evidence, nil
}

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
	statement verdict.Statement
	predicate string               // of an attestation
	summary   *certificate.Summary // of the verified certificate; nil for a key
	signer    verdict.Signer
	logged    bool
	signedAt  time.Time // zero if nobody vouches for a time
}

func (v *Verifier) parse(digest chart.Digest, m chart.Material) (signed, error) {
	switch m.Format {
	case chart.Bundle:
		return parseBundle(digest, m)
	case chart.Legacy:
		return parseLegacy(digest, m, v.trust)
	default:
		return nil, internal(fmt.Errorf("material %s is in an %s", m.Source, m.Format))
	}
}

func (v *Verifier) prove(ctx context.Context, s signed, wanted verdict.Wanted) (proof, error) {
	byCertificate := s.certificate() != nil
	switch {
	case byCertificate && wanted.Keyless:
		return v.byCertificate(ctx, s)
	case byCertificate:
		return proof{}, invalid("made with a certificate, while the policy trusts keys only", nil)
	case len(wanted.Keys) > 0:
		return v.byKeys(ctx, s, wanted.Keys)
	default:
		return proof{}, invalid("made with a key, while the policy trusts certificates only", nil)
	}
}
