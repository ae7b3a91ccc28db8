package chart_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// selected is all that a Selector shows.
type selected struct {
	Text, Tag, Digest string
	Range             bool
	Pinning           string
}

func look(s chart.Selector) selected {
	tag, named := s.Tag()
	if !named {
		tag = ""
	}
	digest, pinned := s.Digest()
	if !pinned {
		digest = chart.Digest{}
	}
	return selected{Text: s.String(), Tag: tag, Digest: digest.String(), Range: s.IsRange(), Pinning: s.Pinning().String()}
}

type selectorCase struct {
	name, in string
	want     selected
	because  string // the refusal, if it is refused
	next     string // part of what it says to do; something it always says
}

func testSelectors(t *testing.T, parse func(string) (chart.Selector, error), cases []selectorCase) {
	t.Helper()
	t.Parallel()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(tc.in)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				var perr *problem.Error
				if errors.As(err, &perr) && (perr.Next == "" || !strings.Contains(perr.Next, tc.next)) {
					t.Errorf("hint %q, want %q", perr.Next, tc.next)
				}
				if !got.IsZero() {
					t.Errorf("a selector came back with the error: %+v", look(got))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, look(got)); diff != "" {
				t.Errorf("selector (-want +got):\n%s", diff)
			}
		})
	}
}

func literal(text, tag, pinning string) selected {
	return selected{Text: text, Tag: tag, Pinning: pinning}
}

func ranged(text string) selected { return selected{Text: text, Range: true, Pinning: "Floating"} }

func pinned(text string) selected {
	return selected{Text: text, Digest: digestA, Pinning: "Digest"}
}

// By github.com/fluxcd/pkg/version.ParseVersion: three dotted parts are a tag, all else is a range.
func TestFluxHelmVersions(t *testing.T) {
	testSelectors(t, chart.ParseFluxVersion, []selectorCase{
		{name: "three parts are a literal tag", in: "6.7.1", want: literal("6.7.1", "6.7.1", "Version")},
		{name: "a leading v is kept", in: "v1.0.0", want: literal("v1.0.0", "v1.0.0", "Version")},
		{name: "a pre-release is literal", in: "1.0.0-rc.1", want: literal("1.0.0-rc.1", "1.0.0-rc.1", "Version")},
		{name: "build metadata becomes an underscore", in: "1.0.0+build.7", want: literal("1.0.0+build.7", "1.0.0_build.7", "Version")},
		{name: "a date is literal, though its zeros make it no semantic version", in: "2024.03.01", want: literal("2024.03.01", "2024.03.01", "Version")},
		{name: "so is a build number with zeros", in: "1.2345.0067", want: literal("1.2345.0067", "1.2345.0067", "Version")},
		{name: "a date with v", in: "v2024.03.01", want: literal("v2024.03.01", "v2024.03.01", "Version")},
		{name: "a date with a pre-release and build metadata", in: "2024.03.01-rc.1+7", want: literal("2024.03.01-rc.1+7", "2024.03.01-rc.1_7", "Version")},
		{name: "a date with dashes is a range", in: "2024-03-01", want: ranged("2024-03-01")},
		{name: "one version twice is a range", in: "1.2.3 - 1.2.3", want: ranged("1.2.3 - 1.2.3")},
		{name: "a pre-release with a leading zero, which Flux takes for nothing", in: "1.0.0-01", because: "is neither a version nor a range", next: "OCIRepository"},
		{name: "one part is a range", in: "1", want: ranged("1")},
		{name: "two parts are a range", in: "1.0", want: ranged("1.0")},
		{name: "two parts with v are a range", in: "v1.0", want: ranged("v1.0")},
		{name: "a wildcard", in: "1.0.x", want: ranged("1.0.x")},
		{name: "a caret", in: "^1.2.3", want: ranged("^1.2.3")},
		{name: "two bounds", in: ">=1.0.0 <2.0.0", want: ranged(">=1.0.0 <2.0.0")},
		{name: "alternatives", in: "1.x || 3.x", want: ranged("1.x || 3.x")},
		{name: "a version with an operator is a range", in: "=1.0.0", want: ranged("=1.0.0")},
		{name: "a version with a space is a range", in: " 1.0.0", want: ranged(" 1.0.0")},
		{name: "a star", in: "*", want: ranged("*")},
		{name: "empty means the newest", in: "", want: ranged("*")},
		{
			name: "latest is neither", in: "latest", because: `"latest" is neither a version nor a range of versions`,
			next: `write one complete version, as in version: "1.2.3"; a tag such as "latest" can be named in an OCIRepository only`,
		},
		{name: "four parts", in: "1.0.0.0", because: "is neither a version nor a range", next: `a tag such as "1.0.0.0" can be named in an OCIRepository only`},
		{name: "an underscore", in: "1.0.0_1", because: "is neither a version nor a range", next: `version: "1.0.0+1"`},
		{name: "a git SHA", in: "0a1b2c3", because: "is neither a version nor a range", next: "OCIRepository only"},
		{name: "a digest", in: digestA, because: "is neither a version nor a range"},
		{name: "a version and a digest", in: "1.0.0@" + digestA, because: "is neither a version nor a range"},
		{name: "a path", in: "1.0.0/../../evil", because: "is neither a version nor a range"},
		{name: "a very long version", in: "1.0.0-" + strings.Repeat("a", 200), because: "is not a valid version or tag"},
		{name: "a very long range", in: ">=1.0.0" + strings.Repeat(" ", 300), because: "is longer than 256 characters"},
		{name: "33 alternatives", in: strings.Repeat("1||", 33) + "1", because: "is neither a version nor a range"},
		{name: "control characters", in: "1.0.0\x00", because: "is neither a version nor a range"},
	})
}

func TestFluxRefs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		in      chart.FluxRef
		want    selected
		because string
		next    string
	}{
		{name: "nothing means latest", want: literal("latest", "latest", "Floating")},
		{name: "a tag", in: chart.FluxRef{Tag: "6.7.1"}, want: literal("6.7.1", "6.7.1", "Version")},
		{name: "a floating tag", in: chart.FluxRef{Tag: "main"}, want: literal("main", "main", "Floating")},
		{name: "a tag that looks like a range is a tag", in: chart.FluxRef{Tag: "1.x"}, want: literal("1.x", "1.x", "Floating")},
		{name: "an incomplete version is a floating tag", in: chart.FluxRef{Tag: "1.0"}, want: literal("1.0", "1.0", "Floating")},
		{name: "a tag with an underscore for a plus", in: chart.FluxRef{Tag: "1.0.0_1"}, want: literal("1.0.0_1", "1.0.0_1", "Version")},
		{name: "a range", in: chart.FluxRef{SemVer: ">=1.0.0"}, want: ranged(">=1.0.0")},
		{name: "a complete version as a range still floats", in: chart.FluxRef{SemVer: "1.0.0"}, want: ranged("1.0.0")},
		{name: "a digest", in: chart.FluxRef{Digest: digestA}, want: pinned(digestA)},
		{name: "the digest beats all", in: chart.FluxRef{Digest: digestA, SemVer: ">=1.0.0", Tag: "main"}, want: pinned(digestA)},
		{name: "the range beats the tag", in: chart.FluxRef{SemVer: ">=1.0.0", Tag: "1.0.0"}, want: ranged(">=1.0.0")},
		{name: "a filter without a range means nothing", in: chart.FluxRef{Tag: "1.0.0", SemVerFilter: "("}, want: literal("1.0.0", "1.0.0", "Version")},
		{name: "a bad digest is not passed over for the tag", in: chart.FluxRef{Digest: "sha256:x", Tag: "1.0.0"}, because: "is not a digest"},
		{name: "a sha512 digest", in: chart.FluxRef{Digest: "sha512:" + hexA + hexA}, because: "is not a digest"},
		{name: "a bad range is not passed over for the tag", in: chart.FluxRef{SemVer: "main", Tag: "1.0.0"}, because: "is neither a version nor a range"},
		{name: "a bad filter", in: chart.FluxRef{SemVer: "*", SemVerFilter: "("}, because: "is not a regular expression"},
		{name: "a very long filter", in: chart.FluxRef{SemVer: "*", SemVerFilter: strings.Repeat("a", 257)}, because: "is longer than 256 characters"},
		{name: "a date", in: chart.FluxRef{Tag: "2024.03.01"}, want: literal("2024.03.01", "2024.03.01", "Version")},
		{name: "four parts", in: chart.FluxRef{Tag: "v1.2.3.4"}, want: literal("v1.2.3.4", "v1.2.3.4", "Version")},
		{name: "four parts of which one is a wildcard to its reader", in: chart.FluxRef{Tag: "1.2.3.x"}, want: literal("1.2.3.x", "1.2.3.x", "Floating")},
		{name: "a date with dashes is a floating tag", in: chart.FluxRef{Tag: "2024-03-01"}, want: literal("2024-03-01", "2024-03-01", "Floating")},
		{name: "a git SHA is a floating tag", in: chart.FluxRef{Tag: "sha-0a1b2c3"}, want: literal("sha-0a1b2c3", "sha-0a1b2c3", "Floating")},
		{name: "a version with an empty suffix is a floating tag", in: chart.FluxRef{Tag: "1.0.0-"}, want: literal("1.0.0-", "1.0.0-", "Floating")},
		{name: "the longest tag", in: chart.FluxRef{Tag: "1.0.0-" + strings.Repeat("a", 122)}, want: literal("1.0.0-"+strings.Repeat("a", 122), "1.0.0-"+strings.Repeat("a", 122), "Version")},
		{name: "a plus in a tag", in: chart.FluxRef{Tag: "1.0.0+1"}, because: "no tag holds a +", next: `write ref: {tag: "1.0.0_1"}`},
		{name: "a plus in a range is fine", in: chart.FluxRef{SemVer: "1.0.0+1"}, want: ranged("1.0.0+1")},
		{name: "an underscore in semver", in: chart.FluxRef{SemVer: "0.0.17_b"}, because: `"0.0.17_b" is the spelling of a tag`, next: `name the tag: ref: {tag: "0.0.17_b"}`},
		{name: "latest in semver", in: chart.FluxRef{SemVer: "latest"}, because: "is neither a version nor a range", next: `name the tag: ref: {tag: "latest"}`},
		{name: "a tag with a digest", in: chart.FluxRef{Tag: "1.0.0@" + digestA}, because: "is not a valid version or tag"},
		{name: "a tag with a slash", in: chart.FluxRef{Tag: "../x"}, because: "is not a valid version or tag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseFluxRef(tc.in)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				var perr *problem.Error
				if errors.As(err, &perr) && (perr.Next == "" || !strings.Contains(perr.Next, tc.next)) {
					t.Errorf("hint %q, want %q", perr.Next, tc.next)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, look(got)); diff != "" {
				t.Errorf("selector (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever parses as a version is a tag, all else is a range; observed with Argo CD 3.2.1.
func TestArgoHelmRevisions(t *testing.T) {
	testSelectors(t, chart.ParseArgoHelmRevision, []selectorCase{
		{name: "a version", in: "6.7.1", want: literal("6.7.1", "6.7.1", "Version")},
		{name: "one part is a literal tag", in: "1", want: literal("1", "1", "Floating")},
		{name: "two parts are a literal tag", in: "1.0", want: literal("1.0", "1.0", "Floating")},
		{name: "v is kept", in: "v1.0.0", want: literal("v1.0.0", "v1.0.0", "Version")},
		{name: "build metadata becomes an underscore", in: "1.0.0+1", want: literal("1.0.0+1", "1.0.0_1", "Version")},
		{name: "a date", in: "2024.03.01", want: literal("2024.03.01", "2024.03.01", "Version")},
		{name: "a build number with zeros", in: "1.2345.0067", want: literal("1.2345.0067", "1.2345.0067", "Version")},
		{name: "a date with dashes is a literal tag, and no complete version", in: "2024-03-01", want: literal("2024-03-01", "2024-03-01", "Floating")},
		{name: "four parts", in: "1.2.3.4", because: "is neither a version nor a range", next: `a tag such as "1.2.3.4" can be named in a native source (oci://) only`},
		{name: "an underscore", in: "1.0.0_1", because: "is neither a version nor a range", next: `targetRevision: "1.0.0+1"`},
		{name: "a star", in: "*", want: ranged("*")},
		{name: "a wildcard", in: "1.x", want: ranged("1.x")},
		{name: "a bound", in: ">=1.0.0", want: ranged(">=1.0.0")},
		{name: "empty", in: "", because: "targetRevision is empty", next: "set targetRevision to the chart's version"},
		{
			name: "a digest", in: digestA, because: "is a digest, which Argo CD's Helm sources refuse",
			next: "use a native source to pin a digest: repoURL: oci://…, without chart",
		},
		{
			name: "a tag and a digest", in: "1.0.0@" + digestA, because: "is a digest, which Argo CD's Helm sources refuse",
			next: "use a native source to pin a digest: repoURL: oci://…, without chart",
		},
		{name: "latest", in: "latest", because: "is neither a version nor a range"},
		{name: "a branch", in: "HEAD", because: "is neither a version nor a range"},
		{name: "a flag for helm", in: "--insecure", because: "is neither a version nor a range"},
		{name: "a very long version", in: "1.0.0-" + strings.Repeat("a", 200), because: "is not a valid version or tag"},
	})
}

// The literal tag first, then a range; observed with Argo CD 3.2.1.
func TestArgoNativeRevisions(t *testing.T) {
	testSelectors(t, chart.ParseArgoNativeRevision, []selectorCase{
		{name: "a version is a tag", in: "1.0.0", want: literal("1.0.0", "1.0.0", "Version")},
		{name: "one part is a tag", in: "1", want: literal("1", "1", "Floating")},
		{name: "any tag", in: "latest", want: literal("latest", "latest", "Floating")},
		{name: "a date", in: "2024.03.01", want: literal("2024.03.01", "2024.03.01", "Version")},
		{name: "four parts", in: "1.2.3.4", want: literal("1.2.3.4", "1.2.3.4", "Version")},
		{name: "a date with dashes", in: "2024-03-01", want: literal("2024-03-01", "2024-03-01", "Floating")},
		{name: "an underscore for a plus", in: "1.0.0_1", want: literal("1.0.0_1", "1.0.0_1", "Version")},
		{name: "a plus", in: "1.0.0+1", because: "no tag holds a +", next: `write targetRevision: "1.0.0_1"`},
		{name: "a digest", in: digestA, want: pinned(digestA)},
		{name: "a tag and a digest: the digest decides", in: "1.0.0@" + digestA, want: pinned("1.0.0@" + digestA)},
		{name: "a wildcard is a tag first", in: "1.x", want: selected{Text: "1.x", Tag: "1.x", Range: true, Pinning: "Floating"}},
		{name: "a lone x is a tag first", in: "x", want: selected{Text: "x", Tag: "x", Range: true, Pinning: "Floating"}},
		{name: "what cannot be a tag is a range", in: ">=1.0.0", want: ranged(">=1.0.0")},
		{name: "a star", in: "*", want: ranged("*")},
		{name: "empty", in: "", because: "targetRevision is empty", next: "set targetRevision to the chart's version or digest"},
		{name: "a bad digest", in: "sha256:abc", because: "is not a digest"},
		{name: "a bad digest after a good tag", in: "1.0.0@sha256:abc", because: "is not a digest"},
		{name: "an empty tag before a digest", in: "@" + digestA, because: "is not a valid tag and digest"},
		{name: "a range before a digest", in: ">=1.0.0@" + digestA, because: "is not a valid tag and digest"},
		{name: "a sha512 digest", in: "sha512:" + hexA + hexA, because: "is not a valid version or tag"},
		{name: "another repository", in: "ghcr.io/evil/x:1.0.0", because: "is not a valid version or tag"},
		{name: "another repository by digest", in: "ghcr.io/evil/x@" + digestA, because: "is not a valid tag and digest"},
		{name: "neither a tag nor a range", in: "a b", because: "is neither a version nor a range"},
	})
}

func TestTagsAndDigestsOnTheCommandLine(t *testing.T) {
	testSelectors(t, chart.ParseTagOrDigest, []selectorCase{
		{name: "a tag", in: ":1.0.0", want: literal("1.0.0", "1.0.0", "Version")},
		{name: "a tag without a colon", in: "1.0.0", want: literal("1.0.0", "1.0.0", "Version")},
		{name: "a tag that looks like a range is a tag first", in: ":1.x", want: selected{Text: "1.x", Tag: "1.x", Range: true, Pinning: "Floating"}},
		{name: "an incomplete version is a tag", in: ":1.0", want: literal("1.0", "1.0", "Floating")},
		{name: "a date", in: ":2024.03.01", want: literal("2024.03.01", "2024.03.01", "Version")},
		{name: "a plus is an underscore, as for helm", in: ":1.0.0+b", want: literal("1.0.0+b", "1.0.0_b", "Version")},
		{name: "a digest", in: "@" + digestA, want: pinned(digestA)},
		{name: "both", in: ":1.0.0@" + digestA, want: pinned("1.0.0@" + digestA)},
		{name: "both, with a plus", in: ":1.0.0+b@" + digestA, want: pinned("1.0.0+b@" + digestA)},
		{name: "a range and the digest that it led to", in: ":>=1.0.0@" + digestA, want: pinned(">=1.0.0@" + digestA)},
		{name: "nothing", in: "", because: "is not a valid version or tag"},
		{name: "a range", in: ":>=1.0.0", want: ranged(">=1.0.0")},
		{name: "a star", in: ":*", want: ranged("*")},
		{name: "neither a tag nor a range", in: ":a b", because: "is not a valid version or tag", next: "write :1.2.3"},
	})
}

func TestTheZeroSelectorChoosesNothing(t *testing.T) {
	t.Parallel()
	var zero chart.Selector
	if diff := cmp.Diff(selected{Pinning: "Floating"}, look(zero)); diff != "" || !zero.IsZero() {
		t.Errorf("zero selector (-want +got):\n%s", diff)
	}
	_, err := zero.Select(t.Context(), []string{"1.0.0"})
	wantInvalid(t, err, "is not a range of versions")
}

func TestAReferenceThatIsResolvedAgainLaterFloats(t *testing.T) {
	t.Parallel()
	for _, version := range []string{":1.0.0", "@" + digestA} {
		s, err := chart.ParseTagOrDigest(version)
		if err != nil {
			t.Fatal(err)
		}
		want := look(s)
		want.Pinning = "Floating"
		if diff := cmp.Diff(want, look(s.Floating())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
		if s.Pinning() == chart.Floating || s.Unseen() || !s.Floating().Unseen() {
			t.Errorf("%s floats already, or never", version)
		}
	}
}

func TestASelectorAtADigestIsThatDigest(t *testing.T) {
	t.Parallel()
	digest, err := chart.ParseDigest(digestA)
	if err != nil {
		t.Fatal(err)
	}
	version, err := chart.ParseFluxVersion("1.x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pinned(digestA), look(version.Floating().At(digest))); diff != "" {
		t.Errorf("selector (-want +got):\n%s", diff)
	}
}
