package signature

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Verifier verifies against the trust roots that are asked for. It is safe for concurrent use.
type Verifier struct{ roots Roots }

// New returns a Verifier.
func New(roots Roots) *Verifier { return &Verifier{roots: roots} }

// noneNeeded is the State where no trust root is asked for.
const noneNeeded = "none"

// State identifies the content of the trust roots that are wanted; "" if one of them cannot be had. Verified evidence is
// good for one state only, so it belongs into a cache's key.
func (v *Verifier) State(ctx context.Context, wanted evidence.Wanted) string {
	state := noneNeeded
	for _, name := range wanted.TrustRoots() {
		found, err := v.roots.Root(ctx, name)
		if err != nil || found.state == "" {
			return ""
		}
		state += fmt.Sprintf(" %q=%s", name, found.state)
	}
	return state
}

// Verify proves who made the statement in m about the chart with the digest: the evidence has one entry for each trust
// root that proves it. What a root alone would prove is its own: no entry mixes two of them. Every failure is a
// *verdict.Rejection of m alone, but for one: when ctx is done, it is a *problem.Error of KindTimeout, since then
// nothing was found out.
func (v *Verifier) Verify(
	ctx context.Context, digest chart.Digest, m attachment.Attachment, wanted evidence.Wanted,
) (proven []evidence.Evidence, err error) {
	// cosign and its parsers panic on some inputs that are only shaped like what they expect.
	defer func() {
		if reason := recover(); reason != nil {
			proven, err = nil, panicked(reason)
		}
	}()
	if digest.IsZero() {
		return nil, internal(errors.New("no digest to verify"))
	}
	if err := ctx.Err(); err != nil {
		return nil, outOfTime(err)
	}
	s, err := parse(digest, m)
	if err != nil {
		return nil, err
	}
	names, err := rootsFor(s, wanted)
	if err != nil {
		return nil, err
	}
	var rejection error
	for _, name := range names {
		found, err := v.proveBy(ctx, name, s, wanted)
		switch {
		case err == nil:
			proven = appendNew(proven, found.evidence(digest, m.Format, name))
		case ctx.Err() != nil:
			return nil, outOfTime(ctx.Err())
		case rejection == nil || weight(err) > weight(rejection):
			rejection = err
		}
	}
	if len(proven) == 0 {
		return nil, rejection
	}
	return proven, nil
}

// parse reads material. Nothing in it is proven yet.
func parse(digest chart.Digest, m attachment.Attachment) (signed, error) {
	switch m.Format {
	case attachment.Bundle:
		return parseBundle(digest, m)
	case attachment.Legacy:
		return parseLegacy(digest, m)
	case attachment.LegacyAttestation:
		return parseLegacyAttestation(digest, m)
	default:
		return nil, internal(fmt.Errorf("material %s is in an %s", m.Source, m.Format))
	}
}

// rootsFor returns the names of the trust roots, one at least, by which material may count; "" is for keys that need
// none.
func rootsFor(s signed, wanted evidence.Wanted) ([]string, error) {
	byCertificate := s.certificate() != nil
	switch {
	case byCertificate && len(wanted.Keyless) > 0:
		return wanted.Keyless, nil
	case byCertificate:
		return nil, invalid("made with a certificate, while the policy trusts keys only", nil)
	case len(wanted.Keys) == 0:
		return nil, invalid("made with a key, while the policy trusts certificates only", nil)
	}
	var names []string
	for _, key := range wanted.Keys {
		names = append(names, key.TrustRoots...)
		if len(key.TrustRoots) == 0 {
			names = append(names, "")
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// proveBy proves by one trust root.
func (v *Verifier) proveBy(ctx context.Context, name string, s signed, wanted evidence.Wanted) (proof, error) {
	t := v.trusted(ctx, name)
	var p proof
	var err error
	if s.certificate() != nil {
		p, err = t.byCertificate(ctx, s, slices.Contains(wanted.KeylessUnlogged, name))
	} else {
		p, err = t.byKeys(ctx, s, keysOf(name, wanted))
	}
	if err != nil || !slices.Contains(wanted.Predicates, p.predicate) {
		p.content = nil
		return p, err
	}
	return p, checkPredicate(p.content)
}

// keysOf returns the keys whose signatures the trust root may prove; for "", those that need none.
func keysOf(name string, wanted evidence.Wanted) []evidence.WantedKey {
	var keys []evidence.WantedKey
	for _, key := range wanted.Keys {
		if slices.Contains(key.TrustRoots, name) || name == "" && len(key.TrustRoots) == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// appendNew keeps one of those that no trust root had a part in: they are the same.
func appendNew(all []evidence.Evidence, e evidence.Evidence) []evidence.Evidence {
	if e.TrustRoot == "" && slices.ContainsFunc(all, func(other evidence.Evidence) bool { return other.TrustRoot == "" }) {
		return all
	}
	return append(all, e)
}
