package sigstore

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Signer is who signs: an Identity, to which a certificate is issued, or a *Key.
type Signer interface {
	credential(*options) (*credential, error)
}

// credential is a key to sign with and, for an Identity, the certificate that says whose it is.
type credential struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// pem is what the log records as the signature's verifier.
func (c *credential) pem() ([]byte, error) {
	if c.certificate != nil {
		return certificatePEM(c.certificate), nil
	}
	return publicPEM(c.key)
}

// Identity is a signer that proved who it is to an OpenID issuer.
type Identity struct {
	Issuer string
	// Subject becomes a URI when it has a scheme, otherwise an e-mail address.
	Subject string
	// Claims are further certificate extensions, under sigstore-go's JSON names: sourceRepositoryURI,
	// buildSignerURI, githubWorkflowRef, …
	Claims map[string]string
}

func (i Identity) credential(o *options) (*credential, error) {
	key, err := newECDSA()
	if err != nil {
		return nil, err
	}
	extensions, err := i.extensions()
	if err != nil {
		return nil, err
	}
	template := leafTemplate(o.issuedAt, extensions)
	if u, err := url.Parse(i.Subject); err == nil && u.Scheme != "" {
		template.URIs = []*url.URL{u}
	} else {
		template.EmailAddresses = []string{i.Subject}
	}
	certificate, err := o.issuer.fulcio.issue(template, key.Public())
	if err != nil {
		return nil, err
	}
	if !o.noSCT {
		promise, err := o.issuer.ctlog.promise(certificate, o.issuer.fulcio.intermediate, o.issuedAt)
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = append(extensions, promise)
		if certificate, err = o.issuer.fulcio.issue(template, key.Public()); err != nil {
			return nil, err
		}
	}
	return &credential{key: key, certificate: certificate}, nil
}

// extensions are Fulcio's, in ascending order. The first six are plain text, later ones DER strings.
func (i Identity) extensions() ([]pkix.Extension, error) {
	arcs := fulcioArcs()
	values := map[int]string{1: i.Issuer, arcs["issuer"]: i.Issuer}
	for claim, value := range i.Claims {
		arc, known := arcs[claim]
		if !known {
			return nil, fmt.Errorf("claim %q is not an extension of Fulcio's", claim)
		}
		values[arc] = value
	}
	var extensions []pkix.Extension
	for _, arc := range slices.Sorted(maps.Keys(values)) {
		value := []byte(values[arc])
		if arc > 6 {
			der, err := asn1.MarshalWithParams(values[arc], "utf8")
			if err != nil {
				return nil, fmt.Errorf("encode extension %d: %w", arc, err)
			}
			value = der
		}
		extensions = append(extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, arc}, Value: value})
	}
	return extensions, nil
}

// fulcioArcs gives each claim its last number under 1.3.6.1.4.1.57264.1.
func fulcioArcs() map[string]int {
	return map[string]int{
		"githubWorkflowTrigger": 2, "githubWorkflowSHA": 3, "githubWorkflowName": 4, "githubWorkflowRepository": 5,
		"githubWorkflowRef": 6, "issuer": 8, "buildSignerURI": 9, "buildSignerDigest": 10, "runnerEnvironment": 11,
		"sourceRepositoryURI": 12, "sourceRepositoryDigest": 13, "sourceRepositoryRef": 14,
		"sourceRepositoryIdentifier": 15, "sourceRepositoryOwnerURI": 16, "sourceRepositoryOwnerIdentifier": 17,
		"buildConfigURI": 18, "buildConfigDigest": 19, "buildTrigger": 20, "runInvocationURI": 21,
		"sourceRepositoryVisibilityAtSigning": 22,
	}
}

// Key is an ordinary key pair (ECDSA P-256): it signs as nobody in particular.
type Key struct{ private *ecdsa.PrivateKey }

// NewKey makes a key pair.
func NewKey() (*Key, error) {
	private, err := newECDSA()
	return &Key{private: private}, err
}

// PEM is the public key, as in cosign.pub.
func (k *Key) PEM() ([]byte, error) { return publicPEM(k.private) }

func (k *Key) credential(*options) (*credential, error) {
	return &credential{key: k.private}, nil
}

// keyHint names a public key in a bundle, as cosign does.
func keyHint(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), err
}

func publicPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func certificatePEM(chain ...*x509.Certificate) []byte {
	var out strings.Builder
	for _, c := range chain {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return []byte(out.String())
}
