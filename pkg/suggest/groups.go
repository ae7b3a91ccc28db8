package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// maxPatterns is how many patterns a ChartPolicy may hold.
const maxPatterns = 128

// group are charts of one host that the same signers, or a waiver, accept.
type group struct {
	signers  []identity
	why      string
	floating bool
	asks     bool
	charts   []used
	areas    []area
	exclude  []string
	outside  bool // no policy is to match these
}

// area are charts of a group that one pattern matches: all below a path, or one.
type area struct {
	path   string // as oci://ghcr.io/acme/charts
	below  bool   // path/**, not path itself
	charts []used
}

// pattern matches the area. Of a URL with a query, a pattern keeps that there is one.
func (a area) pattern() string {
	if a.below {
		return a.path + "/**"
	}
	if bare, _, query := strings.Cut(a.path, "?"); query {
		return bare + "?*"
	}
	return a.path
}

// holds reports whether the pattern of the area matches the chart, or a pattern.
func (a area) holds(location string) bool {
	return a.below && strings.HasPrefix(location, a.path+"/") || location == a.path
}

// grouped makes groups whose patterns match each chart once: of two policies that match a chart,
// both must accept it. No pattern matches the charts outside.
func grouped(charts, outside []used) []group {
	var all []group
	for _, c := range charts {
		at := slices.IndexFunc(all, func(g group) bool {
			return g.charts[0].at.Scheme() == c.at.Scheme() && g.charts[0].at.Host() == c.at.Host() &&
				g.why == c.why && g.floating == c.floating && g.asks == c.asks && slices.Equal(g.signers, c.signers)
		})
		if at < 0 {
			at = len(all)
			all = append(all, group{signers: c.signers, why: c.why, floating: c.floating, asks: c.asks})
		}
		all[at].charts = append(all[at].charts, c)
	}
	if len(outside) > 0 {
		all = append(all, group{charts: outside, outside: true})
	}
	for i := range all {
		all[i].areas = areasOf(all[i])
	}
	for narrowed(all) {
	}
	for i := range all {
		all[i].exclude = excluded(all, i)
		if len(all[i].exclude) > maxPatterns {
			all[i].areas, all[i].exclude = exact(all[i].charts), nil
		}
	}
	return all
}

// areasOf finds the longest common paths of charts with signers. A waiver is for single charts: it
// must not wait for the next unsigned one. So is a policy with a question: a stranger who has signed two charts must not
// take their folder out of the policy for its other charts.
func areasOf(g group) []area {
	if len(g.signers) == 0 || g.asks {
		return exact(g.charts)
	}
	byRoot := map[string][]used{}
	var roots []string
	for _, c := range g.charts {
		root, _, _ := strings.Cut(c.at.Path(), "/")
		if byRoot[root] == nil {
			roots = append(roots, root)
		}
		byRoot[root] = append(byRoot[root], c)
	}
	var all []area
	for _, root := range roots {
		charts := byRoot[root]
		path := parents(charts)
		if len(charts) == 1 || path == "" {
			all = append(all, exact(charts)...)
			continue
		}
		all = append(all, area{path: path, below: true, charts: charts})
	}
	return all
}

func exact(charts []used) []area {
	var all []area
	for _, c := range charts {
		all = append(all, area{path: c.at.String(), charts: []used{c}})
	}
	return all
}

// parents returns the longest path that all charts are below; "" if that is their host.
func parents(charts []used) string {
	var locations []string
	for _, c := range charts {
		locations = append(locations, c.at.String())
	}
	path := commonPrefix(locations)
	if slices.Contains(locations, path) { // a chart that others are below
		path = path[:strings.LastIndexByte(path, '/')]
	}
	if _, rest, _ := strings.Cut(path, "://"); !strings.Contains(rest, "/") {
		return ""
	}
	return path
}

// commonPrefix returns the longest path that all locations or patterns start with.
func commonPrefix(locations []string) string {
	common := strings.Split(locations[0], "/")
	for _, l := range locations[1:] {
		segments := strings.Split(l, "/")
		n := 0
		for n < min(len(common), len(segments)) && common[n] == segments[n] {
			n++
		}
		common = common[:n]
	}
	return strings.Join(common, "/")
}

// narrowed takes one area apart that lies in an area of another group and holds charts of that
// group: to exclude it there would exclude them. It reports whether it found one.
func narrowed(all []group) bool {
	for i := range all {
		for j := range all {
			for k, inner := range all[j].areas {
				if i == j || !inner.below || !slices.ContainsFunc(all[i].areas, func(outer area) bool { return outer.below && outer.holds(inner.path) }) {
					continue
				}
				if slices.ContainsFunc(all[i].charts, func(c used) bool { return inner.holds(c.at.String()) }) {
					all[j].areas = slices.Replace(all[j].areas, k, k+1, exact(inner.charts)...)
					return true
				}
			}
		}
	}
	return false
}

// excluded returns the patterns of other groups within the areas of group i. The chart at the path
// of an area is not within it: "path/**" does not match "path".
func excluded(all []group, i int) []string {
	var patterns []string
	for _, outer := range all[i].areas {
		if !outer.below {
			continue
		}
		for j, other := range all {
			for _, inner := range other.areas {
				if i != j && outer.holds(inner.path) && (inner.below || inner.path != outer.path) {
					patterns = append(patterns, inner.pattern())
				}
			}
		}
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

func (g group) patterns() []string {
	var all []string
	for _, a := range g.areas {
		all = append(all, a.pattern())
	}
	return all
}

// maxNamed is how many objects a comment names.
const maxNamed = 5

// usedBy says for whom a policy is.
func (g group) usedBy() string {
	var objects []string
	for _, c := range g.charts {
		objects = append(objects, c.objects...)
	}
	slices.Sort(objects)
	return "Used by " + named(slices.Compact(objects)) + "."
}

// named names objects, the first of many.
func named(objects []string) string {
	text := strings.Join(objects[:min(maxNamed, len(objects))], ", ")
	if more := len(objects) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
