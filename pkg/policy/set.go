package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fielderr"
)

// Input is everything that a platform team can write.
type Input struct {
	Identities []v1alpha1.TrustedIdentity
	Policies   []v1alpha1.ChartPolicy
	// ConfigMap is the text under IdentitiesKey of the ConfigMap, nil if there is no
	// ConfigMap or no such key in it.
	ConfigMap *string
	// ConfigMapName is where that is, for messages: NAMESPACE/NAME in a cluster.
	ConfigMapName string
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
	// Everywhere are the invalid policies that deny every chart, because it cannot be read which
	// ones they are about.
	Everywhere map[string]bool
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
	report := Report{Identities: map[string]error{}, Policies: map[string]error{}, Everywhere: map[string]bool{}}
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
			report.Everywhere[obj.Name] = compiled.unread
		}
		set.policies = append(set.policies, &compiled)
	}
	if in.ConfigMap != nil {
		var errs field.ErrorList
		set.list, errs = in.Keys.compileList(*in.ConfigMap)
		set.list.name = cmp.Or(in.ConfigMapName, "chartgate-identities")
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

// For returns the policies that match a chart.
func (s *Set) For(l chart.Location) Matched {
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
	return newMatched(append(enforce, warn...))
}

// Covering returns the name of a policy that can match charts below l, and "" if no such policy
// exists.
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

// Summary counts what a set holds, for logs.
func (s *Set) Summary() string {
	parts := []string{fmt.Sprintf("%d policies", len(s.policies))}
	if s.list != nil {
		parts = append(parts, fmt.Sprintf("%d identities in the ConfigMap", len(s.list.entries)))
	}
	return strings.Join(parts, ", ")
}
