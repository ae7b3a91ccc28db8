package evidence

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
	"slices"
)

// PublicKey is a parsed public key that policies trust. The zero value is no key.
type PublicKey struct {
	key         crypto.PublicKey
	fingerprint string
}

// minRSABits refuses RSA keys that NIST SP 800-131A no longer allows.
const minRSABits = 2048

// maxKeys bounds the keys of one identity: the old and the new key of a rotation, and the keys of
// several holders who share a role.
const maxKeys = 8

// ParsePublicKeys reads PEM blocks "PUBLIC KEY" (ECDSA, Ed25519, or RSA of at least 2048 bits), at
// least one. The error names certificates and private keys, because users paste them here by
// mistake.
func ParsePublicKeys(text string) ([]PublicKey, error) {
	var keys []PublicKey
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := parseBlock(block)
		switch {
		case err != nil:
			return nil, err
		case len(keys) == maxKeys:
			return nil, fmt.Errorf("more than %d keys; use several TrustedIdentities", maxKeys)
		case slices.ContainsFunc(keys, func(k PublicKey) bool { return k.fingerprint == key.fingerprint }):
			return nil, fmt.Errorf("the key %s occurs twice", key.fingerprint)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no PEM block found")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (PublicKey, error) {
	if block.Type != "PUBLIC KEY" {
		return PublicKey{}, fmt.Errorf("the PEM block is a %q, not a \"PUBLIC KEY\"", block.Type)
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
