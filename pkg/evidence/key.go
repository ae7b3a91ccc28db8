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
	"strings"
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
		return nil, errors.New(withoutBlock(text))
	}
	return keys, nil
}

// withoutBlock says what stands in the place of a PEM block.
func withoutBlock(text string) string {
	switch text = strings.TrimSpace(text); {
	case strings.Contains(text, "-----BEGIN"):
		return "the PEM block is damaged; " + asWritten
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-sha2-"):
		return "is a key of SSH; write the PEM block of it: ssh-keygen -e -m PKCS8 -f KEY.pub"
	default:
		return `no PEM block found; write the content of cosign.pub, from "-----BEGIN PUBLIC KEY-----" on`
	}
}

// asWritten tells how to repair a block that cannot be read.
const asWritten = "copy cosign.pub again, each line on a line of its own, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----"

// Leftover says what of the text ParsePublicKeys passes over although it is meant as a key, "" if
// there is no such part.
func Leftover(text string) string {
	rest, blocks := []byte(text), 0
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		rest, blocks = after, blocks+1
	}
	if begun := strings.Count(text, "-----BEGIN"); blocks > 0 && begun > blocks {
		return fmt.Sprintf("only %d of %d PEM blocks can be read, and the others are damaged; %s", blocks, begun, asWritten)
	}
	return ""
}

func parseBlock(block *pem.Block) (PublicKey, error) {
	if block.Type != "PUBLIC KEY" {
		return PublicKey{}, fmt.Errorf("the PEM block is a %q, not a \"PUBLIC KEY\"%s", block.Type, instead(block.Type))
	}
	// The error speaks of ASN.1, which says nothing to those who pasted a text.
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, errors.New("the PEM block holds no public key of a kind that is known; " + asWritten)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return PublicKey{}, fmt.Errorf("the RSA key has %d bits; at least %d are needed", k.N.BitLen(), minRSABits)
		}
	default:
		return PublicKey{}, errors.New("the key is neither ECDSA, Ed25519 nor RSA, and cosign signs with no other")
	}
	sum := sha256.Sum256(block.Bytes)
	return PublicKey{key: key, fingerprint: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// instead is the command that makes a public key of a block of another type, "" if there is none.
func instead(blockType string) string {
	switch {
	case blockType == "CERTIFICATE":
		return "; write the public key in it: openssl x509 -pubkey -noout -in CERTIFICATE.pem"
	case blockType == "RSA PUBLIC KEY":
		return "; write it in the other form: openssl rsa -RSAPublicKey_in -pubout -in KEY.pem"
	case strings.HasPrefix(blockType, "PGP"):
		return "; chartgate verifies signatures of cosign, not those of helm package --sign"
	case strings.Contains(blockType, "COSIGN") || strings.Contains(blockType, "SIGSTORE"):
		return "; write its public half, and keep it secret: cosign public-key --key cosign.key"
	case strings.Contains(blockType, "PRIVATE KEY"):
		return "; write its public half, and keep it secret: openssl pkey -pubout -in KEY.pem"
	default:
		return ""
	}
}

// PEM returns the key as policies hold it; "" for the zero value.
func (k PublicKey) PEM() string {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Key returns the key for a verifier.
func (k PublicKey) Key() crypto.PublicKey { return k.key }

// Fingerprint returns "sha256:" and the digest of the key's DER form.
func (k PublicKey) Fingerprint() string { return k.fingerprint }
