package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature"
	loadoptions "github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/chartgate/chartgate/pkg/evidence"
)

// byKeys verifies a signature by one of the keys.
func (t trustRoot) byKeys(ctx context.Context, s unverified, keys []evidence.WantedKey) (proof, error) {
	var rejection error = invalid("made with a key that no policy trusts", unrelated{errors.New("no key verifies it")})
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return proof{}, deadlinePassed(err)
		}
		verifiers, err := verifiersOf(key.Key())
		if err != nil {
			return proof{}, internal(fmt.Errorf("use key %s: %w", key.Fingerprint(), err))
		}
		for _, verifier := range verifiers {
			unlogged, err := s.verify(ctx, checks{trust: t.material, key: verifier})
			if err != nil {
				continue // not made with this key
			}
			p, err := t.withLog(ctx, keySignature{s, key, verifier, unlogged})
			if err == nil {
				p.signer = evidence.Signer{Key: key.Fingerprint()}
				return p, nil
			}
			// The same key may be accepted a second time, without the log.
			rejection = err
		}
	}
	return proof{}, rejection
}

// keySignature is a signature by a key.
type keySignature struct {
	unverified
	key      evidence.WantedKey
	verifier signature.Verifier
	unlogged proof // without the log entry
}

// withLog adds the log entry to the proof of a signature by key. Its error says why the signature
// does not count without one.
func (t trustRoot) withLog(ctx context.Context, s keySignature) (proof, error) {
	var cause error
	if len(s.logs()) > 0 && t.missing == nil {
		logged, err := s.verify(ctx, checks{trust: t.material, key: s.verifier, log: true})
		if err == nil {
			logged.logged = true
			return logged, nil
		}
		cause = err
	}
	by := "by key " + s.key.Fingerprint()
	switch {
	case s.key.AllowUnlogged:
		return s.unlogged, nil
	case t.missing != nil:
		return proof{}, t.required(by + ", but its log entry cannot be verified")
	case cause != nil:
		return proof{}, invalid(by+", but its log entry, which the policy requires, could not be verified", cause)
	default:
		return proof{}, invalid(by+", but without the log entry that the policy requires", nil)
	}
}

// keyHashes are the hashes of signatures by a key: those of the option --signature-digest-algorithm
// of cosign verify, except SHA-224. cosign 2 signs with SHA-256 whatever the key, cosign 3 with
// SHA-384 and SHA-512 where the curve suggests them, and a KMS with the hash that is fixed in its
// key.
func keyHashes() []crypto.Hash { return []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} }

// verifiersOf returns the verifiers for signatures by the key. All hashes are tried, and a policy
// does not name one, because nothing in a signature names its hash reliably. This does not weaken
// the verification: to use a signature for another content, an attacker needs two contents whose
// digests under two of these hashes (truncated to the size of an ECDSA key's curve) are equal,
// which is as hard as to break one of them; and an RSA signature names its hash (PKCS #1 v1.5).
// Ed25519 has no choice of a hash, but cosign signs with Ed25519ph (which cosign verify then
// refuses), and other tools with plain Ed25519. A prefix keeps the two apart (RFC 8032).
//
// RSA-PSS is refused: cosign does not verify it with a public key either, only by a request to a
// KMS.
func verifiersOf(key crypto.PublicKey) ([]signature.Verifier, error) {
	var options [][]signature.LoadOption
	switch key.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		for _, hash := range keyHashes() {
			options = append(options, []signature.LoadOption{loadoptions.WithHash(hash)})
		}
	case ed25519.PublicKey:
		options = [][]signature.LoadOption{nil, {loadoptions.WithED25519ph()}}
	default:
		return nil, fmt.Errorf("keys of type %T are not supported", key)
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
