package page

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// factsOf says what one should know of a row besides its verdict.
func factsOf(row inventory.Row) []string {
	var facts []string
	add := func(fact string, holds bool) {
		if holds {
			facts = append(facts, fact)
		}
	}
	add("unsigned", row.Unsigned())
	add("floating", row.Pinning == chart.Floating.String())
	add("moved", row.Has(inventory.TagMoved))
	add("classic", row.Elsewhere())
	add("unknown", row.NamesChart() && row.Digest == "" && !row.Elsewhere())
	return facts
}

// storedIn says in what kind of place a chart is stored; "" if its reference does not tell.
func storedIn(reference string) string {
	scheme, _, _ := strings.Cut(reference, "://")
	switch scheme {
	case "https", "http":
		return "Helm repository (HTTP)"
	case "git":
		return "Git"
	case "bucket":
		return "bucket"
	default:
		return ""
	}
}

func tiles(rows []entry) []tile {
	all := []tile{
		{Fact: "unsigned", Label: "without a verified signature"},
		{Fact: "floating", Label: "without a fixed version"},
		{Fact: "moved", Label: "whose tag has moved"},
		{Fact: "unknown", Label: "that could not be examined"},
		{Fact: "classic", Label: "not in an OCI registry"},
	}
	for i := range all {
		for _, row := range rows {
			if slices.Contains(row.Facts, all[i].Fact) {
				all[i].Count++
			}
		}
	}
	return slices.DeleteFunc(all, func(t tile) bool { return t.Count == 0 })
}

func bars(rows []entry) []bar {
	labels := map[status]string{
		denied: "denied", warned: "admitted with a warning", waived: "admitted unverified", passed: "verified", other: "not judged",
	}
	counts := map[status]int{}
	for _, row := range rows {
		counts[row.Status]++
	}
	var all []bar
	start := 0.0
	for _, s := range slices.SortedFunc(maps.Keys(counts), func(a, b status) int { return cmp.Compare(rank(a), rank(b)) }) {
		wide := 100 * float64(counts[s]) / float64(len(rows))
		all = append(all, bar{Status: s, Label: labels[s], Count: counts[s], Start: start, Wide: wide})
		start += wide
	}
	return all
}

// classics returns what has to move to an OCI registry before it can be signed.
func classics(rows []inventory.Row) []classic {
	type place struct{ namespace, from, location string }
	objects := map[place][]string{}
	for _, row := range rows {
		if !row.Elsewhere() {
			continue
		}
		from := storedIn(row.Reference)
		at := place{row.Object.Namespace, from, row.Reference}
		if name := row.Object.Kind + " " + row.Object.Name; !slices.Contains(objects[at], name) {
			objects[at] = append(objects[at], name)
		}
	}
	var all []classic
	for at, names := range objects {
		all = append(all, classic{Namespace: at.namespace, From: at.from, Location: at.location, Objects: slices.Sorted(slices.Values(names))})
	}
	slices.SortFunc(all, func(a, b classic) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Location, b.Location), cmp.Compare(a.From, b.From))
	})
	return all
}
