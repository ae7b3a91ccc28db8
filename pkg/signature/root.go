package signature

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Roots holds trust roots by name.
type Roots interface {
	// Root returns the trust root of that name. It may load it first, for as long as ctx allows. Its error is a
	// *verdict.Rejection with reason TrustRootUnavailable, whose detail says why in a clause, as in "the TrustRoot corp
	// does not exist".
	Root(ctx context.Context, name string) (Root, error)
}

// Root is a parsed trusted_root.json. The zero value trusts nobody.
type Root struct {
	trust root.TrustedMaterial
	state string
}

// ParseRoot reads a trusted_root.json.
func ParseRoot(trustedRootJSON []byte) (Root, error) {
	trust, err := root.NewTrustedRootFromJSON(trustedRootJSON)
	if err != nil {
		return Root{}, fmt.Errorf("read trusted root: %w", err)
	}
	if len(trust.RekorLogs()) == 0 && len(trust.FulcioCertificateAuthorities()) == 0 {
		return Root{}, errors.New("read trusted root: it names neither a certificate authority nor a transparency log")
	}
	sum := sha256.Sum256(trustedRootJSON)
	return Root{trust: strictTimes{trust}, state: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// State identifies the content: "sha256:…" of the JSON.
func (r Root) State() string { return r.state }

// FixedRoots are trust roots that never change.
type FixedRoots map[string]Root

// Fixed returns a trusted_root.json as the default trust root; nil is none.
func Fixed(trustedRootJSON []byte) (FixedRoots, error) {
	if trustedRootJSON == nil {
		return FixedRoots{}, nil
	}
	parsed, err := ParseRoot(trustedRootJSON)
	if err != nil {
		return nil, err
	}
	return FixedRoots{evidence.DefaultTrustRoot: parsed}, nil
}

// Root implements Roots.
func (r FixedRoots) Root(_ context.Context, name string) (Root, error) {
	found, ok := r[name]
	if !ok {
		return Root{}, &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: fmt.Sprintf("there is no trust root %q", name)}
	}
	return found, nil
}

// trusted is a trust root at work. Without one, trust is empty, never nil: VerifyNewBundle wants one even for keys.
type trusted struct {
	trust   root.TrustedMaterial
	missing *verdict.Rejection // why there is none
}

// trusted returns the trust root of that name; for "", none, without asking.
func (v *Verifier) trusted(ctx context.Context, name string) trusted {
	none := &root.BaseTrustedMaterial{}
	if name == "" {
		return trusted{trust: none, missing: untrustable("no trust root was asked for")}
	}
	found, err := v.roots.Root(ctx, name)
	if err == nil && found.trust != nil {
		return trusted{trust: found.trust}
	}
	missing := untrustable("the trust root " + name + " cannot be used")
	missing.Err = err
	if known, ok := errors.AsType[*verdict.Rejection](err); ok {
		missing.Detail = known.Detail
	}
	return trusted{trust: none, missing: missing}
}

// untrusted is the rejection of material that the missing trust root would be needed for.
func (t trusted) untrusted(what string) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: what + ": " + t.missing.Detail, Err: t.missing.Err}
}
