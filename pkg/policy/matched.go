package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Matched is the policies that match one chart, all of which must accept it. It is immutable. The
// zero value holds no policy and accepts nothing: a chart that no policy matches is denied.
type Matched struct {
	policies     []*Policy // first those that enforce
	wanted       evidence.Wanted
	repositories []chart.Location
	fingerprint  string
}

// newMatched computes once what is asked of the policies several times in an admission.
func newMatched(policies []*Policy) Matched {
	m := Matched{policies: policies, wanted: wantedBy(policies), fingerprint: fingerprintOf(policies)}
	for _, p := range policies {
		if !slices.Contains(m.repositories, p.signatures) {
			m.repositories = append(m.repositories, p.signatures)
		}
	}
	return m
}

// IsEmpty reports whether no policy matches.
func (m Matched) IsEmpty() bool { return len(m.policies) == 0 }

// Policies returns the policies, first those that enforce.
func (m Matched) Policies() []*Policy { return slices.Clone(m.policies) }

// Only returns those of the policies that are among the given ones.
func (m Matched) Only(some []*Policy) Matched {
	kept := slices.DeleteFunc(m.Policies(), func(p *Policy) bool { return !slices.Contains(some, p) })
	if len(kept) == len(m.policies) {
		return m
	}
	return newMatched(kept)
}

// Identities returns the names of the identities whose signatures or attestations any of the policies
// can use, sorted.
func (m Matched) Identities() []string {
	var names []string
	for _, p := range m.policies {
		for _, r := range p.require {
			for _, id := range r.anyOf {
				names = append(names, id.name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Wanted returns the signers and the types of attestations that any of the policies can use.
func (m Matched) Wanted() evidence.Wanted { return m.wanted }

// SignatureRepositories returns the repositories in which the policies look for signatures; the
// zero Location is the chart's own.
func (m Matched) SignatureRepositories() []chart.Location { return slices.Clone(m.repositories) }

// Fingerprint identifies all that the policies ask of evidence and of the chart: policies with
// equal fingerprints accept equal evidence.
func (m Matched) Fingerprint() string { return m.fingerprint }

// NamesHost reports whether any of the policies names a host literally: in a pattern of
// match.charts whose host has no wildcard, or as the host of its signature repository. With that
// the platform team says that the logins of consumers may be sent to the host.
func (m Matched) NamesHost(host string) bool {
	return host != "" && slices.ContainsFunc(m.policies, func(p *Policy) bool {
		return p.signatures.Host() == host || slices.ContainsFunc(p.charts, func(pattern pattern) bool { return pattern.names(host) })
	})
}

// Concerns reports whether evidence is by an identity that a policy names for it. Only then is its
// content worth the memory: anyone who can push may attach attestations of 8 MiB to a chart.
func (m Matched) Concerns(e evidence.Evidence) bool {
	for _, p := range m.policies {
		for _, r := range p.require {
			by := func(id identity) bool { return r.isAbout(e.Digest(), e) && id.is(e) }
			if slices.ContainsFunc(r.anyOf, by) {
				return true
			}
		}
	}
	return false
}

func wantedBy(policies []*Policy) evidence.Wanted {
	var wanted evidence.Wanted
	index := map[string]int{}
	for _, p := range policies {
		for _, r := range p.require {
			wanted.Predicates = addNew(wanted.Predicates, r.predicateType())
			for _, id := range r.anyOf {
				if len(id.keys) == 0 {
					wanted.Keyless = addNew(wanted.Keyless, id.trustRoot)
					if id.unlogged {
						wanted.KeylessUnlogged = addNew(wanted.KeylessUnlogged, id.trustRoot)
					}
				}
				for _, key := range id.keys {
					at, seen := index[key.Fingerprint()]
					if !seen {
						at = len(wanted.Keys)
						index[key.Fingerprint()] = at
						wanted.Keys = append(wanted.Keys, evidence.WantedKey{PublicKey: key})
					}
					wanted.Keys[at] = id.wantedOf(wanted.Keys[at])
				}
			}
		}
	}
	return wanted
}

// wantedOf adds to a wanted key what this identity wants of it. Where neither a log entry nor a
// time is asked for, no trust root is needed.
func (id identity) wantedOf(key evidence.WantedKey) evidence.WantedKey {
	key.AllowUnlogged = key.AllowUnlogged || id.unlogged
	if !id.unlogged || !id.validity.isZero() {
		key.TrustRoots = addNew(key.TrustRoots, id.trustRoot)
	}
	return key
}

func addNew[T comparable](all []T, one T) []T {
	var zero T
	if one == zero || slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

func fingerprintOf(policies []*Policy) string {
	h := sha256.New()
	for _, p := range policies {
		// Encoding strings, and slices and maps of them, cannot fail.
		line, _ := json.Marshal([]any{p.name, p.fingerprints(), p.signatures.String(), p.vendored})
		_, _ = h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprints keeps every part in a place of its own: run together into one text, different
// identities could read the same.
func (p *Policy) fingerprints() [][]any {
	var all [][]any
	for _, r := range p.require {
		entry := []any{r.predicateType()}
		if r.attestation != nil {
			var conditions []string
			for _, c := range r.attestation.conditions {
				conditions = append(conditions, c.text)
			}
			entry = append(entry, conditions)
		}
		for _, id := range r.anyOf {
			var keys []string
			for _, key := range id.keys {
				keys = append(keys, key.Fingerprint())
			}
			entry = append(entry, []any{
				id.name, keys, id.unlogged, id.claims, id.trustRoot, id.validity.notBefore, id.validity.notAfter,
				id.issuer.String(), id.issuer.re != nil, id.subject.String(), id.subject.re != nil,
			})
		}
		all = append(all, entry)
	}
	return all
}
