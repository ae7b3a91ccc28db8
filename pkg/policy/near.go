package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	// maxNear bounds the patterns that a denial names: enough for a typing mistake, too
	// few to tell a tenant what else the platform team has policies about.
	maxNear = 2
	// maxEdits is how many letters a pattern may differ in from a chart's location. With
	// more, the two have nothing to do with each other.
	maxEdits = 2
	// maxCompared bounds the patterns that are compared for one denial.
	maxCompared = 1_000
)

// Nearest returns the patterns, two at most, that almost match a location which no
// policy matches: the likely typing mistakes, best first.
func (s *Set) Nearest(l chart.Location) []verdict.NearPattern {
	type candidate struct {
		verdict.NearPattern
		edits int
	}
	var found []candidate
	segments, compared := segmentsOf(l), 0
	add := func(policy string, p pattern, match verdict.NearMatch, edits int) {
		found = append(found, candidate{verdict.NearPattern{Pattern: p.String(), Policy: policy, Match: match}, edits})
	}
	compare := func(policy string, p pattern) {
		if compared++; compared > maxCompared {
			return
		}
		if p.scheme != l.Scheme() {
			if p.namesTree(l) {
				add(policy, p, verdict.OtherScheme, 0)
			}
			return
		}
		if p.query != l.HasQuery() && (coversSegments(p.segments, segments) || matchSegments(p.segments, segments)) {
			add(policy, p, verdict.OtherQuery, 0)
			return
		}
		if match, edits := p.near(segments); match != 0 {
			add(policy, p, match, edits)
		}
	}
	for _, p := range s.policies {
		if at := slices.IndexFunc(p.exclude, func(e pattern) bool { return e.matches(l) }); at >= 0 {
			if slices.ContainsFunc(p.charts, func(c pattern) bool { return c.matches(l) }) {
				add(p.name, p.exclude[at], verdict.Excluded, 0)
			}
			continue
		}
		for _, charts := range p.charts {
			compare(p.name, charts)
		}
	}
	for _, entry := range s.list.all() {
		for _, charts := range entry.charts {
			compare(listName, charts)
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.edits, b.edits) })
	var near []verdict.NearPattern
	for _, c := range found[:min(len(found), maxNear)] {
		near = append(near, c.NearPattern)
	}
	return near
}

// namesTree reports whether the pattern is the URL of the Git repository or the bucket of l, or of
// what is above it: the mistake of someone who takes the URL for the name.
func (p pattern) namesTree(l chart.Location) bool {
	if !l.IsTree() || p.scheme != chart.SchemeHTTPS && p.scheme != chart.SchemeHTTP {
		return false
	}
	segments := segmentsOf(l)
	if at := slices.Index(segments, separator); at >= 0 {
		segments = segments[:at]
	}
	own := slices.Clone(p.segments)
	own[len(own)-1] = strings.TrimSuffix(own[len(own)-1], ".git")
	return matchSegments(own, segments)
}

// near says how the pattern almost matches a location, and in how many letters it
// differs. The zero match means that it does not.
func (p pattern) near(segments []string) (verdict.NearMatch, int) {
	last := p.segments[len(p.segments)-1]
	for n := 2; n <= len(segments); n++ {
		if !matchSegments(p.segments, segments[:n]) {
			continue
		}
		// A repository of charts, or a chart below the one that the pattern names.
		if strings.Contains(last, "*") {
			return verdict.OneLevel, 0
		}
		return verdict.ThatOnly, 0
	}
	above := p.segments[:len(p.segments)-1]
	if n := len(above); n > 0 && above[n-1] == separator {
		above = above[:n-1]
	}
	if last == anyDepth && matchSegments(above, segments) {
		return verdict.BelowOnly, 0
	}
	if edits := distance(p.segments, segments); edits <= maxEdits {
		return verdict.Similar, edits
	}
	return 0, 0
}

// distance is the number of letters by which segments differ from those that the
// pattern matches, or more than maxEdits.
func distance(pattern, segments []string) int {
	// before[j] is the distance between the pattern's segments so far and the first j.
	before := make([]int, len(segments)+1)
	for j := range before {
		before[j] = min(j, 1) * (maxEdits + 1)
	}
	for i, wanted := range pattern {
		row := make([]int, len(segments)+1)
		row[0] = maxEdits + 1
		for j, segment := range segments {
			switch {
			case wanted == anyDepth:
				row[j+1] = min(before[j], row[j])
			case before[j] > maxEdits:
				row[j+1] = maxEdits + 1
			default:
				row[j+1] = before[j] + segmentDistance(wanted, segment, i == 0)
			}
		}
		before = row
	}
	return before[len(segments)]
}

// segmentDistance compares one segment. A host with a port and one without are near.
func segmentDistance(wanted, segment string, host bool) int {
	switch {
	case matchSegment(wanted, segment):
		return 0
	case strings.Contains(wanted, "*"):
		return maxEdits + 1
	case host && (hostname(wanted) == segment || wanted == hostname(segment)):
		return 1
	case host && strings.TrimPrefix(wanted, hostname(wanted)) != strings.TrimPrefix(segment, hostname(segment)):
		return maxEdits + 1 // another port is another registry
	case host:
		return hostDistance(strings.Split(wanted, "."), strings.Split(segment, "."))
	default:
		return nameDistance(wanted, segment)
	}
}

// hostDistance compares hosts label by label: a.example and b.example are not similar.
func hostDistance(wanted, host []string) int {
	if len(wanted) != len(host) {
		return maxEdits + 1
	}
	edits := 0
	for i := range wanted {
		edits += nameDistance(wanted[i], host[i])
	}
	return edits
}

// nameDistance compares names. Short ones differ in a letter without being similar: app and api.
func nameDistance(a, b string) int {
	edits := editDistance(a, b)
	if edits*3 > min(len(a), len(b)) {
		return maxEdits + 1
	}
	return edits
}

func hostname(host string) string {
	name, _, _ := strings.Cut(host, ":")
	return name
}

// editDistance is the number of letters to insert, remove, replace or swap with their
// neighbor (optimal string alignment) to make b of a, or more than maxEdits. It looks
// only at pairs of letters that can be within maxEdits, so it takes linear time.
func editDistance(a, b string) int {
	const far = maxEdits + 1
	if max(len(a)-len(b), len(b)-len(a)) > maxEdits {
		return far
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		above2, above, row := rows[0], rows[1], rows[2]
		for j := range row {
			row[j] = far
		}
		if i <= maxEdits {
			row[0] = i
		}
		for j := max(1, i-maxEdits); j <= min(len(b), i+maxEdits); j++ {
			replaced := above[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], above2[j-2]+1)
			}
		}
		rows = [3][]int{above, row, above2}
	}
	return min(rows[1][len(b)], far)
}
