package sigstore

import (
	"context"
	"os"
	"strings"
)

// Signer signs: an Identity, with a certificate, or a Key.
type Signer interface {
	// flag is cosign's argument for the signer.
	flag(*Issuer) (string, error)
}

func (i Identity) flag(issuer *Issuer) (string, error) {
	token, err := issuer.token(i)
	return "--identity-token=" + token, err
}

// Key is a key pair of cosign's, without a password.
type Key struct {
	PEM     string // the public key
	private string
}

func (k Key) flag(*Issuer) (string, error) { return "--key=" + k.private, nil }

// NewKey makes a key pair. The files exist as long as the Sigstore.
func (c *Client) NewKey(ctx context.Context) (Key, error) {
	private, err := c.file("cosign.key", nil)
	if err != nil {
		return Key{}, err
	}
	prefix := strings.TrimSuffix(private, ".key")
	if err := os.Remove(private); err != nil { // cosign would ask whether to overwrite it
		return Key{}, err
	}
	if _, err := c.run(ctx, "generate-key-pair", "--output-key-prefix="+prefix); err != nil {
		return Key{}, err
	}
	public, err := os.ReadFile(prefix + ".pub")
	return Key{PEM: string(public), private: private}, err
}
