package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
)

// pattern matches chart locations: "oci://ghcr.io/acme/charts/**".
type pattern struct {
	scheme   string
	segments []string // host first
}

// anyDepth is the pattern segment that stands for one or more segments.
const anyDepth = "**"

// parsePattern reads a pattern. What could never match a canonical location is
// refused, since it would be a policy that silently protects nothing.
func parsePattern(s string) (pattern, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok, scheme != chart.SchemeOCI && scheme != chart.SchemeHTTPS && scheme != chart.SchemeHTTP:
		return pattern{}, fmt.Errorf("pattern %q must start with oci:// or https://", s)
	case rest == "":
		return pattern{}, fmt.Errorf("pattern %q names no host", s)
	}
	p := pattern{scheme: scheme, segments: strings.Split(rest, "/")}
	for _, segment := range p.segments {
		if segment != anyDepth && strings.Contains(segment, anyDepth) {
			return pattern{}, fmt.Errorf(`pattern %q: "**" must stand alone between slashes`, s)
		}
	}
	// With letters in the place of stars, the pattern must be a canonical location.
	probe, err := chart.ParseLocation(strings.ReplaceAll(strings.ReplaceAll(s, anyDepth, "x"), "*", "x"))
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q could match no chart: %w", s, err)
	}
	if host := p.segments[0]; !strings.Contains(host, "*") && probe.Host() != host {
		return pattern{}, fmt.Errorf("pattern %q could match no chart: its host is spelled %q", s, probe.Host())
	}
	if len(p.segments) < 2 && p.segments[0] != anyDepth {
		return pattern{}, fmt.Errorf("pattern %q names a registry but no charts; append /** for all of them", s)
	}
	return p, nil
}

// matches reports whether the pattern matches exactly this location.
func (p pattern) matches(l chart.Location) bool {
	return p.scheme == l.Scheme() && matchSegments(p.segments, segmentsOf(l))
}

// covers reports whether the pattern can match charts below this location.
func (p pattern) covers(l chart.Location) bool {
	if p.scheme != l.Scheme() {
		return false
	}
	segments := segmentsOf(l)
	for i, segment := range p.segments {
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

func segmentsOf(l chart.Location) []string {
	segments := []string{l.Host()}
	if l.Path() != "" {
		segments = append(segments, strings.Split(l.Path(), "/")...)
	}
	return segments
}

func matchSegments(pattern, segments []string) bool {
	for i, p := range pattern {
		if p == anyDepth {
			for taken := i + 1; taken <= len(segments); taken++ {
				if matchSegments(pattern[i+1:], segments[taken:]) {
					return true
				}
			}
			return false
		}
		if i >= len(segments) || !matchSegment(p, segments[i]) {
			return false
		}
	}
	return len(pattern) == len(segments)
}

// matchSegment knows "*" only. path.Match's other characters cannot occur: they
// are refused by chart.ParseLocation, which parsePattern asks.
func matchSegment(pattern, segment string) bool {
	ok, err := path.Match(pattern, segment)
	return ok && err == nil
}
