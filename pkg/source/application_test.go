package source_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

const (
	helmSource   = `{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}`
	nativeSource = `{repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: 6.7.1}`
	gitSource    = `{repoURL: "https://github.com/acme/config.git", targetRevision: main, path: apps}`
	evilSource   = `{repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}`

	podinfoAt = ": oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"
	evilAt    = ": oci://ghcr.io/evil/x:1.0.0 Version"
)

func TestApplicationSpec(t *testing.T) {
	spec := func(source string) string { return app("spec: {source: " + source + "}") }
	const invalid = "spec.source: ReferenceInvalid"
	denyGit := source.Options{DenyArgoGit: true}
	check(t, []row{
		{sentence: "a chart at a URL without a scheme is Helm-OCI", new: spec(helmSource), want: []string{"spec.source" + podinfoAt}},
		{sentence: "a trailing slash of a Helm-OCI URL is refused", new: spec(`{repoURL: ghcr.io/acme/charts/, chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "a trailing slash of a classic repository means nothing", new: spec(`{repoURL: "https://charts.acme.example/", chart: podinfo, targetRevision: 6.7.1}`), want: []string{"spec.source: https://charts.acme.example/podinfo:6.7.1 Version"}},
		{sentence: "an oci:// URL is native", new: spec(nativeSource), want: []string{"spec.source" + podinfoAt}},
		{sentence: "a native digest is pinned by it", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: "` + hex("a") + `"}`), want: []string{"spec.source: oci://ghcr.io/acme/charts/podinfo@" + hex("a") + " Digest"}},
		{sentence: "a native tag with a digest deploys the digest", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: "6.7.1@` + hex("a") + `"}`), want: []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:6.7.1@" + hex("a") + " Digest"}},
		{sentence: "a Helm-OCI digest is refused, as by Argo CD", new: spec(`{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: "` + hex("a") + `"}`), want: []string{invalid}},
		{sentence: "a range floats", new: spec(`{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: "6.x"}`), want: []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:6.x Floating"}},
		{sentence: "an empty targetRevision is refused", new: spec(`{repoURL: ghcr.io/acme/charts, chart: podinfo}`), want: []string{invalid}},
		{sentence: "an https:// URL with a chart is a classic repository", new: spec(`{repoURL: "https://charts.acme.example", chart: podinfo, targetRevision: 6.7.1}`), want: []string{"spec.source: https://charts.acme.example/podinfo:6.7.1 Version"}},
		{sentence: "a classic repository over plain HTTP is a matter of policies", new: spec(`{repoURL: "http://charts.acme.example", chart: podinfo, targetRevision: 6.7.1}`), want: []string{"spec.source: http://charts.acme.example/podinfo:6.7.1 Version"}},
		{sentence: "a classic repository with slashes at the end", new: spec(`{repoURL: "https://charts.acme.example/x//", chart: podinfo, targetRevision: 6.7.1}`), want: []string{"spec.source: https://charts.acme.example/x/podinfo:6.7.1 Version"}},
		{sentence: "a classic repository as GitLab has it", new: spec(`{repoURL: "https://gitlab.example/api/v4/projects/team%2fcharts/packages/helm/stable", chart: podinfo, targetRevision: 2024.03.01}`), want: []string{"spec.source: https://gitlab.example/api/v4/projects/team%2Fcharts/packages/helm/stable/podinfo:2024.03.01 Version"}},
		{sentence: "a slash behind an OCI repository is not cut off", new: spec(`{repoURL: "ghcr.io/acme/charts/", chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "nor behind a native one", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo/", targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "oci:// and chart together are ambiguous", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "OCI:// in upper case is no Git", new: spec(`{repoURL: "OCI://ghcr.io/acme/charts/podinfo", targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "OCI:// in upper case with a chart is refused", new: spec(`{repoURL: "OCI://ghcr.io/acme/charts", chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "a tag inside an oci:// URL, which Argo CD ignores, is refused", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo:1.0.0", targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "a digest inside an oci:// URL, which Argo CD ignores, is refused", new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo@` + hex("a") + `", targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "a chart with a tag is refused", new: spec(`{repoURL: ghcr.io/acme/charts, chart: "podinfo:1.1.0", targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "a chart that climbs out of its repository is refused", new: spec(`{repoURL: ghcr.io/acme/charts, chart: ../evil/podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "Git is outside the gate", new: spec(gitSource)},
		{sentence: "Git over SSH is outside the gate", new: spec(`{repoURL: "git@github.com:acme/config.git", path: x}`)},
		{sentence: "Git is denied where the admin says so", options: denyGit, new: spec(gitSource), want: []string{"spec.source: git://github.com/acme/config//apps?ref=main Floating"}},
		{sentence: "Git in the form of scp has the same name", options: denyGit, new: spec(`{repoURL: "git@github.com:acme/config.git", path: apps/, targetRevision: main}`), want: []string{"spec.source: git://github.com/acme/config//apps?ref=main Floating"}},
		{sentence: "Git at a commit is pinned", options: denyGit, new: spec(`{repoURL: "https://github.com/acme/config", path: ., targetRevision: ` + strings.Repeat("a", 40) + `}`), want: []string{"spec.source: git://github.com/acme/config?ref=" + strings.Repeat("a", 40) + " Digest"}},
		{sentence: "Git without a path is the whole repository", options: denyGit, new: spec(`{repoURL: "https://github.com/acme/config", ref: values}`), want: []string{"spec.source: git://github.com/acme/config Floating"}},
		{sentence: "another path in Git is news", options: denyGit, old: spec(gitSource), new: spec(`{repoURL: "https://github.com/acme/config", path: evil, targetRevision: main}`), want: []string{"spec.source: git://github.com/acme/config//evil?ref=main Floating"}},
		{sentence: "another path in an OCI artifact is none, since all of it was verified", options: denyGit, old: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", path: a, targetRevision: 6.7.1}`), new: spec(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", path: b, targetRevision: 6.7.1}`)},
		{sentence: "a path out of the repository is refused", options: denyGit, new: spec(`{repoURL: "https://github.com/acme/config", path: ../evil}`), want: []string{invalid}},
		{sentence: "Git over plain HTTP is refused", options: denyGit, new: spec(`{repoURL: "http://github.com/acme/config", path: x}`), want: []string{invalid}},
		{sentence: "Git's own protocol is plain too", options: denyGit, new: spec(`{repoURL: "git://github.com/acme/config", path: x}`), want: []string{invalid}},
		{sentence: "unless the admin allows it for the host", options: source.Options{DenyArgoGit: true, PlainHTTP: []string{"gitea.svc:3000"}}, new: spec(`{repoURL: "http://gitea.svc:3000/acme/config", path: x}`), want: []string{"spec.source: git://gitea.svc:3000/acme/config//x Floating"}},
		{sentence: "a name of chartgate's own is no Helm repository", new: spec(`{repoURL: "git://github.com/acme/config", chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "nor is a bucket", new: spec(`{repoURL: "bucket://minio.svc/charts", chart: podinfo, targetRevision: 6.7.1}`), want: []string{invalid}},
		{sentence: "what a hydrator syncs from Git has its own path", options: denyGit, new: app(`spec: {sourceHydrator: {drySource: {repoURL: "https://github.com/acme/config", path: dry, targetRevision: main}, syncSource: {targetBranch: env, path: wet}}}`),
			want: []string{"spec.sourceHydrator.drySource: git://github.com/acme/config//dry?ref=main Floating", "spec.sourceHydrator.syncSource: git://github.com/acme/config//wet?ref=env Floating"}},
		{sentence: "a chart is no Git, whatever the admin says", options: denyGit, new: spec(helmSource), want: []string{"spec.source" + podinfoAt}},
		{sentence: "from Git to a chart is news", old: spec(gitSource), new: spec(helmSource), want: []string{"spec.source" + podinfoAt}},
		{sentence: "repeating is no news", old: spec(helmSource), new: app("spec: {project: x, syncPolicy: {automated: {}}, source: {repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1, helm: {values: x}}}\nstatus: {reconciledAt: now}")},
		{sentence: "all sources are examined, Git left out",
			new:  app("spec: {sources: [" + helmSource + ", " + gitSource + ", " + evilSource + "]}"),
			want: []string{"spec.sources[0]" + podinfoAt, "spec.sources[2]" + evilAt}},
		{sentence: "Git among sources is denied where the admin says so", options: denyGit, new: app("spec: {sources: [" + helmSource + ", " + gitSource + "]}"), want: []string{"spec.sources[0]" + podinfoAt, "spec.sources[1]: git://github.com/acme/config//apps?ref=main Floating"}},
		{sentence: "source is examined though sources beat it", new: app("spec: {source: " + evilSource + ", sources: [" + helmSource + "]}"), want: []string{"spec.source" + evilAt, "spec.sources[0]" + podinfoAt}},
		{sentence: "one more source is the only news", old: app("spec: {sources: [" + helmSource + "]}"), new: app("spec: {sources: [" + helmSource + ", " + evilSource + "]}"), want: []string{"spec.sources[1]" + evilAt}},
		{sentence: "a source at another position is news", old: app("spec: {sources: [" + helmSource + ", " + evilSource + "]}"), new: app("spec: {sources: [" + evilSource + ", " + helmSource + "]}"), want: []string{"spec.sources[0]" + evilAt, "spec.sources[1]" + podinfoAt}},
		{sentence: "the source to be hydrated is examined", new: app("spec: {sourceHydrator: {drySource: " + nativeSource + "}}"), want: []string{"spec.sourceHydrator.drySource" + podinfoAt, "spec.sourceHydrator.syncSource: ReferenceInvalid"}},
		{sentence: "the branch that a hydrator syncs from is examined as a version", new: app("spec: {sourceHydrator: {drySource: " + nativeSource + ", syncSource: {targetBranch: 6.6.6}}}"),
			want: []string{"spec.sourceHydrator.drySource" + podinfoAt, "spec.sourceHydrator.syncSource: oci://ghcr.io/acme/charts/podinfo:6.6.6 Version"}},
		{sentence: "a hydrator that syncs from a repository of its own, as since Argo CD 3.5", new: app("spec: {sourceHydrator: {drySource: " + gitSource + `, syncSource: {repoURL: "oci://ghcr.io/evil/x", targetBranch: 1.0.0}}}`),
			want: []string{"spec.sourceHydrator.syncSource" + evilAt}},
		{sentence: "it is examined without a dry source too", new: app(`spec: {sourceHydrator: {syncSource: {repoURL: "oci://ghcr.io/evil/x", targetBranch: 1.0.0}}}`),
			want: []string{"spec.sourceHydrator.syncSource" + evilAt}},
		{sentence: "and instead of the dry source's repository", new: app("spec: {sourceHydrator: {drySource: " + nativeSource + ", syncSource: {repoURL: \"https://github.com/acme/config\", targetBranch: env}}}"),
			want: []string{"spec.sourceHydrator.drySource" + podinfoAt}},
		{sentence: "another repository to sync from is news", old: app("spec: {sourceHydrator: {drySource: " + nativeSource + ", syncSource: {targetBranch: 1.0.0}}}"),
			new:  app("spec: {sourceHydrator: {drySource: " + nativeSource + `, syncSource: {repoURL: "oci://ghcr.io/evil/x", targetBranch: 1.0.0}}}`),
			want: []string{"spec.sourceHydrator.syncSource" + evilAt}},
		{sentence: "a repository that ends in .git is refused, since Argo CD would drop that", new: app(`spec: {source: {repoURL: ghcr.io/acme/charts.git, chart: podinfo, targetRevision: 6.7.1}}`), want: []string{"spec.source: ReferenceInvalid"}},
		{sentence: "a native repository that ends in .git is refused", new: app(`spec: {source: {repoURL: "oci://ghcr.io/acme/charts/podinfo.git", targetRevision: 6.7.1}}`), want: []string{"spec.source: ReferenceInvalid"}},
		{sentence: "a hydrator without a dry source deploys nothing", new: app("spec: {sourceHydrator: {}}")},
		{sentence: "Argo CD's own write of spec is examined", user: argoUser, new: spec(evilSource), want: []string{"spec.source" + evilAt}},
		{sentence: "a vendor's status subresource is examined alike", subresource: "status", new: spec(helmSource), want: []string{"spec.source" + podinfoAt}},
		{sentence: "an application without sources deploys nothing", new: app("spec: {}")},
	})
}
