// Package sigstore is a Sigstore in memory: a certificate authority, a certificate transparency log, a Rekor
// log and a timestamp authority. What it signs is verified by the real verifiers (sigstore-go, the cosign
// library, the cosign command) against the trusted_root.json that it hands out.
//
// It signs on anyone's behalf and forges on request: it is for tests and demonstrations only.
package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// Sigstore is one instance with keys of its own: what one instance signs, another does not trust.
// It is safe for concurrent use.
type Sigstore struct {
	clock  func() time.Time
	period period
	fulcio *authority
	ctlog  *ctlog
	rekor  *rekor
	tsa    *timestampAuthority
}

// period is the time in which the instance itself is valid. It is wide, so that a test about the time of
// one signature meets the limits of its certificate, and never those of the instance.
type period struct{ start, end time.Time }

// New makes an instance. The clock gives the time of signing when no Option does; nil means time.Now.
func New(clock func() time.Time) (*Sigstore, error) {
	if clock == nil {
		clock = time.Now
	}
	now := clock().UTC()
	s := &Sigstore{clock: clock, period: period{now.AddDate(-10, 0, 0), now.AddDate(10, 0, 0)}}
	var err error
	if s.fulcio, err = newAuthority("fulcio", s.period, x509.ExtKeyUsageCodeSigning); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	if s.ctlog, err = newCTLog(); err != nil {
		return nil, fmt.Errorf("make certificate transparency log: %w", err)
	}
	if s.rekor, err = newRekor(); err != nil {
		return nil, fmt.Errorf("make transparency log: %w", err)
	}
	if s.tsa, err = newTimestampAuthority(s.period); err != nil {
		return nil, fmt.Errorf("make timestamp authority: %w", err)
	}
	return s, nil
}

// TrustedRoot is the trusted_root.json of the instance: all that a verifier must know to trust it.
func (s *Sigstore) TrustedRoot() ([]byte, error) {
	fulcio := &root.FulcioCertificateAuthority{
		Root: s.fulcio.root, Intermediates: []*x509.Certificate{s.fulcio.intermediate},
		ValidityPeriodStart: s.period.start, ValidityPeriodEnd: s.period.end, URI: "https://fulcio.sigstore.test",
	}
	tsa := &root.SigstoreTimestampingAuthority{
		Root: s.tsa.ca.root, Intermediates: []*x509.Certificate{s.tsa.ca.intermediate}, Leaf: s.tsa.leaf,
		ValidityPeriodStart: s.period.start, ValidityPeriodEnd: s.period.end, URI: "https://tsa.sigstore.test",
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{fulcio},
		s.transparencyLog("https://ctlog.sigstore.test", s.ctlog.key, s.ctlog.id),
		[]root.TimestampingAuthority{tsa},
		s.transparencyLog("https://"+rekorHost, s.rekor.key, s.rekor.id))
	if err != nil {
		return nil, err
	}
	return trusted.MarshalJSON()
}

func (s *Sigstore) transparencyLog(url string, key *ecdsa.PrivateKey, id [sha256.Size]byte) map[string]*root.TransparencyLog {
	return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
		BaseURL: url, ID: id[:], PublicKey: key.Public(),
		HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256,
		ValidityPeriodStart: s.period.start, ValidityPeriodEnd: s.period.end,
	}}
}

// newLogKey makes a log's key and its identifier, the hash of the public key (RFC 6962, 3.2).
func newLogKey() (key *ecdsa.PrivateKey, id [sha256.Size]byte, err error) {
	if key, err = newECDSA(); err != nil {
		return nil, id, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, id, err
	}
	return key, sha256.Sum256(der), nil
}

func newECDSA() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
