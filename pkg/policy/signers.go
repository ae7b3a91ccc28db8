package policy

import (
	"slices"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Signers returns everyone whose signature can be recognized: the holders of all keys in the set, and
// of certificates under the trust roots of these names, logged or not. Which it is, one of these
// trust roots tells. It is for reports of who signed, and says nothing about whom a policy accepts.
func (s *Set) Signers(trustRoots []string) evidence.Wanted {
	wanted := evidence.Wanted{Keyless: trustRoots, KeylessUnlogged: trustRoots}
	for _, id := range s.identities(chart.Location{}) {
		for _, key := range id.keys {
			known := func(k evidence.WantedKey) bool { return k.Fingerprint() == key.Fingerprint() }
			if !slices.ContainsFunc(wanted.Keys, known) {
				wanted.Keys = append(wanted.Keys, evidence.WantedKey{PublicKey: key, TrustRoots: trustRoots, AllowUnlogged: true})
			}
		}
	}
	return wanted
}

// Named returns the names of the identities that the signer in e is, at any time and for any chart
// in a ChartPolicy, and for the chart in the ConfigMap.
func (s *Set) Named(l chart.Location, e evidence.Evidence) []string {
	var names []string
	for _, id := range s.identities(l) {
		if id.made(e) {
			names = addNew(names, id.name)
		}
	}
	slices.Sort(names)
	return names
}

// identities returns the identities of all policies, and those of the ConfigMap's entries for a
// chart; for the zero location, those of all entries.
func (s *Set) identities(l chart.Location) []identity {
	var all []identity
	for _, p := range s.policies {
		for _, r := range p.require {
			all = append(all, r.anyOf...)
		}
	}
	for _, entry := range s.list.all() {
		if l.IsZero() || slices.ContainsFunc(entry.charts, func(p pattern) bool { return p.mayMatch(l) }) {
			all = append(all, entry.identity)
		}
	}
	return all
}
