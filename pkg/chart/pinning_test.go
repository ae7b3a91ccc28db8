package chart_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
)

// What a denial says of a loose reference must be true of it, and what it says to do must help.
func TestLooseness(t *testing.T) {
	t.Parallel()
	flux := chart.ParseFluxVersion
	argo := chart.ParseArgoHelmRevision
	native := chart.ParseArgoNativeRevision
	cli := chart.ParseTagOrDigest
	tag := func(s string) (chart.Selector, error) { return chart.ParseFluxRef(chart.FluxRef{Tag: s}) }
	semver := func(s string) (chart.Selector, error) { return chart.ParseFluxRef(chart.FluxRef{SemVer: s}) }
	const (
		incompleteRange = " is an incomplete version, which is read as a range, and names other content tomorrow"
		incompleteTag   = " is a tag with an incomplete version, and such tags are moved to other content"
		noVersion       = " is a tag without a complete version, and such tags are moved to other content"
		aRange          = " is a range of versions, and names other content tomorrow"
		single          = " is read as a range, though it holds one version only: several tags can match it"
	)
	for _, tc := range []struct {
		name      string
		parse     func(string) (chart.Selector, error)
		in        string
		why, next string
	}{
		{"no version for Flux", flux, "", `no version, or "*", names the newest one`, `write one complete version, as in version: "1.2.3"`},
		{"a range for Flux", flux, ">=6.0.0", `">=6.0.0"` + aRange, `write one complete version, as in version: "1.2.3"`},
		{"an incomplete version for Flux", flux, "6.7", `"6.7"` + incompleteRange, `write one complete version, as in version: "1.2.3"`},
		{"a date with dashes for Flux", flux, "2024-03-01", `"2024-03-01"` + incompleteRange, `write one complete version, as in version: "1.2.3"`},
		{"one version with an operator", flux, "=1.2.3", `"=1.2.3"` + single, `name the version itself: version: "1.2.3"`},
		{"one version with a blank", flux, " 1.2.3+b", `" 1.2.3+b"` + single, `name the version itself: version: "1.2.3+b"`},
		{"from a version to itself", flux, "1.2.3 - 1.2.3", `"1.2.3 - 1.2.3"` + single, `name the version itself: version: "1.2.3"`},
		{"from a version to another", flux, "1.2.3 - 1.2.4", `"1.2.3 - 1.2.4"` + aRange, `write one complete version, as in version: "1.2.3"`},
		{"a version that can be moved", flux, "2024.03.01", "a tag can be moved to other content", `write one complete version, as in version: "1.2.3"`},
		{"a version in semver", semver, "0.0.17", `"0.0.17"` + single, `name the version itself: ref: {tag: "0.0.17"}`},
		{"a version with build metadata in semver", semver, "0.0.17+b", `"0.0.17+b"` + single, `name the version itself: ref: {tag: "0.0.17_b"}`},
		{"latest", tag, "latest", `the tag "latest" names other content tomorrow`, `write one complete version, as in ref: {tag: "1.2.3"}`},
		{"no ref at all", func(string) (chart.Selector, error) { return chart.ParseFluxRef(chart.FluxRef{}) }, "", `the tag "latest" names other content tomorrow`, `write one complete version, as in ref: {tag: "1.2.3"}`},
		{"a branch", tag, "main", `"main"` + noVersion, `write one complete version, as in ref: {tag: "1.2.3"}`},
		{"a git SHA", tag, "sha-0a1b2c3", `"sha-0a1b2c3"` + noVersion, `write one complete version, as in ref: {tag: "1.2.3"}`},
		{"an incomplete tag", tag, "1.0", `"1.0"` + incompleteTag, `write one complete version, as in ref: {tag: "1.2.3"}`},
		{"an incomplete tag for Argo CD", argo, "v1", `"v1"` + incompleteTag, `write one complete version, as in targetRevision: "1.2.3"`},
		{"a range for Argo CD", argo, "1.x", `"1.x"` + aRange, `write one complete version, as in targetRevision: "1.2.3"`},
		{"a tag or a range", native, "1.x", `"1.x" is a floating tag or a range of versions, and names other content tomorrow`, `write one complete version, as in targetRevision: "1.2.3"`},
		{"a range on the command line", cli, ":>=1", `">=1"` + aRange, "write one complete version, as in :1.2.3"},
		{
			"a sync that resolves later", func(s string) (chart.Selector, error) { s2, err := argo(s); return s2.Floating(), err }, "1.x",
			"the sync names no revision, or one that a retry resolves again, so Argo CD would look it up later, without the gate",
			`sync to a concrete revision, as the CLI of Argo CD does, without retry.refresh, or pin the source: targetRevision: "1.2.3"`,
		},
		{
			"a native sync that resolves later", func(s string) (chart.Selector, error) { s2, err := native(s); return s2.Floating(), err }, "1.0.0",
			"the sync names no revision, or one that a retry resolves again, so Argo CD would look it up later, without the gate",
			`sync to a concrete revision, as the CLI of Argo CD does, without retry.refresh, or pin the source: targetRevision: "sha256:<64 hex digits>"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := tc.parse(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			why, next := s.Looseness()
			if diff := cmp.Diff([]string{tc.why, tc.next}, []string{why, next}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTwinsAreSpelledWithAndWithoutV(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"1.0.0", "v1.0.0"}, {"v1.0.0", "1.0.0"}, {"1.0.0_b", "v1.0.0_b"}, {"2024.03.01", "v2024.03.01"}, {"1", "v1"}, {"latest", ""}, {"vault", ""}, {"v", ""},
		{"@" + digestA, ""}, {">=1", ""},
	} {
		s, err := chart.ParseTagOrDigest(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Twin(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.in, got, tc.want)
		}
	}
}
