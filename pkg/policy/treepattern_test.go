package policy_test

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
)

// A waiver for folders reaches what it reads, and no other repository, whatever a tenant calls
// folders and repositories.
func TestPatternsForFoldersKeepToTheirSideOfTheSeparator(t *testing.T) {
	t.Parallel()
	const web = "git://github.com/acme/apps//charts/web"
	for _, tc := range []struct {
		name, pattern, location string
		want                    bool
	}{
		{"a folder in full", web, web, true},
		{"all that a host has", "git://github.com/**", web, true},
		{"all repositories of a team", "git://github.com/acme/**", web, true},
		{"all of a repository, with its top", "git://github.com/acme/**", "git://github.com/acme/apps", true},
		{"all below a path, folders too", "git://github.com/acme/apps/**", web, true},
		{"all folders of a repository", "git://github.com/acme/apps//**", web, true},
		{"not its top", "git://github.com/acme/apps//**", "git://github.com/acme/apps", false},
		{"the top alone", "git://github.com/acme/apps", "git://github.com/acme/apps", true},
		{"not what is below it", "git://github.com/acme/apps", web, false},
		{"one level of folders", "git://github.com/acme/apps//charts/*", web, true},
		{"and no more", "git://github.com/acme/apps//charts/*", web + "/sub", false},
		{"a folder of any repository of a team", "git://github.com/acme/*//charts/web", web, true},
		{"a folder of any repository anywhere", "git://**//charts/web", web, true},
		{"everything in Git", "git://**", web, true},
		{"every folder in Git, not the tops", "git://**//**", "git://github.com/acme/apps", false},
		{"everything in buckets", "bucket://**", "bucket://minio.svc:9000/charts//web", true},
		{"every bucket of a host", "bucket://minio.svc:9000/**", "bucket://minio.svc:9000/charts//web", true},
		{"a bucket", "bucket://minio.svc:9000/charts//**", "bucket://minio.svc:9000/charts//web", true},
		{"another bucket", "bucket://minio.svc:9000/charts//**", "bucket://minio.svc:9000/other//web", false},

		{"Git is no bucket", "bucket://**", web, false},
		{"Git is no classic repository", "https://**", web, false},
		{"Git is no OCI registry", "oci://**", web, false},
		{"another host", "git://github.com/acme/**", "git://evil.example/acme/apps//charts/web", false},
		{"another port", "git://github.com/acme/**", "git://github.com:2222/acme/apps//charts/web", false},
		{"a folder that looks like the repository", "git://github.com/acme/**", "git://evil.example/x//github.com/acme/apps/charts/web", false},
		{"a folder that looks like the team, in another's repository", "git://github.com/acme/**", "git://github.com/evil/x//acme/apps", false},
		{"a folder for a segment of the repository", "git://github.com/*/apps//charts/web", "git://github.com/evil//apps/charts/web", false},
		{"a folder for the end of a path", "git://github.com/*/apps", "git://github.com/evil//apps", false},
		{"a star is no separator", "git://github.com/acme/*/web", "git://github.com/acme//web", false},
		{"two stars in the middle do not reach into folders", "git://git.example/**/apps/**", "git://git.example/evil//apps/web", false},
		{"nor are they the separator", "git://git.example/evil/**/web", "git://git.example/evil//web", false},
		{"nor the separator with a folder", "git://git.example/evil/**/web", "git://git.example/evil//a/web", false},
		{"nor two of them", "git://git.example/**/team/**/apps", "git://git.example/evil//team/x/apps", false},
		{"nor in front of the separator", "git://git.example/**/apps//charts/**", "git://git.example/evil//apps/charts/web", false},
		{"two stars in folders do not reach into the repository", "git://git.example/a//**/web", "git://git.example/a/b//c/web", false},
		{"a repository below is another one", "git://gitlab.example/acme/apps//**", "git://gitlab.example/acme/apps/evil//web", false},
		{"a longer name is another one", "git://github.com/acme/apps//**", "git://github.com/acme/apps-evil//charts/web", false},
		{"a waiver is literal", "git://github.com/acme/**", "git://github.com/Acme/apps//charts/web", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Policies: []v1alpha1.ChartPolicy{waivingTree(tc.pattern)}})
			l := locationOf(t, tc.location)
			if got := len(set.For(l).Policies()) == 1; got != tc.want {
				t.Errorf("%s waives %s: %v, want %v", tc.pattern, l, got, tc.want)
			}
		})
	}
}

// Servers such as GitHub ignore the case of a path, so an exclusion must reach every case of it.
func TestAnExclusionOfFoldersReachesEverySpelling(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"git://github.com/acme/secret//web", "git://github.com/Acme/secret//web", "git://github.com/acme/SECRET//web", "git://github.com/acme/secret",
	} {
		set := compile(t, policy.Input{Policies: []v1alpha1.ChartPolicy{waivingTree("git://**", "git://github.com/acme/secret/**", "git://github.com/acme/secret")}})
		if n := len(set.For(locationOf(t, location)).Policies()); n != 0 {
			t.Errorf("%s is waived", location)
		}
	}
}

func waivingTree(pattern string, exclude ...string) v1alpha1.ChartPolicy {
	return changed(about(pattern), func(s *v1alpha1.ChartPolicySpec) {
		s.Require, s.AllowUnverified = nil, &v1alpha1.AllowUnverified{Reason: "moving", Until: "2099-12-31"}
		s.Match.Exclude = exclude
	})
}

func TestPatternsForFoldersThatCouldMatchNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		"git://", "git://github.com", "git://*", "git://github.com//charts/*", "git://*//x", "git://github.com/acme/apps.git//**", "git://GitHub.com/acme/**", "git://github.com/acme/apps//charts//web",
		"git://github.com/acme/apps//", "git://github.com/acme/apps//../**", "git://git@github.com/acme/**", "git://github.com/acme/apps//web?ref=main", "git://github.com/acme/apps//web?*",
		"git://github.com/acme/a%2Fb/**", "git://github.com/acme/apps:1/**", "bucket://minio.svc/a/b//**", "bucket://minio.svc", "bucket://minio.svc/**/x/y", "ssh://git@github.com/acme/**", "GIT://github.com/acme/**",
		"git://github.com/acme/apps//web//**",
	} {
		if errs := policy.CheckPolicy(about(pattern)); len(errs) == 0 {
			t.Errorf("%s is accepted", pattern)
		}
	}
}
