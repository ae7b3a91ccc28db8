package suggest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// unused are HelmRepositories at one location of which no chart is used: a gate denies them when they are written,
// because no policy matches anything in them.
type unused struct {
	at      chart.Location
	objects []string
}

// unusedOf returns the repositories that no group covers, by location.
func unusedOf(rows []inventory.Row, groups []group) []unused {
	found := map[string]unused{}
	for _, row := range rows {
		at, err := locationOf(row)
		if row.NamesChart() || row.Object.Kind != "HelmRepository" || row.Reference == "" || err != nil {
			continue
		}
		covers := func(a area) bool {
			whole := area{path: at.String(), below: true}
			return whole.holds(a.path) || a.below && strings.HasPrefix(at.String()+"/", a.path+"/")
		}
		if slices.ContainsFunc(groups, func(g group) bool { return slices.ContainsFunc(g.areas, covers) }) {
			continue
		}
		u := found[at.String()]
		u.at, u.objects = at, append(u.objects, objectOf(row))
		found[at.String()] = u
	}
	var all []unused
	for _, at := range slices.Sorted(maps.Keys(found)) {
		u := found[at]
		slices.Sort(u.objects)
		u.objects = slices.Compact(u.objects)
		all = append(all, u)
	}
	return all
}

// waived reports whether a waiver can let the repository stay. Where charts can be signed, it would admit unsigned ones
// of which nobody has asked.
func (u unused) waived() bool { return !u.at.IsOCI() && !u.at.HasQuery() }

// note says what to do.
func (u unused) note() string {
	text := fmt.Sprintf("%s: no chart of %s is used, so nothing is suggested for it, and a gate denies it when it is written. Delete it, ", named(u.objects), u.at)
	switch {
	case u.waived():
		return text + "or uncomment the waiver for its charts at the end"
	case u.at.IsOCI():
		return text + "or write a policy that requires a signature of its charts"
	default:
		return text + "or write a policy"
	}
}

// waiver is the policy under which the repository may stay, for a person to uncomment.
func (u unused) waiver(names namer, at string, until time.Time) document {
	d := document{disabled: true, name: names.unique("unverified-" + slug(u.at.String())), comment: []string{
		named(u.objects) + ": no chart of it is used. To keep it, uncomment this waiver, which admits every chart of it.",
	}}
	d.object = v1alpha1.ChartPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "ChartPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: d.name},
		Spec: v1alpha1.ChartPolicySpec{
			Match:           v1alpha1.Match{Charts: []string{u.at.String() + "/**"}},
			AllowUnverified: waiverOf(notOCI, at, until),
		},
	}
	return d
}
