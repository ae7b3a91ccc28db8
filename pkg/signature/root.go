package signature

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Roots holds trust roots by name.
type Roots interface {
	// Root returns the trust root of that name. It may load it first, until ctx ends. Its error is
	// a *verdict.Rejection with the reason TrustRootUnavailable. Its detail is a clause, such as
	// "the TrustRoot corp does not exist".
	Root(ctx context.Context, name string) (Root, error)
}

// Root is a parsed trusted_root.json. The zero value trusts nothing.
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
	return Root{trust: strictRoot{trust}, state: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// State identifies the content: "sha256:…" of the JSON.
func (r Root) State() string { return r.state }

// FixedRoots are trust roots that never change.
type FixedRoots map[string]Root

// Fixed returns a trusted_root.json as the default trust root. With nil, there is no trust root.
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

// trustRoot is a trust root that is used for a verification. material is never nil, because
// sigstore-go needs it even for keys. It is empty if the trust root is missing.
type trustRoot struct {
	material root.TrustedMaterial
	missing  *verdict.Rejection // why it is missing
}

// trustRoot returns the trust root of that name. For "", it returns no trust root and loads
// nothing.
func (v *Verifier) trustRoot(ctx context.Context, name string) trustRoot {
	empty := &root.BaseTrustedMaterial{}
	if name == "" {
		return trustRoot{material: empty, missing: noTrustRoot("no trust root was asked for")}
	}
	found, err := v.roots.Root(ctx, name)
	if err == nil && found.trust != nil {
		return trustRoot{material: found.trust}
	}
	missing := noTrustRoot("the trust root " + name + " cannot be used")
	missing.Err = err
	if known, ok := errors.AsType[*verdict.Rejection](err); ok {
		missing.Detail, missing.Lasting = known.Detail, known.Lasting
	}
	return trustRoot{material: empty, missing: missing}
}

// required is the rejection of an attachment, described by what, that needs the missing trust root.
func (t trustRoot) required(what string) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: what + ": " + t.missing.Detail, Err: t.missing.Err, Lasting: t.missing.Lasting}
}

// PublicGood returns the TUF repository of Sigstore's public-good instance, and a root.json with
// which its newer ones can be verified.
func PublicGood() (mirror string, rootJSON []byte) { return tuf.DefaultMirror, tuf.DefaultRoot() }
