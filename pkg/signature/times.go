package signature

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// earliest returns the first of the times that somebody vouches for: it proves that the signature existed by then. Of
// no times it is zero.
func earliest(times []time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// times are all at which somebody in the trust root saw the signature of a verified bundle. sigstore-go does not tell all
// of them: of two timestamps by one authority it takes the first, and none at all for a key, which needs no time to be
// valid; but policies may bound when it was trusted. Of a log entry, the log's promise must cover the time: a proof of
// inclusion does not. Timestamps of authorities that the trust root does not know count for nothing.
func (b *bundle) times(c checks) ([]time.Time, error) {
	var times []time.Time
	if c.log {
		integrated, err := verify.VerifyTlogEntry(b, byKey{c.trust, c.key}, 1, true)
		if err != nil {
			return nil, err
		}
		for _, t := range integrated {
			times = append(times, t.Time)
		}
	}
	stamps, err := b.Timestamps()
	if err != nil {
		return nil, err
	}
	content, err := b.SignatureContent()
	if err != nil {
		return nil, err
	}
	for _, stamp := range stamps {
		times = append(times, stampedAt(stamp, content.Signature(), c.trust)...)
	}
	return times, nil
}

// byKey is a trust root that trusts one key besides, if there is one.
type byKey struct {
	root.TrustedMaterial
	key signature.Verifier
}

// PublicKeyVerifier returns the key whatever the hint: hints are the signer's to choose.
func (k byKey) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if k.key == nil {
		return nil, errors.New("no key is trusted")
	}
	return root.NewExpiringKey(k.key, time.Time{}, time.Time{}), nil
}

// validAt proves that a certificate and all on the way to an authority of the trust root were valid at each of the
// times, one at least.
func validAt(leaf *x509.Certificate, times []time.Time, trust root.TrustedMaterial) error {
	if len(times) == 0 {
		return errors.New("no log and no timestamp authority of the trust root proves a time")
	}
	for _, at := range times {
		if _, err := chains(leaf, at, trust); err != nil {
			return fmt.Errorf("at %s: %w", at.UTC().Format(time.RFC3339), err)
		}
	}
	return nil
}

// stampedAt returns the time in a timestamp (RFC 3161) of what is stamped, if an authority of the trust root vouches for
// it. Otherwise there is none: whoever may add a timestamp may also leave it away.
func stampedAt(stamp, stamped []byte, trust root.TrustedMaterial) []time.Time {
	if len(stamp) == 0 {
		return nil
	}
	for _, authority := range trust.TimestampingAuthorities() {
		if at, err := authority.Verify(stamp, stamped); err == nil {
			return []time.Time{at.Time}
		}
	}
	return nil
}

// strictTimes is a trust root whose authorities vouch for fewer times than sigstore-go lets them.
type strictTimes struct{ root.TrustedMaterial }

func (s strictTimes) TimestampingAuthorities() []root.TimestampingAuthority {
	var strict []root.TimestampingAuthority
	for _, authority := range s.TrustedMaterial.TimestampingAuthorities() {
		strict = append(strict, strictAuthority{authority})
	}
	return strict
}

type strictAuthority struct{ root.TimestampingAuthority }

// Verify refuses two kinds of timestamp that sigstore-go accepts: at a time at which the authority's certificates were
// not valid (it looks at another time in the token, or at the clock), and signed by somebody else to whom the
// authority's CA gave a certificate of any kind, with the authority's own put beside (it checks that one).
func (a strictAuthority) Verify(stamp, stamped []byte) (*root.Timestamp, error) {
	at, err := a.TimestampingAuthority.Verify(stamp, stamped)
	if err != nil {
		return nil, err
	}
	authority, is := a.TimestampingAuthority.(*root.SigstoreTimestampingAuthority)
	if !is {
		return nil, fmt.Errorf("timestamp authority is a %T", a.TimestampingAuthority)
	}
	token, err := timestamp.ParseResponse(stamp)
	if err != nil {
		return nil, fmt.Errorf("read timestamp: %w", err)
	}
	chain, err := chainOf(authority, token.Certificates)
	if err != nil {
		return nil, err
	}
	for _, c := range chain {
		if at.Time.Before(c.NotBefore) || at.Time.After(c.NotAfter) {
			return nil, fmt.Errorf("timestamp at %s, when the certificate of %q was not valid", at.Time, c.Subject)
		}
	}
	return at, nil
}

// chainOf returns the certificates that an authority signs by, if the ones in its token are no others.
func chainOf(authority *root.SigstoreTimestampingAuthority, inToken []*x509.Certificate) ([]*x509.Certificate, error) {
	issuers := append([]*x509.Certificate{authority.Root}, authority.Intermediates...)
	leaf := authority.Leaf
	for _, c := range inToken {
		switch {
		case slices.ContainsFunc(issuers, c.Equal):
		case leaf == nil && !c.IsCA:
			leaf = c // the trust root leaves the choice to its CA
		case leaf == nil || !c.Equal(leaf):
			return nil, fmt.Errorf("timestamp holds a certificate of %q, which is not the authority's", c.Subject)
		}
	}
	if leaf == nil {
		return nil, errors.New("timestamp without the authority's certificate")
	}
	return append(issuers, leaf), nil
}
