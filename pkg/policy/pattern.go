package policy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
)

// pattern matches chart locations: "oci://ghcr.io/acme/charts/**". In patterns for Git repositories
// and buckets, "//" separates the repository from the folder, as in locations.
type pattern struct {
	scheme   string
	segments []string // host first; the separator is an empty one
	query    bool     // it ends in "?*": of a classic repository, URLs with a query
}

const (
	// anyDepth is the pattern segment that stands for one or more segments. At the end of a
	// pattern, these may be folders of a repository; elsewhere, all of them are on one side of the
	// separator.
	anyDepth = "**"
	// separator is the empty segment between a repository and a folder. No star stands for it.
	separator = ""
	// anyQuery at the end of a pattern stands for any query.
	anyQuery = "?*"
)

// parsePattern reads a pattern. What could never match a canonical location is
// refused, since it would be a policy that silently protects nothing. The error says what is wrong
// without repeating s.
func parsePattern(s string) (pattern, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok, !slices.Contains(schemes(), scheme):
		return pattern{}, errors.New("must start with oci://, https://, http://, git:// or bucket://")
	case rest == "":
		return pattern{}, errors.New("names no host")
	}
	text, query := strings.CutSuffix(s, anyQuery)
	rest = strings.TrimPrefix(text, scheme+"://")
	p := pattern{scheme: scheme, segments: strings.Split(rest, "/"), query: query}
	for _, segment := range p.segments {
		if segment != anyDepth && strings.Contains(segment, anyDepth) {
			return pattern{}, errors.New(`"**" must stand alone between slashes`)
		}
	}
	if len(p.segments) < 2 && p.segments[0] != anyDepth {
		return pattern{}, errors.New("names a registry but no charts; append /** for all of them")
	}
	// With letters in the place of stars, the pattern must be a canonical chart.
	fill := p.filler()
	probe, err := chart.ParseChart(fill(text))
	switch host, _, _ := strings.Cut(fill(p.segments[0]), "/"); {
	case err != nil:
		return pattern{}, fmt.Errorf("could match no chart: %w", err)
	case strings.Contains(text, "?"), query && !probe.IsClassic():
		return pattern{}, errors.New(`could match no chart: a pattern for classic repositories may end in "?*", and knows no other query`)
	case probe.Host() != host:
		return pattern{}, fmt.Errorf("could match no chart: its host is spelled %q", probe.Host())
	case probe.String() != fill(text):
		return pattern{}, fmt.Errorf("could match no chart: with x for the stars, it is spelled %q", probe)
	}
	return p, nil
}

// schemes are those that locations can have.
func schemes() []string {
	return []string{chart.SchemeOCI, chart.SchemeHTTPS, chart.SchemeHTTP, chart.SchemeGit, chart.SchemeBucket}
}

// filler returns the function that puts letters in the place of stars. A bucket has one segment, so
// "**" stands for one there, unless it stands for the host too.
func (p pattern) filler() func(string) string {
	deep := "x/x"
	if p.scheme == chart.SchemeBucket && len(p.segments) > 1 && p.segments[1] != separator {
		deep = "x"
	}
	return strings.NewReplacer(anyDepth, deep, "*", "x").Replace
}

// String returns the pattern as it is written.
func (p pattern) String() string {
	text := p.scheme + "://" + strings.Join(p.segments, "/")
	if p.query {
		text += anyQuery
	}
	return text
}

// matches reports whether the pattern matches exactly this location, however a server
// reads it: an encoded slash is no slash, and no star stands for it but "**".
func (p pattern) matches(l chart.Location) bool {
	return p.scheme == l.Scheme() && p.query == l.HasQuery() && matchSegments(p.segments, segmentsOf(l))
}

// mayMatch reports whether the pattern matches the location as some servers read it: with
// slashes for encoded ones, for any query, or in Git and buckets in another case. It is for what
// denies: exclusions from waivers, and policies that want signatures.
func (p pattern) mayMatch(l chart.Location) bool {
	if p.scheme != l.Scheme() {
		return false
	}
	segments := segmentsOf(l)
	if l.IsTree() {
		return matchSegments(lowerCase(p.segments), lowerCase(segments))
	}
	return matchSegments(p.segments, segments) || matchSegments(decodeSlashes(p.segments), decodeSlashes(segments))
}

func lowerCase(segments []string) []string {
	return strings.Split(strings.ToLower(strings.Join(segments, "/")), "/")
}

// decodeSlashes takes segments apart at their encoded slashes.
func decodeSlashes(segments []string) []string {
	return strings.Split(strings.ReplaceAll(strings.Join(segments, "/"), chart.EncodedSlash, "/"), "/")
}

// covers reports whether the pattern can match charts below this location.
func (p pattern) covers(l chart.Location) bool {
	if p.scheme != l.Scheme() {
		return false
	}
	segments := segmentsOf(l)
	return coversSegments(p.segments, segments) || coversSegments(decodeSlashes(p.segments), decodeSlashes(segments))
}

func coversSegments(pattern, segments []string) bool {
	for i, segment := range pattern {
		switch {
		case i == len(segments):
			return true
		case segment == anyDepth:
			return true
		case !matchSegment(segment, segments[i]):
			return false
		}
	}
	return false
}

// names reports whether the pattern spells a host out, without a wildcard in it.
func (p pattern) names(host string) bool {
	return p.scheme == chart.SchemeOCI && p.segments[0] == host
}

func segmentsOf(l chart.Location) []string {
	segments := []string{l.Host()}
	if l.Path() != "" {
		segments = append(segments, strings.Split(l.Path(), "/")...)
	}
	return segments
}

// matchSegments lets each "**" take as little as it can, and more only where the
// rest does not match: with several of them, trying all ways would take for ever. A "**" takes the
// separator, and all behind it, only at the end of the pattern.
func matchSegments(pattern, segments []string) bool {
	i, j := 0, 0
	afterDeep, afterTaken := -1, 0 // where to go on when the last "**" takes one segment more
	for j < len(segments) {
		switch {
		case i < len(pattern) && pattern[i] == anyDepth && (segments[j] != separator || i+1 == len(pattern)):
			i, j = i+1, j+1
			afterDeep, afterTaken = i, j
		case i < len(pattern) && matchSegment(pattern[i], segments[j]):
			i, j = i+1, j+1
		case afterDeep >= 0 && (segments[afterTaken] != separator || afterDeep == len(pattern)):
			afterTaken++
			i, j = afterDeep, afterTaken
		default:
			return false
		}
	}
	return i == len(pattern)
}

// matchSegment knows "*" only, which does not stand for an encoded slash. path.Match's
// other characters cannot occur: they are refused by chart.ParseLocation, which
// parsePattern asks.
func matchSegment(pattern, segment string) bool {
	if pattern == separator || segment == separator {
		return pattern == segment
	}
	patterns, parts := strings.Split(pattern, chart.EncodedSlash), strings.Split(segment, chart.EncodedSlash)
	return slices.EqualFunc(patterns, parts, func(pattern, part string) bool {
		ok, err := path.Match(pattern, part)
		return ok && err == nil
	})
}
