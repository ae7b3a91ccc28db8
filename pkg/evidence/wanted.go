package evidence

import "slices"

// Wanted lists the signers that some policies accept, so that verification does no work for others.
// The zero value accepts no signer.
type Wanted struct {
	// Keyless are the trust roots whose certificates are accepted.
	Keyless []string
	// KeylessUnlogged are those of Keyless whose certificates are also accepted without a log
	// entry, with a signed timestamp instead.
	KeylessUnlogged []string
	Keys            []WantedKey
	// Predicates are the types of the attestations whose content the policies evaluate.
	Predicates []string
}

// WantedKey is a key, and what a signature by it must prove.
type WantedKey struct {
	PublicKey
	// TrustRoots are those whose log entries, and the times in them, are accepted.
	TrustRoots []string
	// AllowUnlogged is set if a signature is accepted without proof of inclusion in a transparency
	// log.
	AllowUnlogged bool
}

// DefaultTrustRoot is the name of the trust root of identities that do not name one.
const DefaultTrustRoot = "default"

// TrustRoots returns the names of all trust roots that w uses, sorted.
func (w Wanted) TrustRoots() []string {
	all := slices.Clone(w.Keyless)
	for _, key := range w.Keys {
		all = append(all, key.TrustRoots...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
