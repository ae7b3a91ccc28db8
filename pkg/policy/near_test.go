package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestNearestPatterns(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60)
	for _, tc := range []struct {
		name     string
		patterns []string
		location string
		want     []string // "match pattern"
	}{
		{"a query", []string{"https://acme.example/a/**"}, "https://acme.example/a/x?token=1", []string{"6 https://acme.example/a/**"}},
		{"a repository with a query", []string{"https://acme.example/a/**"}, "https://acme.example/a?token=1", []string{"6 https://acme.example/a/**"}},
		{"no query", []string{"https://acme.example/a/**?*"}, "https://acme.example/a/x", []string{"6 https://acme.example/a/**?*"}},
		{"two letters are swapped", []string{"oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vendro/app", []string{"1 oci://ghcr.io/vendor/**"}},
		{"a letter is missing", []string{"oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vndor/app", []string{"1 oci://ghcr.io/vendor/**"}},
		{"a letter too many", []string{"oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vendors/app", []string{"1 oci://ghcr.io/vendor/**"}},
		{"another letter", []string{"oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vemdor/app", []string{"1 oci://ghcr.io/vendor/**"}},
		{"a mistake in the host", []string{"oci://ghcr.io/vendor/**"}, "oci://gchr.io/vendor/app", []string{"1 oci://ghcr.io/vendor/**"}},
		{"a mistake below two stars", []string{"oci://ghcr.io/**/podinfo"}, "oci://ghcr.io/a/b/podnifo", []string{"1 oci://ghcr.io/**/podinfo"}},
		{"a mistake in the chart's own name", []string{"oci://ghcr.io/acme/podinfo"}, "oci://ghcr.io/acme/podinfp", []string{"1 oci://ghcr.io/acme/podinfo"}},
		{"the port is missing", []string{"oci://registry.corp:5000/acme/**"}, "oci://registry.corp/acme/app", []string{"1 oci://registry.corp:5000/acme/**"}},
		{"a port too many", []string{"oci://registry.corp/acme/**"}, "oci://registry.corp:5000/acme/app", []string{"1 oci://registry.corp/acme/**"}},
		{"another port is another registry", []string{"oci://registry.corp:5000/**"}, "oci://registry.corp:6001/acme/app", nil},
		{"three mistakes are another name", []string{"oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vandur2/app", nil},
		{"two mistakes in two segments", []string{"oci://ghcr.io/vendor/charts/**"}, "oci://ghcr.io/vendr/chart/app", []string{"1 oci://ghcr.io/vendor/charts/**"}},
		{"three mistakes in three segments", []string{"oci://ghcr.io/vendor/charts/podinfo"}, "oci://ghcr.io/vendr/chart/podinf", nil},
		{"short names differ by a letter without being alike", []string{"oci://ghcr.io/ab/**"}, "oci://ghcr.io/ac/x", nil},
		{"a pattern that equals the repository", []string{"oci://ghcr.io/acme/charts"}, "oci://ghcr.io/acme/charts/podinfo", []string{"2 oci://ghcr.io/acme/charts"}},
		{"a pattern with one star for a chart that lies deeper", []string{"oci://ghcr.io/acme/*"}, "oci://ghcr.io/acme/charts/podinfo", []string{"3 oci://ghcr.io/acme/*"}},
		{"a pattern of what is below the chart", []string{"oci://ghcr.io/acme/podinfo/**"}, "oci://ghcr.io/acme/podinfo", []string{"4 oci://ghcr.io/acme/podinfo/**"}},
		{"the best come first, and two at most", []string{"oci://ghcr.io/vendors/**", "oci://ghcr.io/vendor2/**", "oci://ghcr.io/vendro", "oci://ghcr.io/vendor/**"}, "oci://ghcr.io/vendro/app", []string{"2 oci://ghcr.io/vendro", "1 oci://ghcr.io/vendor/**"}},
		{"another scheme is not near", []string{"oci://ghcr.io/vendor/**"}, "https://ghcr.io/vendro/app", nil},
		{"a classic repository", []string{"https://charts.vendor.example/**"}, "https://charts.vendro.example/app", []string{"1 https://charts.vendor.example/**"}},
		{"the URL of a Git repository for its name", []string{"https://github.com/acme/**"}, "git://github.com/acme/apps//charts/web", []string{"7 https://github.com/acme/**"}},
		{"the URL with .git", []string{"https://github.com/acme/apps.git"}, "git://github.com/acme/apps//charts/web", []string{"7 https://github.com/acme/apps.git"}},
		{"the URL of another repository", []string{"https://github.com/other/**"}, "git://github.com/acme/apps//charts/web", nil},
		{"a repository without its folders", []string{"git://github.com/acme/apps"}, "git://github.com/acme/apps//charts/web", []string{"2 git://github.com/acme/apps"}},
		{"one star for a repository", []string{"git://github.com/acme/*"}, "git://github.com/acme/apps//charts/web", []string{"3 git://github.com/acme/*"}},
		{"the folders without the top", []string{"git://github.com/acme/apps//**"}, "git://github.com/acme/apps", []string{"4 git://github.com/acme/apps//**"}},
		{"a mistake in a folder", []string{"git://github.com/acme/apps//charts/*"}, "git://github.com/acme/apps//chrats/web", []string{"1 git://github.com/acme/apps//charts/*"}},
		{"hosts that have their end in common", []string{"oci://down.example/**"}, "oci://evil.example/x", nil},
		{"another domain", []string{"oci://eu.example/**"}, "oci://us.example/x", nil},
		{"another registry", []string{"oci://ghcr.io/vendor/**"}, "oci://quay.io/vendor/app", nil},
		{"a longer path", []string{"oci://ghcr.io/vendor/app"}, "oci://ghcr.io/vendr", nil},
		{"long names", []string{"oci://ghcr.io/" + long + "/**"}, "oci://ghcr.io/" + long[1:] + "b/x", []string{"1 oci://ghcr.io/" + long + "/**"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var in policy.Input
			for i, p := range tc.patterns {
				obj := about(p)
				obj.Name = fmt.Sprint("p", i)
				in.Policies = append(in.Policies, obj)
			}
			if diff := cmp.Diff(tc.want, nearest(t, in, tc.location)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	excluding := changed(about("oci://ghcr.io/acme/**"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{"oci://ghcr.io/acme/old/**"} })
	if diff := cmp.Diff([]string{"5 oci://ghcr.io/acme/old/**"}, nearest(t, policy.Input{Policies: []v1alpha1.ChartPolicy{excluding}}, "oci://ghcr.io/acme/old/app")); diff != "" {
		t.Errorf("an exclusion (-want +got):\n%s", diff)
	}
	list := `[{name: a, charts: ["oci://ghcr.io/vendor/**"], keyless: {issuer: "https://issuer.example", subject: y@acme.example}}]`
	if diff := cmp.Diff([]string{"1 oci://ghcr.io/vendor/**"}, nearest(t, policy.Input{ConfigMap: &list}, "oci://ghcr.io/vendro/app")); diff != "" {
		t.Errorf("the ConfigMap (-want +got):\n%s", diff)
	}
}

// A tenant who asks about many charts must not make the webhook slow.
func TestNearestPatternsAreBounded(t *testing.T) {
	t.Parallel()
	var in policy.Input
	for i := range 1_200 {
		obj := about(fmt.Sprintf("oci://ghcr.io/team-%04d/**", i+1_000))
		obj.Name = fmt.Sprint("p", i)
		in.Policies = append(in.Policies, obj)
	}
	if got := nearest(t, in, "oci://ghcr.io/taem-1990/x"); len(got) == 0 || len(got) > 2 {
		t.Errorf("the 990th: %v", got)
	}
	if got := nearest(t, in, "oci://ghcr.io/taem-2100/x"); len(got) != 0 && strings.Contains(got[0], "2100") {
		t.Errorf("the 1,100th is compared: %v", got)
	}
}

func nearest(t *testing.T, in policy.Input, location string) []string {
	t.Helper()
	set, _ := policy.Compile(in)
	l, err := chart.ParseLocation(location)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range set.Nearest(l) {
		if n.Policy == "" || n.Match < verdict.Similar {
			t.Errorf("%+v", n)
		}
		got = append(got, fmt.Sprintf("%d %s", n.Match, n.Pattern))
	}
	return got
}
