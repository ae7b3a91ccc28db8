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

// earliest returns the first of the proven times: the signature existed by then. Without a time it
// is zero.
func earliest(times []time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// times returns all times at which a log or an authority in the trust root saw the signature of a
// verified bundle. sigstore-go does not return all of them: of two timestamps by one authority it
// returns the first one, and for a key no time, because a key is always valid; but a policy can
// limit when a key is trusted. The time of a log entry must be covered by the log's promise; a
// proof of inclusion does not cover it. Timestamps of other authorities do not count.
func (b *bundle) times(c checks) ([]time.Time, error) {
	var times []time.Time
	if c.log {
		integrated, err := verify.VerifyTlogEntry(b, materialWithKey{c.trust, c.key}, 1, true)
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

// materialWithKey is a trust root that also trusts one key, if key is set.
type materialWithKey struct {
	root.TrustedMaterial
	key signature.Verifier
}

// PublicKeyVerifier returns the key for every hint, because the signer chooses the hint.
func (k materialWithKey) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if k.key == nil {
		return nil, errors.New("no key is trusted")
	}
	return root.NewExpiringKey(k.key, time.Time{}, time.Time{}), nil
}

// validAt verifies that a certificate and all others up to an authority of the trust root were
// valid at each of the times. At least one time is required.
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

// stampedAt returns the time in a timestamp (RFC 3161), if it is signed by an authority of the
// trust root. Any other timestamp is ignored: anyone who can add one could also leave it out.
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

// strictRoot is a trust root whose timestamp authorities are checked more strictly than by
// sigstore-go.
type strictRoot struct{ root.TrustedMaterial }

func (s strictRoot) TimestampingAuthorities() []root.TimestampingAuthority {
	var strict []root.TimestampingAuthority
	for _, authority := range s.TrustedMaterial.TimestampingAuthorities() {
		strict = append(strict, strictAuthority{authority})
	}
	return strict
}

type strictAuthority struct{ root.TimestampingAuthority }

// Verify refuses two kinds of timestamps that sigstore-go accepts: those at a time at which the
// authority's certificates were not valid (sigstore-go checks another time in the token, or the
// present), and those signed with another certificate of any kind by the authority's CA, with the
// authority's own certificate beside it (sigstore-go checks that one).
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

// chainOf returns the certificate chain of an authority. It refuses a token with other certificates
// in it.
func chainOf(authority *root.SigstoreTimestampingAuthority, inToken []*x509.Certificate) ([]*x509.Certificate, error) {
	issuers := append([]*x509.Certificate{authority.Root}, authority.Intermediates...)
	leaf := authority.Leaf
	for _, c := range inToken {
		switch {
		case slices.ContainsFunc(issuers, c.Equal):
		case leaf == nil && !c.IsCA:
			leaf = c // the trust root accepts any leaf of its CA
		case leaf == nil || !c.Equal(leaf):
			return nil, fmt.Errorf("timestamp holds a certificate of %q, which is not the authority's", c.Subject)
		}
	}
	if leaf == nil {
		return nil, errors.New("timestamp without the authority's certificate")
	}
	return append(issuers, leaf), nil
}
