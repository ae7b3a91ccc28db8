// Package suggest turns an inventory into policies that admit exactly what runs, for a person to
// review: it trusts who has signed, where that is one signer, and waives what nobody has signed. It is pure.
package suggest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/policy"
)

// Suggestion is what to write for an inventory.
type Suggestion struct {
	from, at   string
	identities []document
	policies   []document
	open       []string
}

// document is an object with the comment above it.
type document struct {
	object  any
	name    string
	comment []string
	// disabled is set where a person must fill something in before the object can be used.
	disabled bool
}

// Options say what an inventory does not hold.
type Options struct {
	// Until is the last day of waivers.
	Until time.Time
	// Keys are those that the scan has recognized.
	Keys []evidence.PublicKey
}

// For suggests policies.
func For(found inventory.Inventory, o Options) Suggestion {
	s := Suggestion{from: oneLine(found.From), at: found.At.UTC().Format(time.DateOnly)}
	charts, open := chartsOf(found.Rows)
	s.open = open
	for _, p := range found.Problems {
		s.open = append(s.open, "Not scanned, so nothing is suggested for it: "+oneLine(p.String()))
	}
	ids := identitiesOf(charts)
	known := keysOf(o.Keys)
	s.identities = ids.documents(charts, known)
	names := namer{}
	groups := slices.DeleteFunc(grouped(charts, bystanders(found.Rows, charts)), func(g group) bool { return g.outside })
	for _, g := range groups {
		s.policies = append(s.policies, g.policies(ids, names, known, s.at, o.Until)...)
	}
	for _, u := range unusedOf(found.Rows, groups) {
		s.open = append(s.open, u.note())
		if u.waived() {
			s.policies = append(s.policies, u.waiver(names, s.at, o.Until))
		}
	}
	s.check()
	slices.Sort(s.open)
	s.open = slices.Compact(s.open)
	return s
}

// check turns what a cluster would not accept into a note: better no policy than one that denies
// what it matches.
func (s *Suggestion) check() {
	s.policies = slices.DeleteFunc(s.policies, func(d document) bool {
		errs := policy.CheckPolicy(d.object.(v1alpha1.ChartPolicy))
		if len(errs) > 0 {
			s.open = append(s.open, fmt.Sprintf("No policy can be written for %s: %s", strings.Join(d.object.(v1alpha1.ChartPolicy).Spec.Match.Charts, ", "), oneLine(errs.ToAggregate().Error())))
		}
		return len(errs) > 0
	})
}

// policies returns the policies of a group: one, or more where a policy cannot hold all charts.
func (g group) policies(ids identities, names namer, known keys, at string, until time.Time) []document {
	var all []document
	for patterns := range slices.Chunk(g.patterns(), maxPatterns) {
		spec := v1alpha1.ChartPolicySpec{Match: v1alpha1.Match{Charts: patterns, Exclude: g.exclude}}
		d := document{comment: []string{g.usedBy()}}
		prefix := ""
		switch {
		case len(g.signers) == 0:
			prefix = "unverified-"
			spec.AllowUnverified = waiverOf(g.why, at, until)
		default:
			spec.Require = []v1alpha1.Requirement{{AnyOf: ids.names(g.signers)}}
			lacksKey := slices.ContainsFunc(g.signers, func(id identity) bool { return id.lacksKey(known) })
			d.disabled = lacksKey || g.asks
			if g.asks {
				d.comment = append(d.comment, g.question()...)
			}
			if lacksKey {
				d.comment = append(d.comment, "Signed by a key: fill in its public key above first.")
			}
		}
		if len(g.signers) > 0 && g.floating {
			spec.Pinning = v1alpha1.PinningFloating
			d.comment = append(d.comment, "Some of these references are ranges or moving tags. Write versions into them, then remove pinning.")
		}
		d.name = names.unique(prefix + slug(strings.TrimSuffix(commonPrefix(patterns), "/**")))
		d.object = v1alpha1.ChartPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "ChartPolicy"},
			ObjectMeta: metav1.ObjectMeta{Name: d.name}, Spec: spec,
		}
		all = append(all, d)
	}
	return all
}

// question says what only a person can answer about the signers of the charts.
func (g group) question() []string {
	lines := []string{"Which of these signers do you trust? Anyone who can push to the registry can add a signature. Delete the others from anyOf,",
		"and uncomment the rest with its identities above."}
	for _, who := range described(g.signers) {
		lines = append(lines, "- signed by "+who)
	}
	var unverified []string
	for _, c := range g.charts {
		unverified = append(unverified, c.unverified...)
	}
	slices.Sort(unverified)
	for _, text := range slices.Compact(unverified) {
		lines = append(lines, "- signed, not verified: "+text)
	}
	return lines
}

// waiverOf is a waiver for the reason, which a scan of that day has found.
func waiverOf(why, at string, until time.Time) *v1alpha1.AllowUnverified {
	return &v1alpha1.AllowUnverified{Reason: why + " (chartgate scan, " + at + ")", Until: until.UTC().Format(time.DateOnly)}
}
