package attacks_test

import (
	"fmt"
	"strings"
	"testing"
)

// gitAt is the GitRepository acme, with more fields of spec.
func gitAt(url string, more ...string) string {
	return flux("GitRepository", "acme", "spec: {"+strings.Join(append([]string{fmt.Sprintf("interval: 10m, url: %q", url)}, more...), ", ")+"}")
}

// fetched is the status of a source that has pulled a revision for the generation of its spec.
func fetched(kind, revision string, generation int) string {
	return flux(kind, "acme", fmt.Sprintf("status: {observedGeneration: %d, artifact: {url: 'http://x/y', path: x, lastUpdateTime: '2026-01-01T00:00:00Z', revision: %q, digest: %q}, "+
		"conditions: [{type: ArtifactInStorage, status: 'True', reason: Succeeded, message: x, lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: %d}]}", generation, revision, evil, generation))
}

func chartIn(kind, name, folder string) string {
	return flux("HelmChart", name, fmt.Sprintf("spec: {interval: 10m, chart: %q, sourceRef: {kind: %s, name: acme}}", folder, kind))
}

func releaseIn(kind, folder string) string {
	return helmRelease("app", fmt.Sprintf("spec: {interval: 10m, chart: {spec: {chart: %q, sourceRef: {kind: %s, name: acme}}}}", folder, kind))
}

// builtFrom is the artifact of a HelmChart, built from a revision of its source.
func builtFrom(name, revision string) string {
	return flux("HelmChart", name, strings.Replace(artifact("1.0.0", evil), "status: {", fmt.Sprintf("status: {observedSourceArtifactRevision: %q, %s, ", revision, recordOfStorage(1)), 1))
}

// TestChartsInGitAndBuckets: no signature can prove these charts. What a policy waives by name is
// admitted, and nothing else gets that name.
func TestChartsInGitAndBuckets(t *testing.T) {
	w := theSite(t)
	const (
		apps = "https://github.com/acme/apps.git"
		web  = "./charts/web"
		rev  = "main@sha1:1111111111111111111111111111111111111111"
		rev2 = "main@sha1:2222222222222222222222222222222222222222"

		running  = "status.conditions"
		notOCI   = "NotOCI spec.chart.spec"
		mismatch = "DigestMismatch status.artifact"
	)
	pulled := status(sourceController, fetched("GitRepository", rev, 1), admitted)
	chart := create(editor, chartIn("GitRepository", "apps-app", web), warned)
	// moved: a source has pulled the attacker's repository, and gets the URL of the waived one back.
	moved := func(more ...write) []write {
		return append([]write{
			chart,
			patch(editor, flux("GitRepository", "acme", "spec: {url: 'https://evil.example/x'}"), admitted),
			status(sourceController, fetched("GitRepository", rev, 2), admitted),
			status(sourceController, builtFrom("apps-app", rev), "NotOCI status.artifact"),
			patch(editor, flux("GitRepository", "acme", "spec: {url: '"+apps+"'}"), admitted),
		}, more...)
	}
	named := func(sentence, source, given, want string) row {
		return row{sentence, source, given, []write{create(editor, releaseIn("GitRepository", web), want)}}
	}
	w.check(t, []row{
		{"control: a waived chart from Git, from its release to its installation", "", gitAt(apps), []write{
			create(editor, releaseIn("GitRepository", web), warned),
			create(helmController, chartIn("GitRepository", "apps-app", web), warned),
			pulled,
			status(sourceController, builtFrom("apps-app", rev), warned),
			status(helmController, helmRelease("app", "status: {helmChart: apps/apps-app}"), warned),
			status(helmController, announced("install"), warned),
			status(helmController, attempt("1.0.0", ""), warned),
		}},
		{"control: a waived chart from a bucket", "", flux("Bucket", "acme", "spec: {interval: 10m, endpoint: minio.acme.example, bucketName: charts}"), []write{
			create(editor, releaseIn("Bucket", "web"), warned),
			create(helmController, chartIn("Bucket", "apps-app", "web"), warned),
			status(sourceController, fetched("Bucket", "sha256:aa", 1), admitted),
			status(sourceController, builtFrom("apps-app", "sha256:aa"), warned),
			status(helmController, announced("install"), warned),
		}},
		{"control: a release before its GitRepository", "", "", []write{create(editor, releaseIn("GitRepository", web), warned)}},

		{"an editor forges the artifact of a waived chart", fluxEdit, gitAt(apps), []write{chart, pulled, status(editor, builtFrom("apps-app", rev), "Unsupported status.conditions; "+mismatch)}},
		{"a user whose name resembles the source-controller's forges it", "", gitAt(apps), []write{chart, pulled, status(falseSourceController, builtFrom("apps-app", rev), "Unsupported status.conditions; "+mismatch)}},
		{"a chart was built before its source got the waived URL", fluxBuilds, gitAt(apps), moved(status(sourceController, builtFrom("apps-app", rev), mismatch))},
		{"and its source is suspended, so that it pulls nothing more", fluxBuilds, gitAt(apps), moved(
			patch(editor, flux("GitRepository", "acme", "spec: {suspend: true}"), admitted),
			status(sourceController, builtFrom("apps-app", rev), mismatch))},
		{"and it is written after the source has pulled the waived URL", fluxBuilds, gitAt(apps), moved(
			status(sourceController, fetched("GitRepository", rev2, 3), admitted),
			status(sourceController, builtFrom("apps-app", rev), mismatch),
			status(sourceController, builtFrom("apps-app", rev2), warned))},
		{"the URL of the source is changed before the installation", "", gitAt(apps), []write{
			create(editor, releaseIn("GitRepository", web), warned),
			chart,
			pulled,
			status(sourceController, builtFrom("apps-app", rev), warned),
			patch(editor, flux("GitRepository", "acme", "spec: {url: 'https://evil.example/x'}"), admitted),
			status(helmController, announced("install"), "NotOCI "+running),
		}},
		{"a release first, and later a GitRepository that no policy waives", "", "", []write{
			create(editor, releaseIn("GitRepository", web), warned),
			create(editor, gitAt("https://evil.example/x"), admitted),
			create(helmController, chartIn("GitRepository", "apps-app", web), "NotOCI spec"),
		}},

		named("a repository that no policy waives", "", gitAt("https://github.com/other/apps"), notOCI),
		named("a repository in another port's server", "", gitAt("ssh://git@github.com:2222/acme/apps"), notOCI),
		named("a repository that another one lies over", fluxInclude, gitAt(apps, "include: [{repository: {name: evil}, toPath: charts/web}]"), "Unsupported spec.chart.spec"),
		named("a proxy of the tenant's own answers for the server", gitProxies, gitAt(apps, "proxySecretRef: {name: x}"), "Unsupported spec.chart.spec"),
		named("a pull request of anyone's", gitPulls, gitAt(apps, "ref: {name: refs/pull/1/head}"), "ReferenceInvalid spec.chart.spec"),
		named("plain HTTP, on which anyone can answer", "", gitAt("http://github.com/acme/apps"), "ReferenceInvalid spec.chart.spec"),
		named("a user that looks like the host", urlHosts, gitAt("https://github.com@evil.example/acme/apps"), notOCI),
		named("a query that hides the host", urlHosts, gitAt("https://evil.example?@github.com/acme/apps"), "ReferenceInvalid spec.chart.spec"),
		named("a fragment that hides the host", urlHosts, gitAt("https://evil.example#@github.com/acme/apps"), "ReferenceInvalid spec.chart.spec"),
		named("a backslash that hides the host", urlHosts, gitAt(`https://evil.example\@github.com/acme/apps`), "ReferenceInvalid spec.chart.spec"),
		named("a path that climbs", "", gitAt("https://github.com/acme/apps/../../evil/apps"), "ReferenceInvalid spec.chart.spec"),
		named("a path that climbs, encoded", "", gitAt("https://github.com/acme/apps/%2e%2e/%2e%2e/evil/apps"), "ReferenceInvalid spec.chart.spec"),
		named("an encoded slash", "", gitAt("https://github.com/acme%2Fapps"), "ReferenceInvalid spec.chart.spec"),
		{"a folder that looks like the waived repository", "", gitAt("https://evil.example/x"), []write{
			create(editor, releaseIn("GitRepository", "github.com/acme/apps/charts/web"), notOCI),
		}},
		{"a repository with the separator of folders in its URL", "", gitAt("https://github.com/acme/apps//charts"), []write{create(editor, releaseIn("GitRepository", "web"), "ReferenceInvalid spec.chart.spec")}},
		{"a folder that climbs out of the waived one", "", gitAt(apps), []write{create(editor, releaseIn("GitRepository", "charts/../evil/web"), "ReferenceInvalid spec.chart.spec")}},
		{"a folder that starts with a slash", "", gitAt(apps), []write{create(editor, releaseIn("GitRepository", "/charts/web"), "ReferenceInvalid spec.chart.spec")}},
		{"a folder below the waived ones", "", gitAt(apps), []write{create(editor, releaseIn("GitRepository", "charts/web/evil"), notOCI)}},
		{"a folder that the waiver excludes, in another case", "", gitAt("https://github.com/acme/apps"), []write{
			create(editor, releaseIn("GitRepository", "charts/secret"), notOCI),
			create(editor, releaseIn("GitRepository", "charts/Secret"), notOCI),
		}},
		{"a bucket of Google's under the endpoint of another", fluxGoogle, flux("Bucket", "acme", "spec: {interval: 10m, provider: gcp, endpoint: minio.acme.example, bucketName: charts}"), []write{
			create(editor, releaseIn("Bucket", "web"), notOCI),
		}},
		{"a HelmRepository with the name of a waived folder", "", "", []write{create(editor, flux("HelmRepository", "acme", "spec: {interval: 10m, url: 'https://github.com/acme/apps//charts'}"), "ReferenceInvalid spec.url")}},
	})
}
