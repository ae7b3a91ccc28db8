package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
)

// Mirrors are the admin's rules about which repositories are read from another location. The zero
// value has no rules.
type Mirrors struct {
	rules map[chart.Location]chart.Location
}

// ParseMirrors reads rules "FROM=TO". Each side is a host, or a host and a path: repositories below
// FROM are read below TO.
func ParseMirrors(rules []string) (Mirrors, error) {
	m := Mirrors{rules: make(map[chart.Location]chart.Location, len(rules))}
	for _, rule := range rules {
		left, right, found := strings.Cut(rule, "=")
		if !found {
			return Mirrors{}, fmt.Errorf("%q is not of the form FROM=TO", rule)
		}
		from, err := parseMirror(left)
		if err != nil {
			return Mirrors{}, fmt.Errorf("%q: %w", rule, err)
		}
		to, err := parseMirror(right)
		if err != nil {
			return Mirrors{}, fmt.Errorf("%q: %w", rule, err)
		}
		_, again := m.rules[from]
		switch {
		case from == to:
			return Mirrors{}, fmt.Errorf("%q mirrors a location to itself", rule)
		case again:
			return Mirrors{}, fmt.Errorf("%q: there are two rules for %s", rule, withoutScheme(from))
		}
		m.rules[from] = to
	}
	return m, nil
}

func parseMirror(text string) (chart.Location, error) {
	if strings.Contains(text, "://") {
		return chart.Location{}, fmt.Errorf("%q must be written without a scheme", text)
	}
	return chart.ParseLocation(chart.SchemeOCI + "://" + text)
}

// of returns where l is read from, by the rule with the longest FROM, and whether that is a mirror.
// Rules are not applied to the result of a rule.
func (m Mirrors) of(l chart.Location) (chart.Location, bool, error) {
	longestFirst := func(a, b chart.Location) int { return len(b.String()) - len(a.String()) }
	for _, from := range slices.SortedFunc(maps.Keys(m.rules), longestFirst) {
		below, found := strings.CutPrefix(l.String()+"/", from.String()+"/")
		if !found {
			continue
		}
		at, err := chart.ParseChart(strings.TrimSuffix(m.rules[from].String()+"/"+below, "/"))
		return at, true, err
	}
	return l, false, nil
}

// Hosts returns the hosts of the mirrors, sorted.
func (m Mirrors) Hosts() []string {
	var hosts []string
	for _, to := range m.rules {
		hosts = append(hosts, to.Host())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// withoutScheme returns a location as the tools of registries spell it.
func withoutScheme(l chart.Location) string {
	return strings.TrimPrefix(l.String(), chart.SchemeOCI+"://")
}
