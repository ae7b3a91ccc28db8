package signature

import (
	"errors"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// earlier returns the time at, if it is the first or earlier than those so far. The earliest time that somebody vouches
// for proves that the signature existed by then.
func earlier(sofar, at time.Time) time.Time {
	if sofar.IsZero() || at.Before(sofar) {
		return at
	}
	return sofar
}

// timeByKey is when a verified bundle was signed with a key. cosign does not tell, because a key needs no time to be
// valid; but policies may bound when it was trusted. Times of authorities that the trust root does not know count for
// nothing.
func (b *bundle) timeByKey(co *cosign.CheckOpts) (time.Time, error) {
	var at time.Time
	if !co.IgnoreTlog {
		integrated, err := verify.VerifyTlogEntry(b.Bundle, byKey{co.TrustedMaterial, co.SigVerifier}, 1, true)
		if err != nil {
			return time.Time{}, err
		}
		for _, t := range integrated {
			at = earlier(at, t.Time)
		}
	}
	stamped, _, err := verify.VerifySignedTimestamp(b.Bundle, co.TrustedMaterial)
	if err != nil {
		return time.Time{}, err
	}
	for _, t := range stamped {
		at = earlier(at, t.Time)
	}
	return at, nil
}

// byKey is a trust root that trusts one key besides.
type byKey struct {
	root.TrustedMaterial
	key signature.Verifier
}

// PublicKeyVerifier returns the key whatever the hint: hints are the signer's to choose.
func (k byKey) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return root.NewExpiringKey(k.key, time.Time{}, time.Time{}), nil
}

// stampedAt verifies a signed timestamp (RFC 3161) of a signature. Without an authority that could vouch for it there is
// none, and no error.
func stampedAt(stamp, sig []byte, trust root.TrustedMaterial) (time.Time, error) {
	authorities := trust.TimestampingAuthorities()
	if len(stamp) == 0 || len(authorities) == 0 {
		return time.Time{}, nil
	}
	var errs []error
	for _, authority := range authorities {
		at, err := authority.Verify(stamp, sig)
		if err == nil {
			return at.Time, nil
		}
		errs = append(errs, err)
	}
	return time.Time{}, errors.Join(errs...)
}
