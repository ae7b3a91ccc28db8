package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
)

// parsedPolicy is a policy with its patterns. What cannot be read is nil: it says so itself.
type parsedPolicy struct {
	v1alpha1.ChartPolicy
	charts, exclude []pattern
}

func parsePolicy(obj v1alpha1.ChartPolicy) parsedPolicy {
	p := parsedPolicy{ChartPolicy: obj}
	charts, wrong := compilePatterns(nil, obj.Spec.Match.Charts)
	exclude, alsoWrong := compilePatterns(nil, obj.Spec.Match.Exclude)
	if len(wrong)+len(alsoWrong) == 0 {
		p.charts, p.exclude = charts, exclude
	}
	return p
}

// lintNeighbors finds policies that stand in each other's way: all policies that match a chart must
// accept it, so a waiver or another team's signer within a wider policy has no effect alone.
func (l Linter) lintNeighbors(found *Findings, path *field.Path, obj parsedPolicy) {
	for _, other := range l.parsed {
		if other.Name == obj.Name {
			continue
		}
		if i := swallowed(obj, other); i >= 0 {
			found.warn(path.Index(i), inside(obj.Spec, other, obj.charts[i]))
		}
		if i := swallowed(other, obj); i >= 0 {
			found.warn(path, around(obj.Spec, other, other.charts[i]))
		}
	}
}

// swallowed returns the place of a pattern of inner all charts of which outer denies or warns of, at
// least without a signer that inner does not name; -1 if there is none.
func swallowed(inner, outer parsedPolicy) int {
	if len(outer.Spec.Require) == 0 || inner.Spec.Mode == v1alpha1.ModeWarn || !inAddition(inner.Spec, outer.Spec) {
		return -1
	}
	return slices.IndexFunc(inner.charts, func(p pattern) bool {
		covers := func(wide pattern) bool { return wide.String() != p.String() && wide.coversAll(p) }
		return slices.ContainsFunc(outer.charts, covers) && !slices.ContainsFunc(outer.exclude, p.meets)
	})
}

// inAddition reports whether outer asks for a signer that inner does not name, or inner is a
// waiver.
func inAddition(inner, outer v1alpha1.ChartPolicySpec) bool {
	if inner.AllowUnverified != nil {
		return true
	}
	var named []string
	for _, r := range inner.Require {
		named = append(named, r.AnyOf...)
	}
	return slices.ContainsFunc(outer.Require, func(r v1alpha1.Requirement) bool {
		return !slices.ContainsFunc(r.AnyOf, func(name string) bool { return slices.Contains(named, name) })
	})
}

// inside is the finding about a policy that lies within another one.
func inside(spec v1alpha1.ChartPolicySpec, other parsedPolicy, p pattern) string {
	if other.Spec.Mode == v1alpha1.ModeWarn {
		return fmt.Sprintf("policy %s matches these charts too, so without a signature by %s each of them causes a warning, and is denied once that policy enforces; exclude %s there if that is not meant",
			other.Name, signersOf(other.Spec), p)
	}
	if spec.AllowUnverified != nil {
		return fmt.Sprintf("the waiver has no effect on %s, because policy %s matches these charts too and requires a signature; exclude %s there", p, other.Name, p)
	}
	return fmt.Sprintf("policy %s matches these charts too, so they need a signature by %s in addition; exclude %s there if one of the two is meant",
		other.Name, signersOf(other.Spec), p)
}

// around is the finding about a policy that contains another one.
func around(spec v1alpha1.ChartPolicySpec, other parsedPolicy, p pattern) string {
	if spec.Mode == v1alpha1.ModeWarn {
		return fmt.Sprintf("contain the charts of policy %s, so without a signature by %s each of them causes a warning, and is denied once this policy enforces; write exclude: [%q] if that is not meant",
			other.Name, signersOf(spec), p)
	}
	if waiver := other.Spec.AllowUnverified; waiver != nil {
		return fmt.Sprintf("contain the charts of policy %s, whose waiver has no effect while this policy requires a signature; write exclude: [%q]", other.Name, p)
	}
	return fmt.Sprintf("contain the charts of policy %s, which then need a signature by %s and one by %s; write exclude: [%q] if one of the two is meant",
		other.Name, signersOf(other.Spec), signersOf(spec), p)
}

func signersOf(spec v1alpha1.ChartPolicySpec) string {
	var names []string
	for _, r := range spec.Require {
		for _, name := range r.AnyOf {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " or ")
}

// lintTwins finds another identity that is the same signer under the same conditions.
func (l Linter) lintTwins(found *Findings, obj v1alpha1.TrustedIdentity) {
	for _, other := range l.among.Identities {
		if other.Name != obj.Name && reflect.DeepEqual(normal(other.Spec), normal(obj.Spec)) {
			found.warn(field.NewPath("spec"), fmt.Sprintf("describes the same signer as TrustedIdentity %s, so one signature satisfies both; remove one of them", other.Name))
			return
		}
	}
}

// normal is a spec with the defaults of the API server.
func normal(spec v1alpha1.TrustedIdentitySpec) v1alpha1.TrustedIdentitySpec {
	spec = *spec.DeepCopy()
	if spec.Keyless != nil && spec.Keyless.TransparencyLog == "" {
		spec.Keyless.TransparencyLog = v1alpha1.TransparencyLogRequired
	}
	if spec.Key != nil {
		spec.Key.PEM = strings.TrimSpace(spec.Key.PEM)
		if spec.Key.TransparencyLog == "" {
			spec.Key.TransparencyLog = v1alpha1.TransparencyLogRequired
		}
	}
	return spec
}
