package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"fmt"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/signature"
	loadoptions "github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// byKeys proves a signature by one of the keys.
func (t trusted) byKeys(ctx context.Context, s signed, keys []verdict.WantedKey) (proof, error) {
	var rejection error = invalid("made with none of the trusted keys", foreign{errors.New("no key verifies it")})
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return proof{}, outOfTime(err)
		}
		verifiers, err := verifiersOf(key.Key())
		if err != nil {
			return proof{}, internal(fmt.Errorf("use key %s: %w", key.Fingerprint(), err))
		}
		for _, verifier := range verifiers {
			unlogged, err := s.verify(ctx, t.keyChecks(verifier, false))
			if err != nil {
				continue // not made with this key
			}
			p, err := t.withLog(ctx, s, key, verifier, unlogged)
			if err == nil {
				p.signer = verdict.Signer{Key: key.Fingerprint()}
				return p, nil
			}
			// The same key may be wanted a second time, without the log.
			rejection = err
		}
	}
	return proof{}, rejection
}

// withLog adds the log entry to the proof of a signature by key, or explains why the proof does not do without.
func (t trusted) withLog(
	ctx context.Context, s signed, key verdict.WantedKey, verifier signature.Verifier, unlogged proof,
) (proof, error) {
	var cause error
	if len(s.logs()) > 0 && t.missing == nil {
		logged, err := s.verify(ctx, t.keyChecks(verifier, true))
		if err == nil {
			logged.logged = true
			return logged, nil
		}
		cause = err
	}
	by := "by key " + key.Fingerprint()
	switch {
	case key.AllowUnlogged:
		return unlogged, nil
	case t.missing != nil:
		return proof{}, t.untrusted(by + ", but its log entry cannot be verified")
	case cause != nil:
		return proof{}, invalid(by+", but its log entry, which the policy requires, could not be verified", cause)
	default:
		return proof{}, invalid(by+", but without the log entry that the policy requires", nil)
	}
}

func (t trusted) keyChecks(verifier signature.Verifier, log bool) *cosign.CheckOpts {
	return &cosign.CheckOpts{
		TrustedMaterial: t.trust,
		SigVerifier:     verifier,
		Offline:         true,
		IgnoreTlog:      !log,
	}
}

// verifiersOf returns what may verify signatures by the key. cosign 2 signs with SHA-256 whatever the ECDSA key; cosign 3
// with SHA-384 and SHA-512 where the curve suggests them. Both sign with Ed25519ph by Ed25519 keys (and then refuse it
// themselves in cosign verify); other signers with plain Ed25519.
func verifiersOf(key crypto.PublicKey) ([]signature.Verifier, error) {
	options := [][]signature.LoadOption{{loadoptions.WithHash(crypto.SHA256)}}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P384():
			options = append(options, []signature.LoadOption{loadoptions.WithHash(crypto.SHA384)})
		case elliptic.P521():
			options = append(options, []signature.LoadOption{loadoptions.WithHash(crypto.SHA512)})
		}
	case ed25519.PublicKey:
		options = append(options, []signature.LoadOption{loadoptions.WithED25519ph()})
	}
	var verifiers []signature.Verifier
	for _, opts := range options {
		verifier, err := signature.LoadVerifierWithOpts(key, opts...)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	return verifiers, nil
}
