package chart_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

func TestALocationHasOneSpelling(t *testing.T) {
	t.Parallel()
	long := "oci://ghcr.io/" + strings.Repeat("a", 240)
	for _, tc := range []struct{ name, in, want string }{
		{"a chart in a registry", "oci://ghcr.io/acme/charts/podinfo", "oci://ghcr.io/acme/charts/podinfo"},
		{"a registry alone", "oci://ghcr.io", "oci://ghcr.io"},
		{"a slash after the host is dropped", "oci://ghcr.io/", "oci://ghcr.io"},
		{"a classic repository", "https://charts.acme.example", "https://charts.acme.example"},
		{"a classic repository may have upper-case segments", "https://acme.example/Stable/v2_~+x", "https://acme.example/Stable/v2_~+x"},
		{"plain HTTP is a location; whether it may be used is the policy's matter", "http://charts.acme.example/x", "http://charts.acme.example/x"},
		{"a port is kept", "oci://localhost:5000/podinfo", "oci://localhost:5000/podinfo"},
		{"the highest port", "oci://localhost:65535/podinfo", "oci://localhost:65535/podinfo"},
		{"oci's default port is dropped", "oci://ghcr.io:443/acme/x", "oci://ghcr.io/acme/x"},
		{"https's default port is dropped", "https://acme.example:443/x", "https://acme.example/x"},
		{"http's default port is dropped", "http://acme.example:80/x", "http://acme.example/x"},
		{"oci does not default to port 80", "oci://ghcr.io:80/acme/x", "oci://ghcr.io:80/acme/x"},
		{"http does not default to port 443", "http://acme.example:443/x", "http://acme.example:443/x"},
		{"docker.io is itself", "oci://docker.io/acme/x", "oci://docker.io/acme/x"},
		{"index.docker.io is docker.io", "oci://index.docker.io/acme/x", "oci://docker.io/acme/x"},
		{"registry-1.docker.io is docker.io", "oci://registry-1.docker.io/acme/x", "oci://docker.io/acme/x"},
		{"registry.hub.docker.com is docker.io", "oci://registry.hub.docker.com/acme/x", "oci://docker.io/acme/x"},
		{"with the default port it is docker.io too", "oci://registry-1.docker.io:443/acme/x", "oci://docker.io/acme/x"},
		{"a host below docker.io is another one", "oci://mirror.docker.io/acme/x", "oci://mirror.docker.io/acme/x"},
		{"a host that ends in docker.io is another one", "oci://evil-docker.io/acme/x", "oci://evil-docker.io/acme/x"},
		{"library is written out", "oci://docker.io/library/x", "oci://docker.io/library/x"},
		{"dotted IPv4", "oci://127.0.0.1:5000/x", "oci://127.0.0.1:5000/x"},
		{"an IDN in its ASCII form", "oci://xn--bcher-kva.example/x", "oci://xn--bcher-kva.example/x"},
		{"separators inside an OCI segment", "oci://ghcr.io/a-b/a--b/a_b/a__b/a.b", "oci://ghcr.io/a-b/a--b/a_b/a__b/a.b"},
		{"a digit starts a label but not the last one", "oci://1password.example/x", "oci://1password.example/x"},
		{"254 characters", long, long},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseLocation(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("canonical form (-want +got):\n%s", diff)
			}
			again, err := chart.ParseLocation(got.String())
			if err != nil || again != got {
				t.Errorf("the canonical form parses to %q, %v", again, err)
			}
		})
	}
}

func TestALocationThatNeedsInterpretationIsRefused(t *testing.T) {
	t.Parallel()
	const (
		character = "holds a character that no chart location has"
		plain     = "must be plain"
		host      = "has no valid lower-case host name"
		port      = "has an invalid port"
		segment   = "which is not a valid repository name"
		empty     = "has an empty path segment"
		scheme    = "has an unknown scheme"
		tag       = "must not contain a tag"
	)
	for _, tc := range []struct{ name, in, because string }{
		{"nothing", "", "has no scheme"},
		{"no scheme", "ghcr.io/acme/x", "has no scheme"},
		{"a scheme without slashes", "oci:ghcr.io/acme/x", "has no scheme"},
		{"an empty scheme", "://ghcr.io/acme/x", scheme},
		{"an upper-case scheme, which Argo CD takes for Git", "OCI://ghcr.io/acme/x", scheme},
		{"a file", "file:///etc/passwd", scheme},
		{"docker://", "docker://ghcr.io/acme/x", scheme},
		{"two schemes", "oci://oci://ghcr.io/acme/x", port},
		{"no host", "oci:///acme/x", host},
		{"nothing after the scheme", "oci://", host},
		{"dot-dot out of the allowed path", "oci://ghcr.io/acme/charts/../../evil/x", `path segment ".."`},
		{"dot-dot at the end", "oci://ghcr.io/acme/..", `path segment ".."`},
		{"a single dot", "oci://ghcr.io/acme/./x", `path segment "."`},
		{"a single dot in a classic repository", "https://acme.example/./x", `path segment "."; write the location that is meant`},
		{"dot-dot in a classic repository", "https://acme.example/../evil", `path segment ".."`},
		{"an empty segment", "oci://ghcr.io/acme//x", empty},
		{"a leading empty segment", "oci://ghcr.io//x", empty},
		{"a trailing slash", "oci://ghcr.io/acme/x/", empty},
		{"user info that looks like a host", "oci://ghcr.io@evil.example/acme/x", plain},
		{"user info with a password", "oci://user:secret@ghcr.io/acme/x", plain},
		{"a query", "oci://ghcr.io/acme/x?y=z", plain},
		{"a fragment", "https://acme.example/x#y", plain},
		{"a percent-encoded slash", "oci://ghcr.io/acme%2f..%2fevil/x", plain},
		{"a percent-encoded dot-dot", "oci://ghcr.io/acme/%2e%2e/evil", plain},
		{"a percent-encoded host", "oci://ghcr%2eio/acme/x", plain},
		{"a backslash for a slash", `oci://ghcr.io\@evil.example/x`, plain},
		{"a backslash in the path", `oci://ghcr.io/acme\x`, plain},
		{"a digest inside", "oci://ghcr.io/acme/x@sha256:" + strings.Repeat("a", 64), plain},
		{"a tag inside", "oci://ghcr.io/acme/x:1.0.0", tag},
		{"a tag in a middle segment", "oci://ghcr.io/acme:1/x", tag},
		{"an upper-case host", "oci://GHCR.io/acme/x", host},
		{"an upper-case OCI path", "oci://ghcr.io/Acme/x", segment},
		{"a host with a trailing dot", "oci://ghcr.io./acme/x", host},
		{"a host with a leading dot", "oci://.ghcr.io/acme/x", host},
		{"a host with two dots", "oci://ghcr..io/acme/x", host},
		{"a host with an underscore", "oci://gh_cr.io/acme/x", host},
		{"a label that starts with a hyphen", "oci://-ghcr.io/acme/x", host},
		{"a label that ends with a hyphen", "oci://ghcr-.io/acme/x", host},
		{"a label of 64 characters", "oci://" + strings.Repeat("a", 64) + ".io/x", host},
		{"a Unicode host", "oci://bücher.example/x", character},
		{"a look-alike letter in the host", "oci://ghcr.iо/acme/x", character}, // Cyrillic o
		{"a full-width dot in the host", "oci://ghcr．io/acme/x", character},
		{"a full-width solidus in the path", "oci://ghcr.io/acme／x", character},
		{"invalid UTF-8", "oci://ghcr.io/acme/\xff", character},
		{"NUL", "oci://ghcr.io/acme/x\x00", character},
		{"NUL in the host", "oci://ghcr.io\x00.evil.example/x", character},
		{"DEL", "oci://ghcr.io/acme/x\x7f", character},
		{"a newline", "oci://ghcr.io/acme/x\n", character},
		{"a tab", "oci://ghcr.io/acme/\tx", character},
		{"a leading space", " oci://ghcr.io/acme/x", scheme},
		{"a trailing space", "oci://ghcr.io/acme/x ", character},
		{"an escape sequence for the reader's terminal", "oci://ghcr.io/\x1b[2Jx", character},
		{"port 0", "oci://ghcr.io:0/acme/x", port},
		{"port 65536", "oci://ghcr.io:65536/acme/x", port},
		{"a port with leading zeros", "oci://ghcr.io:00443/acme/x", port},
		{"an empty port", "oci://ghcr.io:/acme/x", port},
		{"a negative port", "oci://ghcr.io:-1/acme/x", port},
		{"a port with a sign", "oci://ghcr.io:+443/acme/x", port},
		{"a port by name", "oci://ghcr.io:https/acme/x", port},
		{"two ports", "oci://ghcr.io:443:443/acme/x", port},
		{"IPv4 in hexadecimal", "oci://0x7f.1/x", host},
		{"IPv4 as one hexadecimal number", "oci://0x7f000001/x", host},
		{"IPv4 in short form", "oci://127.1/x", host},
		{"IPv4 as one number", "oci://2130706433/x", host},
		{"IPv4 in octal", "oci://0177.0.0.1/x", host},
		{"IPv4 with a part above 255", "oci://127.0.0.256/x", host},
		{"IPv4 with five parts", "oci://127.0.0.0.1/x", host},
		{"IPv6", "oci://[::1]/x", port},
		{"IPv6 with a port", "oci://[::1]:5000/x", port},
		{"an OCI segment that starts with a dot", "oci://ghcr.io/.hidden/x", segment},
		{"an OCI segment with two dots", "oci://ghcr.io/a..b", segment},
		{"an OCI segment with three underscores", "oci://ghcr.io/a___b", segment},
		{"an OCI segment with a plus", "oci://ghcr.io/a+b", segment},
		{"a star", "oci://ghcr.io/*", segment},
		{"a reference longer than a repository name can be", "oci://ghcr.io/" + strings.Repeat("a", 300), "is longer than 255 characters"},
		{"a very long one", "https://acme.example/" + strings.Repeat("a/", 1<<20), "is longer than 2048 characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseLocation(tc.in)
			wantInvalid(t, err, tc.because)
			if !got.IsZero() {
				t.Errorf("a location came back with the error: %q", got)
			}
		})
	}
}

func TestParseChartWantsAChartInTheLocation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want, because string }{
		{name: "a chart", in: "oci://ghcr.io/podinfo", want: "oci://ghcr.io/podinfo"},
		{name: "a chart of Docker Hub", in: "oci://registry-1.docker.io/acme/podinfo", want: "oci://docker.io/acme/podinfo"},
		{name: "an explicit library", in: "oci://docker.io/library/podinfo", want: "oci://docker.io/library/podinfo"},
		{name: "a classic chart of docker.io needs no namespace", in: "https://docker.io/podinfo", want: "https://docker.io/podinfo"},
		{name: "a registry alone", in: "oci://ghcr.io", because: "names a registry but no chart in it"},
		{name: "a registry and a slash", in: "oci://ghcr.io/", because: "names a registry but no chart in it"},
		{
			name: "no namespace on Docker Hub, which Flux reads as library and Helm does not", in: "oci://docker.io/podinfo",
			because: "lacks the namespace that Docker Hub needs, as in oci://docker.io/acme/podinfo",
		},
		{name: "the same by an alias", in: "oci://index.docker.io/podinfo", because: "lacks the namespace"},
		{name: "what is no location", in: "oci://ghcr.io/../x", because: "path segment"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseChart(tc.in)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("location (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJoinNamesAChartBelowOrNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, below, chart, want, because string }{
		{name: "a chart", below: "oci://ghcr.io/acme", chart: "podinfo", want: "oci://ghcr.io/acme/podinfo"},
		{name: "a chart below a registry", below: "oci://ghcr.io", chart: "podinfo", want: "oci://ghcr.io/podinfo"},
		{name: "a name of several segments, as Flux allows", below: "oci://ghcr.io/acme", chart: "team/podinfo", want: "oci://ghcr.io/acme/team/podinfo"},
		{name: "a classic chart", below: "https://acme.example/stable", chart: "podinfo", want: "https://acme.example/stable/podinfo"},
		{name: "a chart of Docker Hub", below: "oci://docker.io", chart: "acme/podinfo", want: "oci://docker.io/acme/podinfo"},
		{name: "no namespace on Docker Hub", below: "oci://docker.io", chart: "podinfo", because: "lacks the namespace"},
		{name: "an empty name", below: "oci://ghcr.io/acme", chart: "", because: "the chart below oci://ghcr.io/acme has an empty name"},
		{name: "dot-dot to a repository that no policy names", below: "oci://ghcr.io/acme/charts", chart: "../../evil/x", because: `path segment ".."`},
		{name: "an absolute name", below: "oci://ghcr.io/acme", chart: "/evil/x", because: "has an empty path segment"},
		{name: "a name with a trailing slash", below: "oci://ghcr.io/acme", chart: "x/", because: "has an empty path segment"},
		{name: "a tag in the name", below: "oci://ghcr.io/acme", chart: "x:1.0.0", because: "must not contain a tag; remove \":1.0.0\""},
		{name: "a digest in the name", below: "oci://ghcr.io/acme", chart: "x@sha256:" + strings.Repeat("0", 64), because: "must be plain"},
		{name: "a port in the name, below a registry", below: "oci://ghcr.io", chart: ":5000/x", because: "must not contain a tag"},
		{name: "a whole URL as a name", below: "oci://ghcr.io/acme", chart: "oci://evil.example/x", because: "must not contain a tag"},
		{name: "user info in the name", below: "oci://ghcr.io", chart: "@evil.example/x", because: "must be plain"},
		{name: "a name that makes it too long", below: "oci://ghcr.io/acme", chart: strings.Repeat("a", 300), because: "is longer than 255 characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			below, err := chart.ParseLocation(tc.below)
			if err != nil {
				t.Fatal(err)
			}
			got, err := below.Join(tc.chart)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("location (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheZeroLocationIsNoPlace(t *testing.T) {
	t.Parallel()
	var zero chart.Location
	if !zero.IsZero() || zero.IsOCI() || zero.String() != "" {
		t.Errorf("got %q", zero)
	}
	if got, err := zero.Join("podinfo"); err == nil {
		t.Errorf("a chart below no place: %q", got)
	}
}

func TestALocationsParts(t *testing.T) {
	t.Parallel()
	type parts struct {
		Scheme, Host, Path, Name string
		OCI                      bool
	}
	for _, tc := range []struct {
		in   string
		want parts
	}{
		{"oci://localhost:5000/acme/charts/podinfo", parts{"oci", "localhost:5000", "acme/charts/podinfo", "podinfo", true}},
		{"oci://ghcr.io/podinfo", parts{"oci", "ghcr.io", "podinfo", "podinfo", true}},
		{"oci://ghcr.io", parts{"oci", "ghcr.io", "", "", true}},
		{"https://acme.example/stable", parts{"https", "acme.example", "stable", "stable", false}},
		{"http://acme.example/stable", parts{"http", "acme.example", "stable", "stable", false}},
	} {
		l, err := chart.ParseLocation(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got := parts{l.Scheme(), l.Host(), l.Path(), l.Name(), l.IsOCI()}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.in, diff)
		}
	}
}

// wantInvalid: err is a problem of KindInvalid whose text, safe to print, tells why and what to do.
func wantInvalid(t *testing.T, err error, because string) {
	t.Helper()
	var perr *problem.Error
	if !errors.As(err, &perr) || perr.Kind != problem.KindInvalid {
		t.Fatalf("got %v, want an invalid reference", err)
	}
	if !strings.Contains(perr.Detail, because) {
		t.Errorf("got %q, want it to say %q", perr.Detail, because)
	}
	if perr.Next == "" {
		t.Errorf("%q does not say what to do", perr.Detail)
	}
	wantPlain(t, perr.Detail)
	wantPlain(t, perr.Next)
}

// wantPlain: s is one short line that no terminal interprets.
func wantPlain(t *testing.T, s string) {
	t.Helper()
	if len(s) > 2000 {
		t.Errorf("%d bytes of text", len(s))
	}
	for _, r := range strings.ReplaceAll(s, "…", "") {
		if r < ' ' || r >= 0x7f {
			t.Errorf("%q holds %q", s, r)
		}
	}
}
