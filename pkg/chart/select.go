package chart

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Select returns the tag that s's consumer would take from a repository's tags.
// No match is KindNotFound, and says which tags the consumer passed over. Where two tags
// are the same version by precedence (1.0.0 and v1.0.0, or two builds), consumers take
// whichever the registry lists first, so the answer is not certain: that is KindInvalid.
// It ends with KindTimeout when ctx does.
func (s Selector) Select(ctx context.Context, tags []string) (string, error) {
	if !s.IsRange() {
		return "", problem.Invalid("%s is not a range of versions", problem.QuoteInput(s.text)).WithNext("write one complete version, as in 1.2.3")
	}
	constraint, err := semver.NewConstraint(s.text)
	if err != nil {
		return "", problem.Invalid("%s is not a range of versions", problem.QuoteInput(s.text)).WithNext("write one complete version, as in 1.2.3")
	}
	filter, err := compileFilter(s.filter)
	if err != nil {
		return "", err
	}
	var best newest
	var tied string
	for _, tag := range tags {
		if ctx.Err() != nil {
			return "", s.tooSlow(ctx)
		}
		v := s.version(tag)
		if v == nil || !constraint.Check(v) || !passes(filter, tag) || tag == best.tag {
			continue
		}
		switch {
		case best.version == nil || v.GreaterThan(best.version):
			best, tied = newest{v, tag}, ""
		case v.Equal(best.version):
			tied = tag
		}
	}
	switch {
	case best.version == nil:
		return "", s.noMatch(ctx, tags, constraint, filter)
	case tied != "":
		return "", problem.Invalid("the tags %s and %s are the same version, so the range %s has no single answer", problem.QuoteInput(best.tag), problem.QuoteInput(tied), problem.QuoteInput(s.text)).
			WithNext("name the tag that is meant, where the tag alone decides: in an OCIRepository (ref.tag) or an Argo CD source with oci://; or remove one of the two tags from the registry")
	case !tagGrammar.MatchString(best.tag):
		return "", problem.Invalid("the registry lists the invalid tag %s", problem.QuoteInput(best.tag)).
			WithNext("tell the registry's operator: no registry can hold such a tag")
	default:
		return best.tag, nil
	}
}

// passes reports whether the filter lets a tag pass. One that no registry can hold does: it is refused if it is chosen.
func passes(filter *regexp.Regexp, tag string) bool {
	return len(tag) > maxTag || filter.MatchString(tag)
}

func (s Selector) tooSlow(ctx context.Context) *problem.Error {
	return &problem.Error{Kind: problem.KindTimeout, Detail: "no tag for the range " + problem.QuoteInput(s.text) + " was found in time", Err: ctx.Err()}
}

// Versions returns the versions that helm reads in tags, newest first: "_" in a tag stands for "+". It
// passes over what helm passes over, which is every tag that is no complete semantic version.
func Versions(tags []string) []string {
	var found []*semver.Version
	for _, tag := range tags {
		if v := (Selector{dialect: Literal}).version(tag); v != nil && tagGrammar.MatchString(tag) {
			found = append(found, v)
		}
	}
	slices.SortStableFunc(found, func(a, b *semver.Version) int { return b.Compare(a) })
	var versions []string
	for _, v := range found {
		versions = append(versions, v.Original())
	}
	return versions
}

// newest is the newest version of some tags. The zero value is no version.
type newest struct {
	version *semver.Version
	tag     string
}

func (n *newest) add(v *semver.Version, tag string) {
	if n.version == nil || v.GreaterThan(n.version) {
		*n = newest{v, tag}
	}
}

// version reads a tag by the dialect's rules; nil means that the consumer
// passes the tag over.
func (s Selector) version(tag string) *semver.Version {
	plus := strings.ReplaceAll(tag, "_", "+")
	var v *semver.Version
	var err error
	switch s.dialect {
	case FluxHelm, Literal:
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

// noMatch is the problem with a range that no tag matches. It looks for the tag that its
// author may have meant: one that the consumer cannot read, that the filter leaves out, or
// a prerelease; and names the newest version otherwise.
func (s Selector) noMatch(ctx context.Context, tags []string, constraint *semver.Constraints, filter *regexp.Regexp) *problem.Error {
	var unread, filtered, prerelease, other newest
	for _, tag := range tags {
		if ctx.Err() != nil {
			return s.tooSlow(ctx)
		}
		v, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+"))
		if err != nil || !tagGrammar.MatchString(tag) {
			continue
		}
		switch matches := constraint.Check(v); {
		case matches && s.version(tag) == nil:
			unread.add(v, tag)
		case matches && !filter.MatchString(tag):
			filtered.add(v, tag)
		case !matches && v.Prerelease() != "" && constraint.Check(semver.New(v.Major(), v.Minor(), v.Patch(), "", "")):
			prerelease.add(v, tag)
		default:
			other.add(v, tag)
		}
	}
	p := &problem.Error{Kind: problem.KindNotFound, Detail: "no tag matches the range " + problem.QuoteInput(s.text)}
	switch {
	case unread.tag != "":
		p.Detail += fmt.Sprintf("; the tag %s was skipped, because %s", problem.QuoteInput(unread.tag), s.whyUnread(unread.tag))
		p.Next = s.nameUnread(unread.tag)
	case filtered.tag != "":
		p.Detail += fmt.Sprintf("; the tag %s was skipped by the semverFilter %s", problem.QuoteInput(filtered.tag), problem.QuoteInput(s.filter))
		p.Next = "correct spec.ref.semverFilter, or the range"
	case prerelease.tag != "":
		p.Detail += fmt.Sprintf("; the tag %s was skipped, because a range takes no prereleases unless it names one", problem.QuoteInput(prerelease.tag))
		p.Next = "name the version itself: " + s.dialect.spelled(prerelease.tag)
	case other.tag != "":
		p.Detail += "; the newest version there is the tag " + problem.QuoteInput(other.tag)
		p.Next = "correct the range, or push a version that it matches"
	default:
		p.Detail += fmt.Sprintf("; the repository has %d tags, but no tag is a version", len(tags))
		p.Next = "push the chart with helm push, whose tag is the chart's version, or correct the chart's name"
	}
	return p
}

// whyUnread says why s's consumer takes a tag for no version, though it looks like one.
func (s Selector) whyUnread(tag string) string {
	underscore := strings.Contains(tag, "_")
	switch {
	case s.dialect == FluxOCI && underscore && !s.plus:
		return "Flux reads an underscore as + only where spec.layerSelector.mediaType is Helm's"
	case strings.HasPrefix(tag, "v") && s.dialect != FluxOCI:
		return "a tag with a v is not a version in a range for a HelmChart, nor for helm"
	default:
		return "it is not a complete semantic version"
	}
}

// nameUnread says how to get a tag that s's consumer passes over in ranges.
func (s Selector) nameUnread(tag string) string {
	if _, err := parseFlux(strings.ReplaceAll(tag, "_", "+")); s.dialect == FluxHelm && err != nil {
		return "name the tag in an OCIRepository: " + FluxOCI.spelled(tag)
	}
	return "name the version itself: " + s.dialect.spelled(tag)
}

// Twin returns the tag that users confuse with the tag of s: v1.0.0 for 1.0.0, and the reverse; ""
// if no such tag exists. It is worth a look where the tag does not exist.
func (s Selector) Twin() string {
	tag, _ := s.Tag()
	if _, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+")); err != nil {
		return ""
	}
	if bare, ok := strings.CutPrefix(tag, "v"); ok {
		return bare
	}
	if len(tag) == maxTag {
		return ""
	}
	return "v" + tag
}

// Spelled returns how the field that s was read from names a tag, as in
// "version: \"1.0.0\"".
func (s Selector) Spelled(tag string) string { return s.dialect.spelled(tag) }

// ByTag returns the reference to one tag of r's chart: what a range or a twin led to.
func (r Reference) ByTag(tag string) Reference {
	r.Selector = Selector{kind: byTag, dialect: r.Selector.dialect, text: tag, tag: tag}
	return r
}
