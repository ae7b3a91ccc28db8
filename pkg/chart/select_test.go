package chart_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

func TestSelectTakesTheNewestMatchingTag(t *testing.T) {
	t.Parallel()
	helm := chart.ParseFluxVersion
	argo := chart.ParseArgoHelmRevision
	native := chart.ParseArgoNativeRevision
	oci := func(filter string, chartLayer bool) func(string) (chart.Selector, error) {
		return func(s string) (chart.Selector, error) {
			return chart.ParseFluxRef(chart.FluxRef{SemVer: s, SemVerFilter: filter, ChartLayer: chartLayer})
		}
	}
	for _, tc := range []struct {
		name     string
		parse    func(string) (chart.Selector, error)
		version  string
		tags     []string
		want     string
		notFound string
		next     string // part of what it says to do where no tag matches
		invalid  string
	}{
		{name: "the newest, not the last", parse: helm, version: "*", tags: []string{"1.9.0", "1.10.0", "1.2.0"}, want: "1.10.0"},
		{name: "the newest within the range", parse: helm, version: "<1.10.0", tags: []string{"1.9.0", "1.10.0", "1.2.0"}, want: "1.9.0"},
		{name: "empty is the newest stable one", parse: helm, version: "", tags: []string{"1.0.0", "2.0.0-rc.1"}, want: "1.0.0"},
		{name: "pre-releases only where the range has one", parse: helm, version: ">=1.0.0-0", tags: []string{"1.0.0", "2.0.0-rc.1"}, want: "2.0.0-rc.1"},
		{name: "pre-releases are ordered as semantic versions are", parse: helm, version: ">=1.0.0-0", tags: []string{"1.0.0-rc.2", "1.0.0-rc.10", "1.0.0-beta"}, want: "1.0.0-rc.10"},
		{name: "build metadata stands behind an underscore", parse: helm, version: "1.x", tags: []string{"1.0.0", "1.1.0_build.1"}, want: "1.1.0_build.1"},
		{name: "tags that are no versions are passed over", parse: helm, version: "*", tags: []string{"latest", "sha256-abc.sig", "1.0.0", "9"}, want: "1.0.0"},
		{name: "Flux's HelmChart passes over v tags", parse: helm, version: "*", tags: []string{"v2.0.0", "1.0.0"}, want: "1.0.0"},
		{name: "Flux's OCIRepository takes v tags", parse: oci("", true), version: "*", tags: []string{"v2.0.0", "1.0.0"}, want: "v2.0.0"},
		{name: "Flux passes over incomplete versions", parse: oci("", true), version: "*", tags: []string{"2.0", "3", "1.0.0"}, want: "1.0.0"},
		{name: "Argo CD takes incomplete versions", parse: argo, version: "*", tags: []string{"2.0", "1.0.0"}, want: "2.0"},
		{name: "Argo CD's native source as well", parse: native, version: "*", tags: []string{"2.0", "1.0.0"}, want: "2.0"},
		{name: "without the chart layer, an underscore is no plus", parse: oci("", false), version: "*", tags: []string{"1.0.0", "1.1.0_1"}, want: "1.0.0"},
		{name: "with the chart layer it is", parse: oci("", true), version: "*", tags: []string{"1.0.0", "1.1.0_1"}, want: "1.1.0_1"},
		{name: "the filter is asked first", parse: oci("-prod$", true), version: ">=0-0", tags: []string{"1.0.0-prod", "2.0.0-dev"}, want: "1.0.0-prod"},
		{name: "the filter sees the tag, not the version", parse: oci("_", true), version: "*", tags: []string{"1.0.0_1", "2.0.0"}, want: "1.0.0_1"},
		{name: "the filter is not anchored", parse: oci("1", true), version: "*", tags: []string{"2.1.0", "3.0.0"}, want: "2.1.0"},
		{name: "the same tag twice is no tie", parse: helm, version: "*", tags: []string{"1.0.0", "1.0.0"}, want: "1.0.0"},
		{name: "a tie below the newest does not matter", parse: helm, version: "*", tags: []string{"1.0.0_a", "1.0.0_b", "1.1.0"}, want: "1.1.0"},
		{name: "no tags", parse: helm, version: "*", notFound: `no tag matches the range "*"; the repository has 0 tags, but no tag is a version`, next: "helm push"},
		{name: "no versions", parse: helm, version: "*", tags: []string{"latest", "main"}, notFound: `the repository has 2 tags, but no tag is a version`, next: "helm push"},
		{name: "no match", parse: helm, version: "^3", tags: []string{"1.0.0", "1.1.0"}, notFound: `no tag matches the range "^3"; the newest version there is the tag "1.1.0"`, next: "correct the range"},
		{name: "only pre-releases", parse: helm, version: "*", tags: []string{"1.0.0-rc.1", "1.0.0-rc.2"}, notFound: `the tag "1.0.0-rc.2" was skipped, because a range takes no prereleases unless it names one`, next: `version: "1.0.0-rc.2"`},
		{name: "the filter leaves nothing", parse: oci("x", true), version: "*", tags: []string{"1.0.0"}, notFound: `the tag "1.0.0" was skipped by the semverFilter "x"`, next: "spec.ref.semverFilter"},
		{name: "only tags with v, for a HelmChart", parse: helm, version: "0.x", tags: []string{"v0.0.19", "v0.0.18", "2.0.0"}, notFound: `the tag "v0.0.19" was skipped, because a tag with a v is not a version in a range for a HelmChart`, next: `name the version itself: version: "v0.0.19"`},
		{name: "only incomplete versions, for a HelmChart", parse: helm, version: "*", tags: []string{"1.0"}, notFound: `the tag "1.0" was skipped, because it is not a complete semantic version`, next: `name the tag in an OCIRepository: ref: {tag: "1.0"}`},
		{name: "only dates, for a HelmChart", parse: helm, version: ">=2024", tags: []string{"2024.03.01"}, notFound: `the tag "2024.03.01" was skipped, because it is not a complete semantic version`, next: `name the version itself: version: "2024.03.01"`},
		{name: "only tags with an underscore, without the chart layer", parse: oci("", false), version: "0.0.17", tags: []string{"0.0.17_b"}, notFound: `the tag "0.0.17_b" was skipped, because Flux reads an underscore as + only where spec.layerSelector.mediaType is Helm's`, next: `ref: {tag: "0.0.17_b"}`},
		{name: "only incomplete versions, for an OCIRepository", parse: oci("", true), version: "*", tags: []string{"v2"}, notFound: `the tag "v2" was skipped, because it is not a complete semantic version`, next: `ref: {tag: "v2"}`},
		{name: "two builds of one version", parse: helm, version: "*", tags: []string{"1.0.0_a", "1.0.0_b"}, invalid: `the tags "1.0.0_a" and "1.0.0_b" are the same version, so the range "*" has no single answer`},
		{name: "one version with and without v", parse: oci("", true), version: "*", tags: []string{"1.0.0", "v1.0.0"}, invalid: "are the same version"},
		{name: "one version in full and abridged", parse: argo, version: "*", tags: []string{"1", "1.0.0"}, invalid: "are the same version"},
		{name: "a tie with an older tag between", parse: helm, version: "*", tags: []string{"1.0.0_a", "0.1.0", "1.0.0_b"}, invalid: "are the same version"},
		{name: "a tag that no registry can hold", parse: helm, version: "*", tags: []string{"1.0.0", "2.0.0+evil"}, invalid: `the registry lists the invalid tag "2.0.0+evil"`},
		{name: "a tag that is too long", parse: helm, version: "*", tags: []string{"1.0.0_" + strings.Repeat("a", 200)}, invalid: "the registry lists the invalid tag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := tc.parse(tc.version)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Select(t.Context(), tc.tags)
			if tc.invalid != "" {
				wantInvalid(t, err, tc.invalid)
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("tag (-want +got):\n%s", diff)
			}
			var perr *problem.Error
			switch {
			case tc.notFound == "" && err != nil:
				t.Error(err)
			case tc.notFound != "" && (!errors.As(err, &perr) || perr.Kind != problem.KindNotFound || !strings.Contains(perr.Detail, tc.notFound)):
				t.Errorf("got %v, want not found: %s", err, tc.notFound)
			case tc.notFound != "" && (perr.Next == "" || !strings.Contains(perr.Next, tc.next)):
				t.Errorf("got the hint %q, want %q", perr.Next, tc.next)
			}
		})
	}
}

func TestSelectIsForRangesOnly(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.0.0", "@" + digestA} {
		s, err := chart.ParseTagOrDigest(version)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Select(t.Context(), []string{"1.0.0"})
		wantInvalid(t, err, "is not a range of versions")
	}
}

// TestSelectEndsWithItsCaller: a list of tags is read no further when nobody waits for the answer.
func TestSelectEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	over, stop := context.WithCancel(t.Context())
	stop()
	for _, version := range []string{"*", "9"} {
		s, err := chart.ParseFluxVersion(version)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Select(over, []string{"1.0.0"})
		if perr, ok := errors.AsType[*problem.Error](err); !ok || perr.Kind != problem.KindTimeout {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestAttackCostOfSemverFilter: a filter of 250 characters can have a million states, each of which meets each character
// of 10,000 tags. Honest ones have less than a hundred.
func TestAttackCostOfSemverFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentence, filter string
		refused          bool
	}{
		{"optional letters, counted", strings.Repeat("(.?){999}", 28) + "~", true},
		{"letters up to a count", strings.Repeat(".{0,999}", 31) + "~", true},
		{"a class up to a count", strings.Repeat(`\pL{0,999}`, 25) + "~", true},
		{"a count in a count", "((a{30}){30})*~", true},
		{"a count without an end", "a{600,}", true},
		{"one large count", "a{501}", true},
		{"no filter", "", false},
		{"release candidates", ".*-rc.*", false},
		{"a version, in full", `^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)-(?:alpha|beta|rc)\.[0-9]+$`, false},
		{"a time and a commit", `^[0-9]{14}-[0-9a-f]{40}$`, false},
		{"a SHA-256", `-[0-9a-f]{64}$`, false},
		{"a long word", strings.Repeat("a", 256), false},
		{"many words", strings.Repeat("word|", 50), false},
	} {
		_, err := chart.ParseFluxRef(chart.FluxRef{SemVer: "*", SemVerFilter: c.filter})
		if c.refused {
			wantInvalid(t, err, "repeats too much")
		} else if err != nil {
			t.Errorf("%s: %v", c.sentence, err)
		}
	}
}

func TestSelectIsOfAnyOrderOfTags(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	tags := []string{"1.0.0", "1.0.1", "1.0.1_a", "1.1.0-rc.1", "2.0.0", "2.0.0_b", "v3.0.0", "latest"}
	for _, version := range []string{"*", "1.0.x", "<2", ">=1.1.0-0 <2", "9"} {
		s, err := chart.ParseFluxVersion(version)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := s.Select(t.Context(), tags)
		for range 50 {
			random.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
			if got, err := s.Select(t.Context(), tags); got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%s of %v: %q, %v; in another order %q, %v", version, tags, got, err, want, wantErr)
			}
		}
	}
}

// TestTheTagIsTheConsumersTag compares chartgate with the consumers' own algorithms
// (parity_test.go) on random lists of tags. Where chartgate gives a tag, the consumer must give the
// same. Where it refuses, the consumer must fail too, or give another answer for another order of
// the list.
func TestTheTagIsTheConsumersTag(t *testing.T) {
	t.Parallel()
	versions := []string{
		"", "*", "x", "X", "1", "v1", "1.0", "1.x", "1.2.x", "1.2.*", "1.0.0", "v1.0.0", "=1.0.0", "= 1.0.0", "!=1.0.0", ">=1.0.0", "=>1.0.0",
		"<2.0.0", ">0.9 <2", ">0.9, <2", "^1.0.0", "^0", "^0.0", "~1.2.0", "~1", "~>1.2", "1.0.0 - 2.0.0", "1.x || >=2.0.0-0", ">=1.0.0-0", ">=2.0.0-rc.1",
		"^2.0.0-rc.1", "~2.1.0-0", "1.0.0+build.1", "=1.0.0+build.1", "1.0.0-rc.1", "2025.02.03", "01.2.0", "latest", "main", "v1.x", "1.0.0_build.1", " 1.x ",
		"1.x\n", "||", ",", "1.x ||", "sha256-abc.sig",
	}
	universe := []string{
		"0.9.0", "1", "v1", "1.0", "1.0.0", "v1.0.0", "1.0.1", "1.2", "1.2.0", "v1.2.0", "01.2.0", "1.2.3.4", "1.0.0-alpha", "1.0.0-01", "1.0.0-rc.1",
		"1.0.0_build.1", "1.0.0_build.2", "1.0.0-rc.1_b1", "1.0.0_a_b", "v1.1.0_b", "1.10.0", "1.9.0", "2.0.0", "2.0.0-rc.1", "2.0.0-rc.2", "2.1.0-beta_b1",
		"v2.1.0", "10.0.0", "2025.02.03", "2024.03-LTS-RC19", "latest", "main", "x", "1.x", "1.2.x", "v1.x", "sha256-abc.sig", "99999999999999999999.0.0",
	}
	random := rand.New(rand.NewPCG(3, 4))
	outcomes := map[string]int{}
	for range 100 {
		var tags []string
		for range random.IntN(9) {
			tags = append(tags, universe[random.IntN(len(universe))])
		}
		for _, version := range versions {
			for _, c := range consumers(version) {
				outcomes[c.name+", "+compare(t, c, tags)]++
			}
		}
	}
	for _, c := range consumers("*") {
		for _, outcome := range []string{"the same tag", "neither finds one", "ambiguous"} {
			if outcomes[c.name+", "+outcome] < 20 {
				t.Errorf("%s, %s: %d times, the comparison says little", c.name, outcome, outcomes[c.name+", "+outcome])
			}
		}
	}
}

// compare returns what became of one comparison.
func compare(t *testing.T, c consumer, tags []string) string {
	t.Helper()
	s, err := c.parse()
	if err != nil {
		return "refused before any tag is read"
	}
	got, err := lookUp(s, tags)
	want, wantErr := c.tag(tags)
	switch {
	case err == nil && wantErr == nil:
		if got != want {
			t.Fatalf("%s %q of %q: chartgate takes %q, the consumer %q", c.name, c.version, tags, got, want)
		}
		return "the same tag"
	case err == nil && c.mayFail:
		return "only the consumer fails"
	case err == nil:
		t.Fatalf("%s %q of %q: chartgate takes %q, the consumer fails: %v", c.name, c.version, tags, got, wantErr)
	case wantErr != nil:
		return "neither finds one"
	}
	var other []string // each tag once, the first ones last
	for _, tag := range tags {
		if !slices.Contains(other, tag) {
			other = slices.Insert(other, 0, tag)
		}
	}
	if again, err := c.tag(other); !c.rewrites && err == nil && again == want {
		t.Fatalf("%s %q of %q: chartgate refuses (%v), the consumer takes %q in any order", c.name, c.version, tags, lookUpError(s, tags), want)
	}
	return "ambiguous"
}

// lookUp does what package registry does with a selector, on a list of tags.
func lookUp(s chart.Selector, tags []string) (string, error) {
	if tag, ok := s.Tag(); ok && (slices.Contains(tags, tag) || !s.IsRange()) {
		return pull(tag, tags)
	}
	return s.Select(context.Background(), tags)
}

func lookUpError(s chart.Selector, tags []string) error {
	_, err := lookUp(s, tags)
	return err
}

var errNotListed = errors.New("the registry has no such tag")

func pull(tag string, tags []string) (string, error) {
	if !slices.Contains(tags, tag) {
		return "", errNotListed
	}
	return tag, nil
}

func TestVersionsAreThoseOfHelm(t *testing.T) {
	t.Parallel()
	tags := []string{"1.0.0", "latest", "v9.0.0", "1.10.0", "1.2.0_build.5", "1.2.0-rc.1", "2", "2024.03.01", "sha256-abc.sig", "1.2.0+evil", "1.2.0 ", "1.2.0\n3.0.0", ""}
	want := []string{"1.10.0", "1.2.0+build.5", "1.2.0-rc.1", "1.0.0"}
	if diff := cmp.Diff(want, chart.Versions(tags)); diff != "" {
		t.Error(diff)
	}
	if got := chart.Versions(nil); got != nil {
		t.Error(got)
	}
}
