package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/digitorus/timestamp"
)

// timestampAuthority signs times (RFC 3161).
type timestampAuthority struct {
	ca   *authority
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTimestampAuthority(valid period) (*timestampAuthority, error) {
	ca, err := newAuthority("tsa", valid, x509.ExtKeyUsageTimeStamping)
	if err != nil {
		return nil, err
	}
	key, err := newECDSA()
	if err != nil {
		return nil, err
	}
	// RFC 3161 wants the key usage critical, which x509.Certificate.ExtKeyUsage is not.
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return nil, err
	}
	leaf, err := ca.issue(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "tsa-leaf", Organization: []string{"sigstore.test"}},
		NotBefore: valid.start, NotAfter: valid.end,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, key.Public())
	if err != nil {
		return nil, err
	}
	return &timestampAuthority{ca: ca, leaf: leaf, key: key}, nil
}

// stamp is the response that a signature existed at that time.
func (a *timestampAuthority) stamp(signature []byte, at time.Time) ([]byte, error) {
	sum := sha256.Sum256(signature)
	response := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256,
		HashedMessage: sum[:],
		Time:          at,
		Policy:        asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
	}
	return response.CreateResponseWithOpts(a.leaf, a.key, crypto.SHA256)
}
