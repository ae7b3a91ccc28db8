package evidence

import "slices"

// Wanted says which signers some policies can use at all, so that verification
// does no work for others. The zero value wants nobody.
type Wanted struct {
	// Keyless are the trust roots by which certificates count.
	Keyless []string
	// KeylessUnlogged are those of Keyless by which a certificate also counts without a log entry, with a signed
	// timestamp in its place.
	KeylessUnlogged []string
	Keys            []WantedKey
	// Predicates are the types of the attestations whose content the policies judge.
	Predicates []string
}

// WantedKey is a key, and what must be proven of a signature by it.
type WantedKey struct {
	PublicKey
	// TrustRoots are those by which its log entry, or the time in it, counts.
	TrustRoots []string
	// AllowUnlogged is set where a signature counts without proof of inclusion in a
	// transparency log.
	AllowUnlogged bool
}

// DefaultTrustRoot is the name of the trust root of identities that name none.
const DefaultTrustRoot = "default"

// TrustRoots returns the names of all trust roots that count for something, sorted.
func (w Wanted) TrustRoots() []string {
	all := slices.Clone(w.Keyless)
	for _, key := range w.Keys {
		all = append(all, key.TrustRoots...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
