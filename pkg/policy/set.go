package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
)

// Input is everything that a platform team can write.
type Input struct {
	Identities []v1alpha1.TrustedIdentity
	Policies   []v1alpha1.ChartPolicy
	// ConfigMap is the text under IdentitiesKey of the ConfigMap, nil if there is no
	// ConfigMap or no such key in it.
	ConfigMap *string
	// Keys are the contents of KeySources.
	Keys Keys
}

// Set is all policies, compiled. It is immutable and safe for concurrent use; a
// change of policy makes a new one. The zero Set matches nothing, so it denies
// everything.
type Set struct {
	policies []*Policy
	list     *list
}

// Report says for each object why it is not in force as written. Names without an
// entry are fine.
type Report struct {
	Identities map[string]error
	Policies   map[string]error
	ConfigMap  error
}

// compiledIdentities are TrustedIdentities by name.
type compiledIdentities map[string]compiledIdentity

type compiledIdentity struct {
	identity
	err error
}

// Compile turns in into a Set. It never fails as a whole: what is wrong is in the
// report, and denies the charts that it matches.
func Compile(in Input) (*Set, Report) {
	if in.Keys == nil {
		in.Keys = Keys{}
	}
	report := Report{Identities: map[string]error{}, Policies: map[string]error{}}
	identities := compiledIdentities{}
	for _, obj := range in.Identities {
		compiled, errs := in.Keys.compileIdentity(field.NewPath("spec"), obj.Name, obj.Spec)
		if _, twice := identities[obj.Name]; twice {
			errs = append(errs, field.Duplicate(field.NewPath("metadata", "name"), obj.Name))
		}
		err := fielderr.Join(errs)
		identities[obj.Name] = compiledIdentity{identity: compiled, err: err}
		if err != nil {
			report.Identities[obj.Name] = err
		}
	}
	set := &Set{}
	for _, obj := range in.Policies {
		compiled, errs := compilePolicy(obj, identities)
		if err := fielderr.Join(errs); err != nil {
			report.Policies[obj.Name] = err
		}
		set.policies = append(set.policies, &compiled)
	}
	if in.ConfigMap != nil {
		var errs field.ErrorList
		set.list, errs = in.Keys.compileList(*in.ConfigMap)
		report.ConfigMap = fielderr.Join(errs)
	}
	return set, report
}

// CheckIdentity returns what is wrong with a TrustedIdentity by itself.
func CheckIdentity(obj v1alpha1.TrustedIdentity) field.ErrorList {
	_, errs := Keys(nil).compileIdentity(field.NewPath("spec"), obj.Name, obj.Spec)
	return errs
}

// CheckPolicy returns what is wrong with a ChartPolicy by itself. That its
// identities exist is not asked: Flux dry-runs a whole set of objects before it
// applies the first, so a policy must be writable before its identities are. Until
// they exist the policy is not Ready and denies what it matches.
func CheckPolicy(obj v1alpha1.ChartPolicy) field.ErrorList {
	identities := compiledIdentities{}
	for _, requirement := range obj.Spec.Require {
		for _, name := range requirement.AnyOf {
			identities[name] = compiledIdentity{identity: identity{name: name}}
		}
	}
	_, errs := compilePolicy(obj, identities)
	return errs
}

// MissingIdentities returns the names in a policy's anyOf that are not in known.
func MissingIdentities(obj v1alpha1.ChartPolicy, known []string) []string {
	var missing []string
	for _, requirement := range obj.Spec.Require {
		for _, name := range requirement.AnyOf {
			if !slices.Contains(known, name) && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// CheckConfigMap returns what is wrong with the text under IdentitiesKey.
func CheckConfigMap(text string) field.ErrorList {
	_, errs := Keys(nil).compileList(text)
	return errs
}

// For returns the policies that match a chart, enforcing ones first. All of them
// must accept it. None means that the chart is denied.
func (s *Set) For(l chart.Location) []*Policy {
	var enforce, warn []*Policy
	for _, p := range s.policies {
		switch {
		case !p.matches(l):
		case p.warnOnly:
			warn = append(warn, p)
		default:
			enforce = append(enforce, p)
		}
	}
	if p := s.list.policyFor(l); p != nil {
		enforce = append(enforce, p)
	}
	return append(enforce, warn...)
}

// Covering returns the name of a policy that can match charts below l, and "" if
// there is none.
func (s *Set) Covering(l chart.Location) string {
	for _, p := range s.policies {
		if slices.ContainsFunc(p.charts, func(pattern pattern) bool {
			return pattern.covers(l) && (p.waiver == nil || pattern.query == l.HasQuery())
		}) {
			return p.name
		}
	}
	if s.list.covers(l) {
		return listName
	}
	return ""
}

// Wanted collects the signers and attestations that any of the policies can use.
func Wanted(policies []*Policy) evidence.Wanted {
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

// wantedOf adds to a wanted key what this identity wants of it. Where neither a log
// entry nor a time is asked for, no trust root is needed.
func (id identity) wantedOf(key evidence.WantedKey) evidence.WantedKey {
	key.AllowUnlogged = key.AllowUnlogged || id.unlogged
	if !id.unlogged || !id.validity.isZero() {
		key.TrustRoots = addNew(key.TrustRoots, id.trustRoot)
	}
	return key
}

func addNew[T comparable](all []T, one T) []T {
	var none T
	if one == none || slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// Concerns reports whether evidence is by somebody whom the policies name for it. Only
// then is it worth its memory: anybody may attach attestations of 8 MiB to a chart.
func Concerns(policies []*Policy, e evidence.Evidence) bool {
	for _, p := range policies {
		for _, r := range p.require {
			by := func(id identity) bool { return r.isAbout(e.Digest(), e) && id.is(e) }
			if slices.ContainsFunc(r.anyOf, by) {
				return true
			}
		}
	}
	return false
}

// Places returns the repositories in which the signatures are that the policies ask
// for; the zero Location is the chart's own.
func Places(policies []*Policy) []chart.Location {
	var places []chart.Location
	for _, p := range policies {
		if !slices.Contains(places, p.place) {
			places = append(places, p.place)
		}
	}
	return places
}

// NamesHost reports whether any of the policies names a host literally: in a pattern of
// match.charts whose host has no wildcard, or as that of its signature repository. It is
// the platform team's word that consumers' logins may go there.
func NamesHost(policies []*Policy, host string) bool {
	for _, p := range policies {
		if p.place.Host() == host && host != "" || slices.ContainsFunc(p.charts, func(pattern pattern) bool { return pattern.names(host) }) {
			return true
		}
	}
	return false
}

// Fingerprint identifies all that the policies ask of evidence and of the chart: equal
// fingerprints accept equal evidence.
func Fingerprint(policies []*Policy) string {
	h := sha256.New()
	for _, p := range policies {
		// Encoding strings, and slices and maps of them, cannot fail.
		line, _ := json.Marshal([]any{p.name, p.fingerprints(), p.place.String(), p.vendored})
		_, _ = h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprints keeps every part in a place of its own: run together into one text,
// different identities could read the same.
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

// Summary counts what a set holds, for logs.
func (s *Set) Summary() string {
	parts := []string{fmt.Sprintf("%d policies", len(s.policies))}
	if s.list != nil {
		parts = append(parts, fmt.Sprintf("%d identities in the ConfigMap", len(s.list.entries)))
	}
	return strings.Join(parts, ", ")
}
