package verdict

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// PublicKey is a parsed public key that policies trust. The zero value is no key.
type PublicKey struct {
	key         crypto.PublicKey
	fingerprint string
}

// minRSABits refuses RSA keys that NIST SP 800-131A no longer allows.
const minRSABits = 2048

// ParsePublicKey reads one PEM block "PUBLIC KEY" (ECDSA, Ed25519, or RSA of at
// least 2048 bits). Certificates and private keys are refused by name, since
// either pasted here is a mistake worth telling.
func ParsePublicKey(text string) (PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return PublicKey{}, errors.New("no PEM block found")
	case block.Type != "PUBLIC KEY":
		return PublicKey{}, fmt.Errorf("the PEM block is a %q, not a \"PUBLIC KEY\"", block.Type)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return PublicKey{}, errors.New("more than one PEM block; use one TrustedIdentity for each key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse public key: %w", err)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return PublicKey{}, fmt.Errorf("the RSA key has %d bits; at least %d are needed", k.N.BitLen(), minRSABits)
		}
	default:
		return PublicKey{}, fmt.Errorf("keys of type %T are not supported", key)
	}
	sum := sha256.Sum256(block.Bytes)
	return PublicKey{key: key, fingerprint: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// Key returns the key for a verifier.
func (k PublicKey) Key() crypto.PublicKey { return k.key }

// Fingerprint returns "sha256:" and the digest of the key's DER form.
func (k PublicKey) Fingerprint() string { return k.fingerprint }

// Wanted says which signers some policies can use at all, so that verification
// does no work for others. The zero value wants nobody.
type Wanted struct {
	Keyless bool
	Keys    []WantedKey
}

// WantedKey is a key, and whether a signature by it counts without proof of
// inclusion in a transparency log.
type WantedKey struct {
	PublicKey
	AllowUnlogged bool
}
