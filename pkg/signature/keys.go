package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// byKeys proves a signature by one of the keys.
func (v *Verifier) byKeys(ctx context.Context, s signed, keys []verdict.WantedKey) (proof, error) {
	var rejection error = invalid("made with none of the trusted keys", nil)
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return proof{}, outOfTime(err)
		}
		verifiers, err := verifiersOf(key.Key())
		if err != nil {
			return proof{}, internal(fmt.Errorf("use key %s: %w", key.Fingerprint(), err))
		}
		for _, verifier := range verifiers {
			unlogged, err := s.verify(ctx, v.keyChecks(verifier, false))
			if err != nil {
				continue // not made with this key
			}
			p, err := v.withLog(ctx, s, key, verifier, unlogged)
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
func (v *Verifier) withLog(
	ctx context.Context, s signed, key verdict.WantedKey, verifier signature.Verifier, unlogged proof,
) (proof, error) {
	var cause error
	if len(s.logs()) > 0 && v.state != noRoot {
		logged, err := s.verify(ctx, v.keyChecks(verifier, true))
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
	case v.state == noRoot:
		return proof{}, untrustable(by + ", but there is no trust root to verify the log entry that the policy requires")
	case cause != nil:
		return proof{}, invalid(by+", but its log entry, which the policy requires, could not be verified", cause)
	default:
		return proof{}, invalid(by+", but without the log entry that the policy requires", nil)
	}
}

func (v *Verifier) keyChecks(verifier signature.Verifier, log bool) *cosign.CheckOpts {
	return &cosign.CheckOpts{
		TrustedMaterial: v.trust,
		SigVerifier:     verifier,
		ClaimVerifier:   cosign.SimpleClaimVerifier,
		Offline:         true,
		IgnoreTlog:      !log,
	}
}

// verifiersOf returns what may verify signatures by the key. cosign 2 signs with SHA-256 whatever the key; cosign 3 signs
// with SHA-384 and SHA-512 where the ECDSA curve suggests them.
func verifiersOf(key crypto.PublicKey) ([]signature.Verifier, error) {
	hashes := []crypto.Hash{crypto.SHA256}
	if ec, ok := key.(*ecdsa.PublicKey); ok {
		switch ec.Curve {
		case elliptic.P384():
			hashes = append(hashes, crypto.SHA384)
		case elliptic.P521():
			hashes = append(hashes, crypto.SHA512)
		}
	}
	var verifiers []signature.Verifier
	for _, hash := range hashes {
		verifier, err := signature.LoadVerifier(key, hash)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	return verifiers, nil
}
