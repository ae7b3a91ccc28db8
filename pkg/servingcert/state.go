package servingcert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// The keys of the Secret.
const (
	authorityItem    = "ca.crt" // the CA that signs first, then those that the API server must still trust
	authorityKeyItem = "ca.key"
	servingItem      = "tls.crt"
	servingKeyItem   = "tls.key"
)

const (
	// spread is how long a new CA is announced before a certificate of it is served: every API
	// server has read the webhook configuration by then.
	spread = 10 * time.Minute
	// overlap is how long an old CA is trusted after its last certificate was replaced: every
	// replica serves the new one by then.
	overlap = 10 * time.Minute
	// lookAgain is the longest time between two looks at the Secret. Also a replica whose watch has
	// ended without notice serves a new certificate before the old CA is forgotten.
	lookAgain = overlap / 2
)

// state is what the Secret holds. The zero value holds nothing.
type state struct {
	signing authority
	// trusted are older CAs that the API server must trust until each replica serves a certificate
	// of the signing one.
	trusted []*x509.Certificate
	serving tls.Certificate
}

// parse reads a Secret. What cannot be read is left out, so that it is made again.
func parse(data map[string][]byte) state {
	var s state
	if cas, err := cert.ParseCertsPEM(data[authorityItem]); err == nil {
		s.signing.certificate, s.trusted = cas[0], cas[1:]
	}
	if key, err := keyutil.ParsePrivateKeyPEM(data[authorityKeyItem]); err == nil {
		s.signing.key, _ = key.(crypto.Signer)
	}
	if pair, err := tls.X509KeyPair(data[servingItem], data[servingKeyItem]); err == nil {
		s.serving = pair
	}
	return s
}

// encode is what the Secret is to hold.
func (s state) encode() (map[string][]byte, error) {
	key, err := keyutil.MarshalPrivateKeyToPEM(s.signing.key)
	if err != nil {
		return nil, err
	}
	serving, err := cert.EncodeCertificates(s.serving.Leaf)
	if err != nil {
		return nil, err
	}
	servingKey, err := keyutil.MarshalPrivateKeyToPEM(s.serving.PrivateKey)
	if err != nil {
		return nil, err
	}
	bundle, err := s.bundle()
	return map[string][]byte{authorityItem: bundle, authorityKeyItem: key, servingItem: serving, servingKeyItem: servingKey}, err
}

// bundle is what the API server is told to trust.
func (s state) bundle() ([]byte, error) {
	if s.signing.certificate == nil {
		return nil, errors.New("there is no CA")
	}
	return cert.EncodeCertificates(append([]*x509.Certificate{s.signing.certificate}, s.trusted...)...)
}

// serves reports whether the serving certificate proves a name by one of the CAs at a time.
func (s state) serves(name string, at time.Time, cas ...*x509.Certificate) bool {
	if s.serving.Leaf == nil {
		return false
	}
	roots := x509.NewCertPool()
	for _, ca := range cas {
		if ca != nil {
			roots.AddCert(ca)
		}
	}
	_, err := s.serving.Leaf.Verify(x509.VerifyOptions{
		DNSName: name, Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err == nil
}

// next returns what the Secret is to hold at a time, and when that is to be looked at again. known
// are the CAs of what replicas serve, which stay trusted for a while where the Secret has lost its CA.
//
// A CA is replaced in steps, so that an API server never sees a certificate that it does not trust:
// the new CA is announced beside the old one; after spread, it signs the certificate that is
// served; after overlap, the old one is not trusted any more.
func (s state) next(name string, now time.Time, known []*x509.Certificate) (state, time.Duration, error) {
	if !s.signing.signs(now) {
		fresh, err := newAuthority(now)
		if err != nil {
			return state{}, 0, err
		}
		lost := state{signing: fresh, trusted: known}
		if lost.serving, err = fresh.issue(name, now); err != nil {
			return state{}, 0, err
		}
		lost = lost.prune(now)
		return lost, lost.pause(now), nil
	}
	if !s.signing.signs(now.Add(renewBefore)) {
		fresh, err := newAuthority(now)
		if err != nil {
			return state{}, 0, err
		}
		s.trusted = append([]*x509.Certificate{s.signing.certificate}, s.trusted...)
		s.signing = fresh
	}
	s = s.prune(now)
	switch announced := s.signing.certificate.NotBefore.Add(backdated + spread); {
	case s.serves(name, now.Add(renewBefore), s.signing.certificate):
		return s, s.pause(now), nil
	case s.serves(name, now, slices.Concat(s.trusted, []*x509.Certificate{s.signing.certificate})...) && now.Before(announced):
		return s, announced.Sub(now), nil
	}
	var err error
	if s.serving, err = s.signing.issue(name, now); err != nil {
		return state{}, 0, err
	}
	return s, s.pause(now), nil
}

// pause is the time until the next look at a state that lacks nothing now.
func (s state) pause(now time.Time) time.Duration {
	if len(s.trusted) > 0 {
		return max(s.replaced().Sub(now), time.Second)
	}
	return lookAgain
}

// replaced is when each replica serves the certificate that is in the Secret.
func (s state) replaced() time.Time { return s.serving.Leaf.NotBefore.Add(backdated + overlap) }

// prune forgets old CAs that have ended, or whose certificates are served no more.
func (s state) prune(now time.Time) state {
	over := s.serving.Leaf != nil && s.serving.Leaf.CheckSignatureFrom(s.signing.certificate) == nil && !now.Before(s.replaced())
	var kept []*x509.Certificate
	for _, ca := range s.trusted {
		if !over && within(ca, now) && !ca.Equal(s.signing.certificate) {
			kept = append(kept, ca)
		}
	}
	s.trusted = kept
	return s
}
