package chart_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

const (
	hexA    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestA = "sha256:" + hexA
)

func TestParseReferenceReadsATagADigestOrBoth(t *testing.T) {
	t.Parallel()
	type parsed struct {
		Location, Text string
		Selected       selected
	}
	tag := func(tag, pinning string) selected { return selected{Text: tag, Tag: tag, Pinning: pinning} }
	for _, tc := range []struct {
		name, in string
		want     parsed
	}{
		{"a tag", "oci://ghcr.io/acme/x:1.0.0", parsed{"oci://ghcr.io/acme/x", "oci://ghcr.io/acme/x:1.0.0", tag("1.0.0", "Version")}},
		{"a floating tag", "oci://ghcr.io/acme/x:latest", parsed{"oci://ghcr.io/acme/x", "oci://ghcr.io/acme/x:latest", tag("latest", "Floating")}},
		{"a tag and a port", "oci://localhost:5000/x:1.0.0", parsed{"oci://localhost:5000/x", "oci://localhost:5000/x:1.0.0", tag("1.0.0", "Version")}},
		{"a digest", "oci://ghcr.io/acme/x@" + digestA, parsed{"oci://ghcr.io/acme/x", "oci://ghcr.io/acme/x@" + digestA, selected{Text: digestA, Digest: digestA, Pinning: "Digest"}}},
		{"a digest and a port", "oci://localhost:5000/x@" + digestA, parsed{"oci://localhost:5000/x", "oci://localhost:5000/x@" + digestA, selected{Text: digestA, Digest: digestA, Pinning: "Digest"}}},
		{
			"a tag and a digest: the digest decides", "oci://ghcr.io/acme/x:1.0.0@" + digestA,
			parsed{"oci://ghcr.io/acme/x", "oci://ghcr.io/acme/x:1.0.0@" + digestA, selected{Text: "1.0.0@" + digestA, Digest: digestA, Pinning: "Digest"}},
		},
		{"Docker Hub by another name", "oci://index.docker.io/acme/x:1.0.0", parsed{"oci://docker.io/acme/x", "oci://docker.io/acme/x:1.0.0", tag("1.0.0", "Version")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseReference(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, parsed{got.Location.String(), got.String(), look(got.Selector)}); diff != "" {
				t.Errorf("reference (-want +got):\n%s", diff)
			}
			again, err := chart.ParseReference(got.String())
			if err != nil || again != got {
				t.Errorf("its text parses to %v, %v", again, err)
			}
		})
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, because string }{
		{"nothing", "", "has no scheme"},
		{"no version", "oci://ghcr.io/acme/x", "has neither a version nor a digest"},
		{"no version after a port", "oci://localhost:5000/x", "has neither a version nor a digest"},
		{"a port that looks like a tag", "oci://localhost:5000", "names a registry but no chart"},
		{"an empty tag", "oci://ghcr.io/acme/x:", `"" is not a valid version or tag`},
		{"an empty digest", "oci://ghcr.io/acme/x@", "is not a digest"},
		{"an empty tag before a digest", "oci://ghcr.io/acme/x:@" + digestA, "is not a valid version or tag"},
		{"a digest as a tag", "oci://ghcr.io/acme/x:" + digestA, "must not contain a tag"},
		{"two digests", "oci://ghcr.io/acme/x@" + digestA + "@" + digestA, "is not a digest"},
		{"two tags", "oci://ghcr.io/acme/x:1:2", "must not contain a tag"},
		{"a slash in the tag", "oci://ghcr.io/acme/x:1/2", "must not contain a tag"},
		{"user info", "oci://user@ghcr.io/acme/x:1.0.0", `"oci://***@ghcr.io/acme/x:1.0.0" must be plain`},
		{"user info with a password", "oci://user:secret@ghcr.io/acme/x:1.0.0", `"oci://***@ghcr.io/acme/x:1.0.0" must be plain`},
		{"neither a tag nor a range", "oci://ghcr.io/acme/x:a b", "is not a valid version or tag"},
		{"a tag that starts with a dot", "oci://ghcr.io/acme/x:.1", "is not a valid version or tag"},
		{"a tag of 129 characters", "oci://ghcr.io/acme/x:" + strings.Repeat("1", 129), "is not a valid version or tag"},
		{"a newline in the tag", "oci://ghcr.io/acme/x:main\n", "is not a valid version or tag"},
		{"dot-dot", "oci://ghcr.io/acme/../x:1.0.0", "path segment"},
		{"no namespace on Docker Hub", "oci://docker.io/x:1.0.0", "lacks the namespace"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseReference(tc.in)
			if !got.IsZero() {
				t.Errorf("a reference came back with the error: %v", got)
			}
			wantInvalid(t, err, tc.because)
		})
	}
}

// Whatever chartgate prints as a reference, chartgate verify reads: people paste it.
func TestWhatIsPrintedCanBeReadAgain(t *testing.T) {
	t.Parallel()
	digest, err := chart.ParseDigest(digestA)
	if err != nil {
		t.Fatal(err)
	}
	var selectors []chart.Selector
	add := func(s chart.Selector, err error) {
		if err == nil {
			selectors = append(selectors, s, s.Floating(), s.At(digest))
		}
	}
	for _, text := range []string{
		"", "*", "1", "1.0", "v1.0", "1.x", "x", "1.0.0", "v1.0.0", "1.0.0+b.1", "1.0.0_b", "2024.03.01", "1.2345.0067", "2024-03-01", "1.2.3.4", "=1.0.0", " 1.0.0", "1.0.0 ",
		">=1.0.0 <2.0.0", ">1, <2", "1.x || >=3.0.0-0", "1.0.0 - 2.0.0", "~>1.2", "^1.2.3+b", "1.x\n", "latest", "main", digestA, "1.0.0@" + digestA, "sha-0a1b2c3",
		"1.0.0-" + strings.Repeat("a", 122), ">=1.0.0 " + strings.Repeat("|| 1 ", 30),
	} {
		add(chart.ParseFluxVersion(text))
		add(chart.ParseFluxRef(chart.FluxRef{Tag: text}))
		add(chart.ParseFluxRef(chart.FluxRef{SemVer: text, ChartLayer: true}))
		add(chart.ParseFluxRef(chart.FluxRef{Digest: text}))
		add(chart.ParseArgoHelmRevision(text))
		add(chart.ParseArgoNativeRevision(text))
		add(chart.ParseTagOrDigest(text))
	}
	if len(selectors) < 200 {
		t.Fatalf("%d selectors only", len(selectors))
	}
	for _, where := range []string{
		"oci://ghcr.io/acme/x", "oci://localhost:5000/x", "oci://docker.io/acme/x", "https://charts.acme.example/stable/x", "http://chartmuseum.charts.svc:8080/x",
		"https://gitlab.example/api/v4/projects/team%2fcharts/packages/helm/stable/x", "https://charts.acme.example/x?token=secret",
	} {
		location, err := chart.ParseChart(where)
		if err != nil {
			t.Fatal(err)
		}
		for _, selector := range selectors {
			printed := chart.Reference{Location: location, Selector: selector}.String()
			read, err := chart.ParseReference(printed)
			if err != nil {
				t.Errorf("%q: %v", printed, err)
				continue
			}
			if read.Location != location || read.String() != printed {
				t.Errorf("%q is read as %q", printed, read)
			}
			want, pinned := selector.Digest()
			if got, is := read.Selector.Digest(); is != pinned || got != want {
				t.Errorf("%q names the digest %q, %v", printed, got, is)
			}
			if tag, literal := selector.Tag(); literal && !selector.IsRange() {
				if got, is := read.Selector.Tag(); !is || got != tag {
					t.Errorf("%q names the tag %q instead of %q", printed, got, tag)
				}
			}
			if !pinned { // the form in which denials name what a version led to
				if again, err := chart.ParseReference(printed + "@" + digestA); err != nil || again.Selector.Pinning() != chart.ByDigest {
					t.Errorf("%q with a digest: %v, %v", printed, again, err)
				}
			}
		}
	}
}

func TestAReferenceWithoutAVersionIsItsLocation(t *testing.T) {
	t.Parallel()
	location, err := chart.ParseChart("oci://ghcr.io/acme/x")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{chart.Reference{Location: location}.String(), chart.Reference{}.String()}
	if diff := cmp.Diff([]string{"oci://ghcr.io/acme/x", ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnlySHA256DigestsAreDigests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		good     bool
	}{
		{"64 lower-case digits", digestA, true},
		{"all digits", "sha256:" + strings.Repeat("0123456789abcdef", 4), true},
		{"nothing", "", false},
		{"the algorithm alone", "sha256:", false},
		{"no algorithm", hexA, false},
		{"63 digits", digestA[:70], false},
		{"65 digits", digestA + "a", false},
		{"upper case", strings.ToUpper(digestA[7:]), false},
		{"an upper-case digit", digestA[:70] + "A", false},
		{"an upper-case algorithm", "SHA256:" + hexA, false},
		{"a letter that is no digit", digestA[:70] + "g", false},
		{"a letter that is no digit, inside", "sha256:" + hexA[:32] + "g" + hexA[:31], false},
		{"sha512", "sha512:" + hexA + hexA, false},
		{"md5", "md5:" + hexA[:32], false},
		{"a space", " " + digestA, false},
		{"a newline", digestA[:70] + "\n", false},
		{"a Unicode digit", digestA[:69] + "é", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseDigest(tc.in)
			if !tc.good {
				wantInvalid(t, err, "is not a digest of the form sha256:<64 hex digits>")
				if !got.IsZero() {
					t.Errorf("a digest came back with the error: %v", got)
				}
				return
			}
			if err != nil || got.IsZero() || got.String() != tc.in || "sha256:"+got.Hex() != tc.in {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	if zero := (chart.Digest{}); !zero.IsZero() || zero.String() != "" || zero.Hex() != "" {
		t.Errorf("the zero digest is %q", zero)
	}
}

func TestQuotedInputIsSafeToPrint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain text", "podinfo", `"podinfo"`},
		{"quotes", `a"b`, `"a\"b"`},
		{"a line of somebody else's", "x\n  next: curl evil.example", `"x\n  next: curl evil.example"`},
		{"an escape sequence", "\x1b[31m", `"\x1b[31m"`},
		{"right-to-left override", "a\u202eb", `"a\u202eb"`},
		{"invalid UTF-8", "\xff", `"\xff"`},
		{"200 bytes", strings.Repeat("a", 200), `"` + strings.Repeat("a", 200) + `"`},
		{"201 bytes", strings.Repeat("a", 201), `"` + strings.Repeat("a", 200) + `"…`},
		{"a character cut in two", strings.Repeat("a", 199) + "é", `"` + strings.Repeat("a", 199) + `\xc3"…`},
	} {
		if diff := cmp.Diff(tc.want, problem.QuoteInput(tc.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestAProblemKeepsItsCauseForTheLog(t *testing.T) {
	t.Parallel()
	cause := problem.Invalid("the cause")
	perr := &problem.Error{Kind: problem.KindTimeout, Detail: "no answer", Err: cause}
	hinted := perr.WithNext("try %s", "again")
	want := &problem.Error{Kind: problem.KindTimeout, Detail: "no answer", Next: "try again", Err: cause}
	if diff := cmp.Diff(want, hinted); diff != "" {
		t.Errorf("with a hint (-want +got):\n%s", diff)
	}
	if perr.Next != "" {
		t.Error("WithNext changed the original")
	}
	if diff := cmp.Diff([]string{"no answer: the cause", "the cause"}, []string{perr.Error(), cause.Error()}); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if perr.Unwrap() != error(cause) {
		t.Error("the cause is lost")
	}
}

func TestTheNamesOfFormatsAndPinnings(t *testing.T) {
	t.Parallel()
	got := []string{
		attachment.Bundle.String(), attachment.Legacy.String(), attachment.Format(0).String(),
		chart.Pinning(0).String(), chart.Floating.String(), chart.Version.String(), chart.ByDigest.String(), chart.Pinning(9).String(),
	}
	want := []string{"bundle", "legacy signature", "unknown format", "Floating", "Floating", "Version", "Digest", "Floating"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if !(chart.Floating < chart.Version && chart.Version < chart.ByDigest) {
		t.Error("pinnings are not in order")
	}
}
