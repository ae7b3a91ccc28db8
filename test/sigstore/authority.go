package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// authority is a certificate authority: a root, and an intermediate that issues.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // of the intermediate
}

func newAuthority(name string, valid period, usage x509.ExtKeyUsage) (*authority, error) {
	rootKey, err := newECDSA()
	if err != nil {
		return nil, err
	}
	template := caTemplate(name, valid)
	root, err := createCertificate(template, template, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	key, err := newECDSA()
	if err != nil {
		return nil, err
	}
	template = caTemplate(name+"-intermediate", valid)
	template.MaxPathLenZero = true
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	intermediate, err := createCertificate(template, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	return &authority{root: root, intermediate: intermediate, key: key}, nil
}

func caTemplate(name string, valid period) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{"sigstore.test"}},
		NotBefore: valid.start, NotAfter: valid.end,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true,
	}
}

// issue fills in the serial number and signs.
func (a *authority) issue(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	return createCertificate(template, a.intermediate, public, a.key)
}

// createCertificate keeps the template's serial number, if it has one: a precertificate and its certificate
// must agree on it.
func createCertificate(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	if template.SerialNumber == nil {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		if err != nil {
			return nil, err
		}
		template.SerialNumber = serial.Add(serial, big.NewInt(1))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// leafTemplate is a signing certificate as Fulcio issues it: valid for ten minutes.
func leafTemplate(issued time.Time, extensions []pkix.Extension) *x509.Certificate {
	return &x509.Certificate{
		NotBefore: issued, NotAfter: issued.Add(10 * time.Minute),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: extensions,
	}
}
