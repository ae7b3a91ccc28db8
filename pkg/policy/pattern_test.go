package policy_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func about(patterns ...string) v1alpha1.ChartPolicy {
	return changed(requiring("acme", "release"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = patterns })
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	type found struct{ Matches, Covers bool }
	var (
		neither = found{}
		matches = found{Matches: true}
		covers  = found{Covers: true}
		both    = found{Matches: true, Covers: true}
	)
	for _, tc := range []struct {
		name, pattern, location string
		want                    found
	}{
		{"a chart in full", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io/acme/podinfo", matches},
		{"its repository is covered", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io/acme", covers},
		{"and its registry", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io", covers},
		{"what is below it is another chart", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io/acme/podinfo/x", neither},
		{"a longer name is another chart", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io/acme/podinfo-evil", neither},
		{"a name before it is another chart", "oci://ghcr.io/acme/podinfo", "oci://ghcr.io/evil/acme/podinfo", neither},
		{"another scheme is another place", "oci://ghcr.io/acme/podinfo", "https://ghcr.io/acme/podinfo", neither},
		{"plain HTTP is another place", "https://acme.example/**", "http://acme.example/x", neither},
		{"another port is another place", "oci://ghcr.io/**", "oci://ghcr.io:5000/x", neither},
		{"a port", "oci://ghcr.io:5000/**", "oci://ghcr.io:5000/x", both},

		{"a star is one segment", "oci://ghcr.io/acme/*", "oci://ghcr.io/acme/podinfo", matches},
		{"a star is not two segments", "oci://ghcr.io/acme/*", "oci://ghcr.io/acme/charts/podinfo", neither},
		{"a star is not none", "oci://ghcr.io/acme/*", "oci://ghcr.io/acme", covers},
		{"a star within a segment", "oci://ghcr.io/acme/pod*", "oci://ghcr.io/acme/podinfo", matches},
		{"a star may stand for nothing within a segment", "oci://ghcr.io/acme/podinfo*", "oci://ghcr.io/acme/podinfo", matches},
		{"a star within a segment does not reach over the slash", "oci://ghcr.io/acme/p*o", "oci://ghcr.io/acme/pod/info/o", neither},
		{"several stars", "oci://ghcr.io/*/p*d*o", "oci://ghcr.io/acme/podinfo", matches},
		{"a star in the middle", "oci://ghcr.io/*/podinfo", "oci://ghcr.io/acme/podinfo", matches},
		{"a star in the host", "oci://*.acme.example/x", "oci://eu.acme.example/x", matches},
		{"a star in the host takes several labels", "oci://*.acme.example/x", "oci://a.b.acme.example/x", matches},
		{"a star in the host does not make another domain of it", "oci://*.acme.example/x", "oci://acme.example.evil.example/x", neither},
		{"a star in the host needs its dot", "oci://*.acme.example/x", "oci://evilacme.example/x", neither},
		{"a star in the host is no port", "oci://ghcr.io/*", "oci://ghcr.io:5000/x", neither},
		{"a star for the host", "oci://*/acme/x", "oci://any.example:5000/acme/x", matches},

		{"two stars are one segment", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme/podinfo", both},
		{"two stars are several segments", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme/charts/a/b/podinfo", both},
		{"two stars are not none", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme", covers},
		{"two stars in the middle", "oci://ghcr.io/**/podinfo", "oci://ghcr.io/a/b/podinfo", both},
		{"two stars in the middle are not none", "oci://ghcr.io/**/podinfo", "oci://ghcr.io/podinfo", covers},
		{"the rest must match behind two stars", "oci://ghcr.io/**/podinfo", "oci://ghcr.io/a/podinfo/b", covers},
		{"two stars take more than the first chance", "oci://ghcr.io/**/a/x", "oci://ghcr.io/a/a/b/a/x", both},
		{"two stars twice", "oci://ghcr.io/**/charts/**", "oci://ghcr.io/a/b/charts/c/d", both},
		{"two stars twice, with nothing for the second", "oci://ghcr.io/**/charts/**", "oci://ghcr.io/a/b/charts", covers},
		{"two stars twice, with nothing for the first", "oci://ghcr.io/**/charts/**", "oci://ghcr.io/charts/c", covers},
		{"two stars for all of a scheme", "oci://**", "oci://ghcr.io/acme/podinfo", both},
		{"two stars do not leave the scheme", "oci://**", "https://ghcr.io/acme/podinfo", neither},
		{"two stars for host and all", "oci://**/podinfo", "oci://any.example/a/podinfo", both},
		{"a one-segment star beside", "oci://ghcr.io/*/**", "oci://ghcr.io/a", covers},
		{"a repository beside the pattern is not covered", "oci://ghcr.io/acme/**", "oci://ghcr.io/evil", neither},
		{"a repository whose name goes on is not covered", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme-evil", neither},

		{"Docker Hub by one of its names", "oci://docker.io/acme/*", "oci://registry-1.docker.io/acme/x", matches},
		{"a classic repository", "https://charts.legacy.example/**", "https://charts.legacy.example/x", both},
		{"a classic repository itself", "https://charts.legacy.example/**", "https://charts.legacy.example", covers},
		{"classic names have capitals", "https://legacy.example/Stable/*", "https://legacy.example/Stable/X", matches},
		{"a dot is a dot", "oci://ghcr.io/a.b", "oci://ghcr.io/a-b", neither},

		{"an encoded slash", "https://gitlab.example/projects/team%2Fcharts/stable/*", "https://gitlab.example/projects/team%2Fcharts/stable/x", matches},
		{"its repository", "https://gitlab.example/projects/team%2Fcharts/stable/*", "https://gitlab.example/projects/team%2Fcharts/stable", covers},
		{"stars around an encoded slash", "https://gitlab.example/projects/*%2F*/stable/*", "https://gitlab.example/projects/team%2Fcharts/stable/x", matches},
		{"what requires a signature matches slashes for encoded ones, too", "https://gitlab.example/projects/team/charts/*", "https://gitlab.example/projects/team%2Fcharts/x", matches},
		{"and the reverse", "https://gitlab.example/projects/team%2Fcharts/*", "https://gitlab.example/projects/team/charts/x", matches},
		{"and any query", "https://acme.example/charts/*", "https://acme.example/charts/x?a=b", matches},
		{"a pattern for a query", "https://acme.example/charts/*?*", "https://acme.example/charts/x?a=b", matches},
		{"an underscore in the host", "http://my_charts.svc:8080/**", "http://my_charts.svc:8080/x", both},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{about(tc.pattern)}})
			l := locationOf(t, tc.location)
			got := found{Matches: len(set.For(l).Policies()) > 0, Covers: set.Covering(l) != ""}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tc.pattern, tc.location, diff)
			}
			// The ConfigMap's charts are the same patterns.
			text := "- {name: release, charts: ['" + tc.pattern + "'], keyless: {issuer: a, subject: b}}"
			set = compile(t, policy.Input{ConfigMap: &text})
			got = found{Matches: len(set.For(l).Policies()) > 0, Covers: set.Covering(l) != ""}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("in the ConfigMap: %s, %s (-want +got):\n%s", tc.pattern, tc.location, diff)
			}
		})
	}
}

// A pattern that can match nothing would be a policy that protects nothing, without a word.
func TestPatternsThatCouldMatchNoChartAreRefused(t *testing.T) {
	t.Parallel()
	const (
		scheme = "must start with oci://, https://, http://, git:// or bucket://"
		none   = "could match no chart"
	)
	for _, tc := range []struct{ name, pattern, because string }{
		{"nothing", "", scheme},
		{"no scheme", "ghcr.io/acme/**", scheme},
		{"an upper-case scheme", "OCI://ghcr.io/acme/**", scheme},
		{"a star for a scheme", "*://ghcr.io/acme/**", scheme},
		{"another scheme", "docker://ghcr.io/acme/**", scheme},
		{"no host", "oci://", "names no host"},
		{"an empty host", "oci:///acme/**", none},
		{"a registry", "oci://ghcr.io", "names a registry but no charts; append /** for all of them"},
		{"a star for a registry", "oci://*", "names a registry but no charts"},
		{"a trailing slash", "oci://ghcr.io/acme/", none},
		{"a trailing slash behind the stars", "oci://ghcr.io/acme/**/", none},
		{"an empty segment", "oci://ghcr.io//acme", none},
		{"dot-dot", "oci://ghcr.io/acme/../**", none},
		{"two stars beside letters", "oci://ghcr.io/acme**", `"**" must stand alone between slashes`},
		{"two stars beside letters in the host", "oci://**.example/x", `"**" must stand alone between slashes`},
		{"three stars", "oci://ghcr.io/***", `"**" must stand alone between slashes`},
		{"an upper-case host", "oci://GHCR.io/acme/**", none},
		{"an upper-case path", "oci://ghcr.io/Acme/**", none},
		{"a trailing dot of the host", "oci://ghcr.io./acme/**", none},
		{"the default port", "oci://ghcr.io:443/acme/**", `its host is spelled "ghcr.io"`},
		{"the default port behind a star", "oci://*.acme.example:443/**", `its host is spelled "x.acme.example"`},
		{"the default port of https", "https://acme.example:443/**", `its host is spelled "acme.example"`},
		{"an alias of Docker Hub", "oci://index.docker.io/acme/**", `its host is spelled "docker.io"`},
		{"a chart of Docker Hub without a namespace", "oci://docker.io/podinfo", "lacks the namespace that Docker Hub needs"},
		{"a star on Docker Hub without a namespace", "oci://docker.io/*", "lacks the namespace that Docker Hub needs"},
		{"a tag", "oci://ghcr.io/acme/podinfo:1.0.0", none},
		{"a tag of a star", "oci://ghcr.io/acme/podinfo:*", none},
		{"a digest", "oci://ghcr.io/acme/podinfo@sha256:*", none},
		{"user info", "oci://user@ghcr.io/acme/**", none},
		{"a query", "https://acme.example/x?a=*", `may end in "?*", and knows no other query`},
		{"a query in the middle", "https://acme.example/x?*/y", none},
		{"two queries", "https://acme.example/x?*?*", `may end in "?*"`},
		{"any query of an OCI registry", "oci://ghcr.io/acme/x?*", `may end in "?*"`},
		{"an encoded slash in lower case", "https://gitlab.example/team%2fcharts/**", `it is spelled "https://gitlab.example/team%2Fcharts/x/x"`},
		{"an encoded letter", "https://acme.example/%73table/*", `it is spelled "https://acme.example/stable/x"`},
		{"an encoded slash of an OCI registry", "oci://ghcr.io/acme%2Fx", none},
		{"half an encoding", "https://acme.example/a%2*/x", none},
		{"parameters", "https://acme.example/a;x/*", none},
		{"a classic host in upper case", "https://ACME.example/*", `its host is spelled "acme.example"`},
		{"a question mark for a letter", "oci://ghcr.io/acme/podinf?", none},
		{"a class of letters", "oci://ghcr.io/acme/[a-z]*", none},
		{"alternatives", "oci://ghcr.io/{acme,corp}/**", none},
		{"an escape", `oci://ghcr.io/acme/\*`, none},
		{"a space", "oci://ghcr.io/acme/** ", `"**" must stand alone`},
		{"a regular expression", "oci://ghcr.io/acme/.*", none},
		{"Unicode", "oci://bücher.example/**", none},
		{"a very long pattern", "oci://ghcr.io/" + strings.Repeat("a", 500), none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if errs := policy.CheckPolicy(about(tc.pattern)); !strings.Contains(texts(errs), tc.because) || !strings.HasPrefix(texts(errs), "spec.match.charts[0]: ") {
				t.Errorf("got %v, want it to say %q", errs, tc.because)
			}
			excluding := changed(about(all), func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{tc.pattern} })
			if errs := policy.CheckPolicy(excluding); !strings.Contains(texts(errs), tc.because) || !strings.HasPrefix(texts(errs), "spec.match.exclude[0]: ") {
				t.Errorf("as an exclusion: got %v, want it to say %q", errs, tc.because)
			}
		})
	}
}

// A tenant chooses the location; it must not choose how long the webhook thinks.
func TestManyStarsAreMatchedAtOnce(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		"oci://" + strings.Repeat("**/", 40) + "z", "oci://a/" + strings.Repeat("**/a/", 20) + "z", "oci://a/" + strings.Repeat("*a", 100) + "z",
	} {
		set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{about(pattern)}})
		for _, location := range []string{"oci://a" + strings.Repeat("/a", 120), "oci://a/" + strings.Repeat("a", 240)} {
			l, start := locationOf(t, location), time.Now()
			if len(set.For(l).Policies()) > 0 {
				t.Errorf("%s matches %s", pattern, location)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s against %s took %v", pattern, location, took)
			}
		}
	}
}

// FuzzPattern compares patterns with regular expressions of the same meaning. What is refused
// denies everything.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{
		podinfo, all, "oci://**", "oci://**/x", "oci://*/x", "oci://ghcr.io/*/p*o", "oci://a/**/b/**", "https://a.example/B/*", "http://a/**", "oci://*.a:5000/**", "oci://docker.io/*",
		"git://**//**", "git://a/**//b/*", "git://a/b/c//**", "git://a/**/b/**", "git://a/b/**", "bucket://**", "bucket://a/**", "git://a/*/c//**/d",
		"", "oci://a", "oci://a/**b", "oci://a/../**", "oci://a/[b]", "oci://a:443/**", "oci://a/b:1", "oci://*:443/x",
	} {
		f.Add(pattern, podinfo)
		f.Add(pattern, "oci://a/b/c/b/d")
		f.Add(pattern, "https://a.example/B/c")
		f.Add(pattern, "git://a/b/c//b/D")
		f.Add(strings.Replace(pattern, "oci:", "git:", 1), "git://a/b/c//b/d")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		l, err := chart.ParseChart(text)
		if err != nil {
			l = locationOf(t, podinfo)
		}
		set, report := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{about(pattern)}})
		policies := set.For(l).Policies()
		if report.Policies["acme"] != nil {
			if len(policies) != 1 {
				t.Fatalf("the broken pattern %q does not match %v", pattern, l)
			}
			if _, denial := policies[0].Admissible(verdict.Subject{Reference: chart.Reference{Location: l, Selector: version(t, "1.0.0")}}, noon); denial == nil || denial.Reason != verdict.PolicyInvalid {
				t.Fatalf("the broken pattern %q does not deny %v: %+v", pattern, l, denial)
			}
			return
		}
		if l.IsTree() && !strings.Contains(pattern, "%") {
			if got, want := len(policies) == 1, treePattern(pattern).MatchString(strings.ToLower(l.String())); got != want {
				t.Fatalf("%q matches %v: %v, want %v", pattern, l, got, want)
			}
			return
		}
		if l.IsTree() {
			return
		}
		if got, want := len(policies) == 1, denies(pattern, l.String()); got != want {
			t.Fatalf("%q matches %v: %v, want %v", pattern, l, got, want)
		}
		if len(policies) == 0 {
			return
		}
		parent := l.String()
		for parent = parent[:strings.LastIndexByte(parent, '/')]; !strings.HasSuffix(parent, "/"); parent = parent[:strings.LastIndexByte(parent, '/')] {
			if set.Covering(locationOf(t, parent)) == "" {
				t.Fatalf("%q matches %v, but does not cover %s", pattern, l, parent)
			}
		}
	})
}

// denies restates which locations a policy with a requirement is about: those that the pattern
// matches however a server reads encoded slashes, whatever the query.
func denies(pattern, location string) bool {
	pattern, location = strings.TrimSuffix(pattern, "?*"), strings.TrimSuffix(location, "?*")
	decode := strings.NewReplacer("%2F", "/").Replace
	return sameMeaning(pattern).MatchString(location) || sameMeaning(decode(pattern)).MatchString(decode(location))
}

func sameMeaning(pattern string) *regexp.Regexp {
	scheme, rest, _ := strings.Cut(pattern, "://")
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		// All but a slash and an encoded one.
		const star = "(?:[^/%]|%[^/2]|%2[^/F])*"
		if segments[i] = strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, star); segment == "**" {
			segments[i] = "[^/]+(?:/[^/]+)*"
		}
	}
	return regexp.MustCompile(`\A` + scheme + "://" + strings.Join(segments, "/") + `\z`)
}

// treePattern is the regular expression of the same meaning for folders in Git repositories and
// buckets, in lower case.
func treePattern(pattern string) *regexp.Regexp {
	scheme, rest, _ := strings.Cut(strings.ToLower(pattern), "://")
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		switch {
		case segment == "**" && i == len(segments)-1:
			segments[i] = "/?[^/]+(?://?[^/]+)*"
		case segment == "**":
			segments[i] = "[^/]+(?:/[^/]+)*"
		case segment == "*":
			segments[i] = "[^/]+"
		default:
			segments[i] = strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, "[^/]*")
		}
	}
	return regexp.MustCompile(`\A` + scheme + "://" + strings.Join(segments, "/") + `\z`)
}

// A waiver must never be wider than it reads: what a server may take for an excluded place is
// excluded.
func TestAWaiverIsNotWidenedBySpelling(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pattern, exclude, location string
		want                             bool
	}{
		{"a chart below the pattern", "https://acme.example/a/**", "", "https://acme.example/a/b/x", true},
		{"an encoded slash below the pattern", "https://acme.example/a/**", "", "https://acme.example/a/b%2Fc/x", true},
		{"an encoded slash instead of the pattern's", "https://acme.example/a/**", "", "https://acme.example/a%2Fb/x", false},
		{"a slash instead of the pattern's encoded one", "https://acme.example/a%2Fb/**", "", "https://acme.example/a/b/x", false},
		{"a star is no encoded slash", "https://acme.example/*/stable/*", "", "https://acme.example/evil%2Fx/stable/x", false},
		{"a star within a segment is none either", "https://acme.example/a*/x", "", "https://acme.example/a%2Fb/x", false},
		{"a query that the pattern does not have", "https://acme.example/a/**", "", "https://acme.example/a/x?token=1", false},
		{"a query that the pattern has", "https://acme.example/a/**?*", "", "https://acme.example/a/x?token=1", true},
		{"the pattern's query is missing", "https://acme.example/a/**?*", "", "https://acme.example/a/x", false},
		{"an excluded place", "https://acme.example/**", "https://acme.example/secret/**", "https://acme.example/secret/x", false},
		{"an excluded place with an encoded slash", "https://acme.example/**", "https://acme.example/secret/**", "https://acme.example/secret%2Fdeep/x", false},
		{"an excluded place with a query", "https://acme.example/**?*", "https://acme.example/secret/**", "https://acme.example/secret/x?a=b", false},
		{"an excluded place with an encoded letter", "https://acme.example/**", "https://acme.example/secret/**", "https://acme.example/%73ecret/x", false},
		{"an excluded place with a host in upper case and a port", "https://acme.example/**", "https://acme.example/secret/**", "https://ACME.example:443/secret/x", false},
		{"an exclusion with an encoded slash, and a slash", "https://acme.example/**", "https://acme.example/a%2Fb/**", "https://acme.example/a/b/x", false},
		{"plain HTTP", "https://acme.example/**", "", "http://acme.example/a", false},
		{"an in-cluster repository", "http://chartmuseum.charts.svc:8080/**", "", "http://chartmuseum.charts.svc:8080/app", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := changed(about(tc.pattern), func(s *v1alpha1.ChartPolicySpec) {
				s.Require, s.AllowUnverified = nil, &v1alpha1.AllowUnverified{Reason: "moving", Until: "2099-12-31"}
				if tc.exclude != "" {
					s.Match.Exclude = []string{tc.exclude}
				}
			})
			set := compile(t, policy.Input{Policies: []v1alpha1.ChartPolicy{p}})
			if got := len(set.For(locationOf(t, tc.location)).Policies()) > 0; got != tc.want {
				t.Errorf("waived: %v, want %v", got, tc.want)
			}
		})
	}
}

// What a policy excludes from its requirement, some other spelling must not reach.
func TestAnExclusionFromARequirementIsTakenLiterally(t *testing.T) {
	t.Parallel()
	p := changed(about("https://acme.example/**"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{"https://acme.example/a/*"} })
	set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{p}})
	for location, want := range map[string]int{
		"https://acme.example/a/x": 0, "https://acme.example/a%2Fx": 1, "https://acme.example/a/x?b": 1, "https://acme.example/b/x": 1,
	} {
		if got := len(set.For(locationOf(t, location)).Policies()); got != want {
			t.Errorf("%s: %d policies, want %d", location, got, want)
		}
	}
}
