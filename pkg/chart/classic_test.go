package chart_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
)

func TestAClassicRepositoryHasOneSpelling(t *testing.T) {
	t.Parallel()
	const gitlab = "https://gitlab.example/api/v4/projects/team%2Fcharts/packages/helm/stable"
	for _, tc := range []struct{ name, in, want string }{
		{"GitLab's packages", gitlab, gitlab},
		{"an encoded slash in lower case", strings.Replace(gitlab, "%2F", "%2f", 1), gitlab},
		{"an encoded slash is no slash", "https://acme.example/a%2Fb/c", "https://acme.example/a%2Fb/c"},
		{"slashes at the end", "https://acme.example/charts///", "https://acme.example/charts"},
		{"a slash after the host", "https://acme.example/", "https://acme.example"},
		{"a host in upper case", "https://Charts.ACME.example/X", "https://charts.acme.example/X"},
		{"a host with underscores", "https://my_charts.acme.example/x", "https://my_charts.acme.example/x"},
		{"a host that starts and ends with underscores", "https://_charts_.acme.example/x", "https://_charts_.acme.example/x"},
		{"in the cluster", "http://chartmuseum.charts.svc:8080", "http://chartmuseum.charts.svc:8080"},
		{"a host without a dot", "http://chartmuseum:8080/org/repo", "http://chartmuseum:8080/org/repo"},
		{"a query", "https://acme.example/charts?sv=2024&sig=abc%2Fdef", "https://acme.example/charts?*"},
		{"a query with a URL", "https://acme.example/charts?u=http://x/y:1", "https://acme.example/charts?*"},
		{"an empty query", "https://acme.example/charts?", "https://acme.example/charts?*"},
		{"a query behind the host", "https://acme.example?a=b", "https://acme.example?*"},
		{"a query behind a slash", "https://acme.example/charts/?a=b", "https://acme.example/charts?*"},
		{"an encoded letter", "https://acme.example/%73tabl%65", "https://acme.example/stable"},
		{"an encoded tilde, plus and hyphen", "https://acme.example/%7ea%2Bb%2dc", "https://acme.example/~a+b-c"},
		{"a character that is encoded in one spelling", "https://acme.example/(a=b)", "https://acme.example/%28a%3Db%29"},
		{"the same, encoded already", "https://acme.example/%28a%3db%29", "https://acme.example/%28a%3Db%29"},
		{"a user's folder", "https://acme.example/@alice/charts", "https://acme.example/%40alice/charts"},
		{"a star", "https://acme.example/*", "https://acme.example/%2A"},
		{"an encoded blank and an encoded letter of another script", "https://acme.example/a%20b/%c3%a9", "https://acme.example/a%20b/%C3%A9"},
		{"three dots", "https://acme.example/...", "https://acme.example/..."},
		{"a default port", "https://acme.example:443/x", "https://acme.example/x"},
		{"an encoded colon", "https://acme.example/a%3ab", "https://acme.example/a%3Ab"},
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
			if got.HasQuery() != strings.Contains(tc.in, "?") {
				t.Errorf("a query: %v", got.HasQuery())
			}
			again, err := chart.ParseLocation(got.String())
			if err != nil || again != got {
				t.Errorf("the canonical form parses to %q, %v", again, err)
			}
			below, err := got.Join("podinfo")
			if err != nil {
				t.Fatal(err)
			}
			base, query, _ := strings.Cut(tc.want, "?")
			want := base + "/podinfo"
			if query != "" {
				want += "?" + query
			}
			if diff := cmp.Diff(want, below.String()); diff != "" {
				t.Errorf("a chart in it (-want +got):\n%s", diff)
			}
		})
	}
}

// What servers read in more than one way could hide a chart from the exclusions of a waiver.
func TestAClassicRepositoryThatServersReadDifferentlyIsRefused(t *testing.T) {
	t.Parallel()
	const (
		ambiguous = "which servers read in different ways"
		empty     = "has an empty path segment"
		encoding  = "has a percent sign that encodes nothing"
		host      = "has no valid lower-case host name"
		character = "holds a character that no chart location has"
	)
	for _, tc := range []struct{ name, in, because string }{
		{"dot-dot", "https://acme.example/a/../evil", `path segment ".."`},
		{"encoded dot-dot", "https://acme.example/a/%2e%2E/evil", `path segment ".."`},
		{"dot-dot, half encoded", "https://acme.example/a/.%2e/evil", `path segment ".."`},
		{"dot-dot behind encoded slashes", "https://acme.example/a%2F..%2Fevil", `path segment ".."`},
		{"all of it encoded", "https://acme.example/a%2f%2e%2e%2fevil", `path segment ".."`},
		{"dot-dot at an encoded end", "https://acme.example/a%2F..", `path segment ".."`},
		{"a dot behind an encoded slash", "https://acme.example/a%2F.%2Fb", `path segment "."`},
		{"two slashes", "https://acme.example/a//b", empty},
		{"two encoded slashes", "https://acme.example/a%2F%2Fb", empty},
		{"an encoded slash at the end", "https://acme.example/a%2F", empty},
		{"an encoded slash at the start", "https://acme.example/%2Fa", empty},
		{"an encoded slash alone", "https://acme.example/a/%2F/b", empty},
		{"an encoded percent sign", "https://acme.example/a%252Fb", ambiguous},
		{"an encoded backslash", "https://acme.example/a%5C..%5Cb", ambiguous},
		{"an encoded NUL", "https://acme.example/a%00", ambiguous},
		{"an encoded line break", "https://acme.example/a%0Anext", ambiguous},
		{"an encoded DEL", "https://acme.example/a%7F", ambiguous},
		{"parameters, which some servers drop", "https://acme.example/secret;x/app", ambiguous},
		{"encoded parameters", "https://acme.example/secret%3Bx/app", ambiguous},
		{"a percent sign alone", "https://acme.example/a%", encoding},
		{"half an encoding", "https://acme.example/a%2", encoding},
		{"an encoding that is none", "https://acme.example/a%zz", encoding},
		{"an encoding with a sign", "https://acme.example/a%+1b", encoding},
		{"an encoding over a slash", "https://acme.example/a%2/Fb", encoding},
		{"a backslash", `https://acme.example/a\b`, "without fragment and backslash"},
		{"a fragment", "https://acme.example/x#y", "without fragment and backslash"},
		{"a fragment in a query", "https://acme.example/x?a#y", "without fragment and backslash"},
		{"user info", "https://user:secret@acme.example/x", "without user info"},
		{"user info that looks like a host", "https://ghcr.io@acme.example/x", "without user info"},
		{"a host in another script", "https://b\u00fccher.example/x", character},
		{"a letter of another script", "https://acme.example/\u00e9", character},
		{"a blank", "https://acme.example/a b", character},
		{"a line break", "https://acme.example/a\n", character},
		{"a dot behind the host", "https://acme.example./x", host},
		{"an encoded host", "https://acme%2eexample/x", host},
		{"no host", "https:///x", host},
		{"a host of stars", "https://*.example/x", host},
		{"IPv6", "https://[::1]/x", "has an invalid port"},
		{"IPv4 in short form", "https://127.1/x", host},
		{"a tag", "https://acme.example/x:1.0.0", "must not contain a tag"},
		{"an upper-case scheme", "HTTPS://acme.example/x", "has an unknown scheme"},
		{"a path that is long when it is encoded", "https://acme.example/" + strings.Repeat("=", 1000), "is longer than 2048 characters"},
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

// The name of a chart is a key of the repository's index: no consumer decodes or resolves it.
func TestTheNameOfAClassicChartIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	repository, err := chart.ParseLocation("https://acme.example/stable")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, in, because string }{
		{"an encoded letter", "%61pp", "which no chart can have"},
		{"another folder", "a/b", "which no chart can have"},
		{"an encoded slash", "a%2Fb", "which no chart can have"},
		{"dot-dot", "..", `path segment ".."`},
		{"dot", ".", `path segment "."`},
		{"a query", "a?b", "which no chart can have"},
		{"a version", "a:1.0.0", "which no chart can have"},
		{"a blank", "a b", "which no chart can have"},
		{"a line break", "a\n", "which no chart can have"},
		{"a very long name", strings.Repeat("a", 256), "is longer than 255 characters"},
	} {
		got, err := repository.Join(tc.in)
		t.Log(tc.name)
		wantInvalid(t, err, tc.because)
		if !got.IsZero() {
			t.Errorf("%s: a location came back with the error: %q", tc.name, got)
		}
	}
}
