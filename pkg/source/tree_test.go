package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

// gitRepo is a GitRepository, bucket a Bucket. Both are called apps/acme.
func gitRepo(body string) string { return object("GitRepository", "apps/acme", body) }
func bucket(body string) string  { return object("Bucket", "apps/acme", body) }

var (
	appsRepo   = gitRepo(`spec: {url: "https://github.com/acme/apps.git", ref: {branch: main}}`)
	appsBucket = bucket(`spec: {endpoint: "minio.svc:9000", bucketName: charts}`)
)

func fromGit(chart string) string {
	return helmChart(fmt.Sprintf("spec: {chart: %q, sourceRef: {kind: GitRepository, name: acme}}", chart))
}

func fromBucket(chart string) string {
	return helmChart(fmt.Sprintf("spec: {chart: %q, sourceRef: {kind: Bucket, name: acme}}", chart))
}

func TestAChartInAGitRepositoryIsNamedByItsURLAndFolder(t *testing.T) {
	const (
		invalid     = "spec: ReferenceInvalid"
		unsupported = "spec: Unsupported"
		web         = "spec: git://github.com/acme/apps//charts/web"
	)
	repo := func(url, more string) string { return gitRepo(fmt.Sprintf("spec: {url: %q%s}", url, more)) }
	plain := source.Options{PlainHTTP: []string{"gitea.svc:3000"}}
	check(t, []row{
		{sentence: "a folder", cluster: appsRepo, new: fromGit("./charts/web"), want: []string{web + "?ref=main Floating"}},
		{sentence: "over SSH", cluster: repo("ssh://git@github.com/acme/apps", ""), new: fromGit("charts/web"), want: []string{web + " Floating"}},
		{sentence: "the top of the repository", cluster: appsRepo, new: fromGit("."), want: []string{"spec: git://github.com/acme/apps?ref=main Floating"}},
		{sentence: "at a tag", cluster: repo("https://github.com/acme/apps", ", ref: {tag: v1.2.3}"), new: fromGit("charts/web"), want: []string{web + "?ref=v1.2.3 Version"}},
		{sentence: "at a commit", cluster: repo("https://github.com/acme/apps", ", ref: {branch: x, commit: "+strings.Repeat("a", 40)+"}"), new: fromGit("charts/web"), want: []string{web + "?ref=" + strings.Repeat("a", 40) + " Digest"}},
		{sentence: "at a pull request, which anyone can open", cluster: repo("https://github.com/acme/apps", ", ref: {name: refs/pull/420/head}"), new: fromGit("charts/web"), want: []string{invalid}},
		{sentence: "the version of the chart means nothing", cluster: appsRepo, new: helmChart("spec: {chart: ./charts/web, version: '>=9', sourceRef: {kind: GitRepository, name: acme}}"), want: []string{web + "?ref=main Floating"}},
		{sentence: "a folder above the repository", cluster: appsRepo, new: fromGit("../web"), want: []string{invalid}},
		{sentence: "a folder that looks like another repository", cluster: repo("https://evil.example/x", ""), new: fromGit("github.com/acme/apps/charts/web"), want: []string{"spec: git://evil.example/x//github.com/acme/apps/charts/web Floating"}},
		{sentence: "a URL with the separator of folders", cluster: repo("https://evil.example/acme//charts/web", ""), new: fromGit("."), want: []string{invalid}},
		{sentence: "a URL with a user that looks like a host", cluster: repo("https://github.com@evil.example/acme/apps", ""), new: fromGit("charts/web"), want: []string{"spec: git://evil.example/acme/apps//charts/web Floating"}},
		{sentence: "a URL that cannot be read", cluster: repo("https://github.com/../acme", ""), new: fromGit("charts/web"), want: []string{invalid}},
		{sentence: "plain HTTP, on which anyone can answer", cluster: repo("http://github.com/acme/apps", ""), new: fromGit("charts/web"), want: []string{invalid}},
		{sentence: "plain HTTP to a host that the admin named", options: plain, cluster: repo("http://gitea.svc:3000/acme/apps", ""), new: fromGit("charts/web"), want: []string{"spec: git://gitea.svc:3000/acme/apps//charts/web Floating"}},
		{sentence: "plain HTTP to another port of it", options: plain, cluster: repo("http://gitea.svc/acme/apps", ""), new: fromGit("charts/web"), want: []string{invalid}},
		{sentence: "through a proxy of the tenant's own, which can answer for every host", cluster: repo("https://github.com/acme/apps", ", proxySecretRef: {name: x}"), new: fromGit("charts/web"), want: []string{unsupported}},
		{sentence: "with another repository laid over its folders", cluster: repo("https://github.com/acme/apps", ", include: [{repository: {name: evil}, toPath: charts/web}]"), new: fromGit("charts/web"), want: []string{unsupported}},
		{sentence: "from a GitRepository that does not exist yet", new: fromGit("charts/web"), want: []string{"spec: SourceNotFound, deferred"}},
		{sentence: "from a GitRepository that does not exist, where the admin denies that", options: source.Options{DenyMissingSource: true}, new: fromGit("charts/web"), want: []string{"spec: SourceNotFound"}},
		{sentence: "with valuesFiles, where the admin denies what is repackaged", options: source.Options{DenyRepackaged: true}, cluster: appsRepo,
			new: helmChart("spec: {chart: ./charts/web, valuesFiles: [x.yaml], sourceRef: {kind: GitRepository, name: acme}}"), want: []string{unsupported}},
		{sentence: "from a GitRepository that cannot be read", cluster: gitRepo("spec: {url: 1}"), new: fromGit("charts/web"), want: []string{invalid}},
		{sentence: "a release takes it by the same name", cluster: gitRepo(`spec: {url: "https://github.com/acme/apps"}`), new: release(chartSpec("./charts/web", "", "GitRepository", "acme", "")),
			want: []string{"spec.chart.spec: git://github.com/acme/apps//charts/web Floating"}},
	})
}

func TestAChartInABucketIsNamedByItsEndpoint(t *testing.T) {
	const web = "spec: bucket://minio.svc:9000/charts//web Floating"
	check(t, []row{
		{sentence: "a folder", cluster: appsBucket, new: fromBucket("./web"), want: []string{web}},
		{sentence: "the name of an endpoint that gcp does not read", cluster: bucket(`spec: {provider: gcp, endpoint: "minio.svc:9000", bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: bucket://storage.googleapis.com/charts//web Floating"}},
		{sentence: "AWS", cluster: bucket(`spec: {provider: aws, endpoint: s3.amazonaws.com, bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: bucket://s3.amazonaws.com/charts//web Floating"}},
		{sentence: "Azure", cluster: bucket(`spec: {provider: azure, endpoint: "https://acme.blob.core.windows.net", bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: bucket://acme.blob.core.windows.net/charts//web Floating"}},
		{sentence: "plain HTTP", cluster: bucket(`spec: {insecure: true, endpoint: "minio.svc:9000", bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: ReferenceInvalid"}},
		{sentence: "plain HTTP in the endpoint", cluster: bucket(`spec: {provider: azure, endpoint: "http://minio.svc:9000", bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: ReferenceInvalid"}},
		{sentence: "plain HTTP to a host that the admin named", options: source.Options{PlainHTTP: []string{"minio.svc:9000"}}, cluster: bucket(`spec: {insecure: true, endpoint: "minio.svc:9000", bucketName: charts}`), new: fromBucket("web"), want: []string{web}},
		{sentence: "through a proxy of the tenant's own", cluster: bucket(`spec: {endpoint: "minio.svc:9000", bucketName: charts, proxySecretRef: {name: x}}`), new: fromBucket("web"), want: []string{"spec: Unsupported"}},
		{sentence: "an endpoint with a path", cluster: bucket(`spec: {endpoint: "minio.svc/evil", bucketName: charts}`), new: fromBucket("web"), want: []string{"spec: ReferenceInvalid"}},
		{sentence: "a bucket that is no name", cluster: bucket(`spec: {endpoint: "minio.svc", bucketName: "a/b"}`), new: fromBucket("web"), want: []string{"spec: ReferenceInvalid"}},
		{sentence: "a Bucket that does not exist yet", new: fromBucket("web"), want: []string{"spec: SourceNotFound, deferred"}},
	})
}

// The artifact of a HelmChart is named by the URL that its source has now. It must have been built
// from what the source has pulled from there.
func TestAnArtifactFromGitIsOfThePresentURL(t *testing.T) {
	const (
		web    = "status.artifact: git://github.com/acme/apps//charts/web?ref=main Floating"
		refuse = web + ", from elsewhere, pulled -/b incomparable by the controller"
		take   = web + ", pulled -/b incomparable by the controller"
	)
	// pulled is the GitRepository with a revision that it has pulled for a generation of its spec.
	pulled := func(generation, observed int, revision, more string) string {
		repo := gitRepo(fmt.Sprintf(`spec: {url: "https://github.com/acme/apps.git", ref: {branch: main}}
status: {observedGeneration: %d, artifact: {revision: %q}, conditions: [{type: Ready, status: "True", observedGeneration: %d}, {type: ArtifactInStorage, status: "True", observedGeneration: %d}]%s}`,
			generation, revision, generation, observed, more))
		return strings.Replace(repo, "metadata: {", fmt.Sprintf("metadata: {generation: %d, ", generation), 1)
	}
	built := func(revision string) string {
		return fromGit("./charts/web") + fmt.Sprintf("status: {observedSourceArtifactRevision: %q, artifact: {url: x, revision: 1.0.0, digest: %q}}", revision, hex("b"))
	}
	check(t, onOrigin(onStatus([]row{
		{sentence: "built from what is pulled", cluster: pulled(2, 2, "main@sha1:a", ""), user: fluxUser, new: built("main@sha1:a"), want: []string{take}},
		{sentence: "written by an editor", cluster: pulled(2, 2, "main@sha1:a", ""), new: built("main@sha1:a"), want: []string{web + ", pulled -/b incomparable"}},
		{sentence: "built before the URL was changed", cluster: pulled(3, 2, "main@sha1:a", ""), user: fluxUser, new: built("main@sha1:a"), want: []string{refuse}},
		{sentence: "built before the new URL was pulled, and written after", cluster: pulled(3, 3, "main@sha1:c", ""), user: fluxUser, new: built("main@sha1:a"), want: []string{refuse}},
		{sentence: "built from no revision", cluster: pulled(2, 2, "main@sha1:a", ""), user: fluxUser, new: built(""), want: []string{refuse}},
		{sentence: "built from no revision of a source that names none", cluster: pulled(2, 2, "", ""), user: fluxUser, new: built(""), want: []string{refuse}},
		{sentence: "from a source without conditions", cluster: appsRepo, user: fluxUser, new: built("main@sha1:a"), want: []string{refuse}},
		{sentence: "from a source that has lost its artifact", cluster: strings.Replace(pulled(2, 2, "main@sha1:a", ""), `ArtifactInStorage, status: "True"`, `ArtifactInStorage, status: "False"`, 1), user: fluxUser, new: built("main@sha1:a"), want: []string{refuse}},
		{sentence: "from a source that does not exist", user: fluxUser, new: built("main@sha1:a"), want: []string{"status.artifact: SourceNotFound"}},
		{sentence: "the same artifact with a new revision of the source is no news", cluster: pulled(2, 2, "main@sha1:c", ""), user: fluxUser, old: built("main@sha1:a"), new: built("main@sha1:c")},
		{sentence: "the same artifact for another folder is news", cluster: pulled(2, 2, "main@sha1:a", ""), user: fluxUser, old: strings.Replace(built("main@sha1:a"), "charts/web", "evil", 1), new: built("main@sha1:a"), want: []string{take}},
	})))
}

// The attempt is the last gate: it looks at the source as it is stored then.
func TestAnAttemptOfAChartFromGitLooksAtTheSource(t *testing.T) {
	// heldFor is the HelmChart with an artifact that was built for a generation of its spec, 2 now.
	heldFor := func(observed int) string {
		return strings.Replace(object("HelmChart", "apps/apps-podinfo", fmt.Sprintf("spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: acme}}\nstatus: {artifact: {url: x, revision: 1.0.0, digest: %q}, conditions: [{type: ArtifactInStorage, status: \"True\", observedGeneration: %d}]}", hex("b"), observed)),
			"metadata: {", "metadata: {generation: 2, ", 1)
	}
	held := heldFor(2)
	attempt := release(chartSpec("./charts/web", "", "GitRepository", "acme", "") + "\nstatus: {lastAttemptedRevision: 1.0.0}")
	check(t, onOrigin(onStatus([]row{
		{sentence: "with its name", cluster: appsRepo + held, user: helmUser, new: attempt, want: []string{"status.lastAttemptedRevision: git://github.com/acme/apps//charts/web?ref=main Floating, pulled -/b incomparable by the controller"}},
		{sentence: "with the name that the source has now", cluster: gitRepo(`spec: {url: "https://evil.example/x"}`) + held, user: helmUser, new: attempt, want: []string{"status.lastAttemptedRevision: git://evil.example/x//charts/web Floating, pulled -/b incomparable by the controller"}},
		{sentence: "of a HelmChart that got another spec after it was built", cluster: appsRepo + heldFor(1), user: helmUser, new: attempt, want: []string{"status.lastAttemptedRevision: git://github.com/acme/apps//charts/web?ref=main Floating, from elsewhere, pulled -/b incomparable by the controller"}},
		{sentence: "without the source", cluster: held, user: helmUser, new: attempt, want: []string{"status.lastAttemptedRevision: SourceNotFound"}},
		{sentence: "without the chart", cluster: appsRepo, user: helmUser, new: attempt, want: []string{"status.lastAttemptedRevision: SourceNotFound"}},
	})))
}
