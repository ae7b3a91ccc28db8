package chart

import (
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Select returns the tag that s's consumer would take from a repository's tags.
// No match is KindNotFound. Where two tags are the same version by precedence
// (1.0.0 and v1.0.0, or two builds), consumers take whichever the registry lists
// first, so nobody can say which one will be deployed: that is KindInvalid.
func (s Selector) Select(tags []string) (string, error) {
	if !s.IsRange() {
		return "", Invalid("%s is not a range of versions", Quote(s.text))
	}
	constraint, err := semver.NewConstraint(s.text)
	if err != nil {
		return "", Invalid("%s is not a range of versions", Quote(s.text))
	}
	filter, err := regexp.Compile(s.filter)
	if err != nil {
		return "", Invalid("%s is not a regular expression", Quote(s.filter))
	}
	var best *semver.Version
	var bestTag, tied string
	for _, tag := range tags {
		v := s.version(tag)
		if v == nil || !filter.MatchString(tag) || !constraint.Check(v) || tag == bestTag {
			continue
		}
		switch {
		case best == nil || v.GreaterThan(best):
			best, bestTag, tied = v, tag, ""
		case v.Equal(best):
			tied = tag
		}
	}
	switch {
	case best == nil:
		return "", &Problem{Kind: KindNotFound, Detail: "no tag matches the range " + Quote(s.text)}
	case tied != "":
		return "", Invalid("the tags %s and %s are the same version, so the range %s has no single answer", Quote(bestTag), Quote(tied), Quote(s.text))
	case !tagGrammar.MatchString(bestTag):
		return "", Invalid("the registry lists the invalid tag %s", Quote(bestTag))
	default:
		return bestTag, nil
	}
}

// version reads a tag by the dialect's rules; nil means that the consumer
// passes the tag over.
func (s Selector) version(tag string) *semver.Version {
	plus := strings.ReplaceAll(tag, "_", "+")
	var v *semver.Version
	var err error
	switch s.dialect {
	case FluxHelm:
		v, err = semver.StrictNewVersion(plus)
	case FluxOCI:
		if !s.plus {
			plus = tag
		}
		v, err = parseFlux(plus)
	case ArgoHelm, ArgoNative:
		v, err = semver.NewVersion(plus)
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return v
}
