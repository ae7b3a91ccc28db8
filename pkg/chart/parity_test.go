package chart_test

import (
	"errors"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/chartgate/chartgate/pkg/chart"
)

// consumer is one way from a version to the tag that is deployed, restated from the consumer's
// code.
type consumer struct {
	name, version string
	parse         func() (chart.Selector, error)
	tag           func(tags []string) (string, error)
	// mayFail is set where the consumer fails on lists from which chartgate can still tell what it
	// would have taken.
	mayFail bool
	// rewrites is set where the consumer deploys a normal form of the tag, so that no order of the
	// list shows a tie.
	rewrites bool
}

func consumers(version string) []consumer {
	flux := func(filter string, chartLayer bool) consumer {
		return consumer{
			parse: func() (chart.Selector, error) {
				return chart.ParseFluxRef(chart.FluxRef{SemVer: version, SemVerFilter: filter, ChartLayer: chartLayer})
			},
			tag: func(tags []string) (string, error) { return fluxOCI(version, filter, chartLayer, tags) },
		}
	}
	all := []consumer{
		{name: "Flux HelmChart", parse: func() (chart.Selector, error) { return chart.ParseFluxVersion(version) }, tag: func(tags []string) (string, error) { return fluxHelm(version, tags) }},
		{name: "Argo CD 3 Helm-OCI", mayFail: true, parse: func() (chart.Selector, error) { return chart.ParseArgoHelmRevision(version) }, tag: func(tags []string) (string, error) { return argoHelm3(version, tags) }},
		{name: "Argo CD 2 Helm-OCI", mayFail: true, rewrites: true, parse: func() (chart.Selector, error) { return chart.ParseArgoHelmRevision(version) }, tag: func(tags []string) (string, error) { return argoHelm2(version, tags) }},
		{name: "Argo CD 3 native", mayFail: true, parse: func() (chart.Selector, error) { return chart.ParseArgoNativeRevision(version) }, tag: func(tags []string) (string, error) { return argoNative(version, tags) }},
	}
	if version != "" { // no semver at all, otherwise
		for _, f := range []struct {
			name, filter string
			chartLayer   bool
		}{
			{"Flux OCIRepository", "", true}, {"Flux OCIRepository without the chart layer", "", false}, {"Flux OCIRepository with a filter", "[01]", true},
		} {
			c := flux(f.filter, f.chartLayer)
			c.name = f.name
			all = append(all, c)
		}
	}
	for i := range all {
		all[i].version = version
	}
	return all
}

var errNoMatch = errors.New("no match")

// fluxHelm is getChartVersion of source-controller 1.9.0
// (internal/helm/repository/oci_chart_repository.go), on the tags that helm's registry client
// returns.
func fluxHelm(version string, listed []string) (string, error) {
	if _, err := fluxVersion(version); err == nil {
		return pull(strings.ReplaceAll(version, "+", "_"), listed)
	}
	tags := helmTags(listed)
	if len(tags) == 0 {
		return "", errNoMatch
	}
	if version != "" && slices.Contains(tags, version) {
		return pull(strings.ReplaceAll(version, "+", "_"), listed)
	}
	if version == "" {
		version = "*"
	}
	constraint, err := semver.NewConstraint(version)
	if err != nil {
		return "", err
	}
	var matching []*semver.Version
	for _, tag := range tags {
		if v, err := fluxVersion(tag); err == nil && constraint.Check(v) {
			matching = append(matching, v)
		}
	}
	if len(matching) == 0 {
		return "", errNoMatch
	}
	sort.Sort(sort.Reverse(semver.Collection(matching)))
	return pull(strings.ReplaceAll(matching[0].Original(), "+", "_"), listed)
}

// helmTags is Tags of helm's pkg/registry/client.go, the same in 3.22 and 4.3.
func helmTags(listed []string) []string {
	var versions []*semver.Version
	for _, tag := range listed {
		if v, err := semver.StrictNewVersion(strings.ReplaceAll(tag, "_", "+")); err == nil {
			versions = append(versions, v)
		}
	}
	sort.Sort(sort.Reverse(semver.Collection(versions)))
	tags := make([]string, len(versions))
	for i, v := range versions {
		tags[i] = v.String()
	}
	return tags
}

// fluxVersion is ParseVersion of github.com/fluxcd/pkg/version 0.16.0.
func fluxVersion(s string) (*semver.Version, error) {
	if len(strings.SplitN(s, ".", 3)) != 3 {
		return nil, semver.ErrInvalidSemVer
	}
	return semver.NewVersion(s)
}

// fluxOCI is getTagBySemver of source-controller 1.9.0
// (internal/controller/ocirepository_controller.go).
func fluxOCI(expression, filter string, chartLayer bool, listed []string) (string, error) {
	match, err := regexp.Compile(filter)
	if err != nil {
		return "", err
	}
	constraint, err := semver.NewConstraint(expression)
	if err != nil {
		return "", err
	}
	convert := func(s, from, to string) string {
		if chartLayer {
			return strings.ReplaceAll(s, from, to)
		}
		return s
	}
	var matching []*semver.Version
	for _, tag := range listed {
		if filter != "" && !match.MatchString(tag) {
			continue
		}
		if v, err := fluxVersion(convert(tag, "_", "+")); err == nil && constraint.Check(v) {
			matching = append(matching, v)
		}
	}
	if len(matching) == 0 {
		return "", errNoMatch
	}
	sort.Sort(sort.Reverse(semver.Collection(matching)))
	return pull(convert(matching[0].Original(), "+", "_"), listed)
}

// argoHelm3 is newHelmClientResolveRevision of Argo CD 3.2.1 (reposerver/repository/repository.go)
// with versions.MaxVersion; helm pull then takes "+" for "_".
func argoHelm3(revision string, listed []string) (string, error) {
	if _, err := semver.NewVersion(revision); err == nil {
		return pull(strings.ReplaceAll(revision, "+", "_"), listed)
	}
	v, err := argoMaxVersion(revision, listed)
	if err != nil {
		return "", err
	}
	return pull(strings.ReplaceAll(v.Original(), "+", "_"), listed)
}

// argoHelm2 is the same of Argo CD 2.14.21, which normalizes the version: v1.2 becomes 1.2.0.
func argoHelm2(revision string, listed []string) (string, error) {
	if _, err := semver.NewVersion(revision); err == nil {
		return pull(strings.ReplaceAll(revision, "+", "_"), listed)
	}
	v, err := argoMaxVersion(revision, listed)
	if err != nil {
		return "", err
	}
	return pull(strings.ReplaceAll(v.String(), "+", "_"), listed)
}

// argoNative is ResolveRevision of Argo CD 3.2.1 (util/oci/client.go). It does not turn "+" back
// into "_", so a version with build metadata is found and then not pulled.
func argoNative(revision string, listed []string) (string, error) {
	if tag, err := pull(revision, listed); err == nil {
		return tag, nil
	}
	if _, err := semver.NewVersion(revision); err == nil {
		return "", errNotListed
	}
	v, err := argoMaxVersion(revision, listed)
	if err != nil {
		return "", err
	}
	return pull(v.Original(), listed)
}

// argoMaxVersion is MaxVersion of Argo CD's util/versions/tags.go, for what is no version itself.
func argoMaxVersion(revision string, listed []string) (*semver.Version, error) {
	constraint, err := semver.NewConstraint(revision)
	if err != nil {
		return nil, err
	}
	var newest *semver.Version
	for _, tag := range listed {
		v, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+"))
		switch {
		case errors.Is(err, semver.ErrInvalidSemVer):
		case err != nil:
			return nil, err
		case constraint.Check(v) && (newest == nil || v.GreaterThan(newest)):
			newest = v
		}
	}
	if newest == nil {
		return nil, errNoMatch
	}
	return newest, nil
}
