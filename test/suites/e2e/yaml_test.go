package e2e_test

import (
	"fmt"

	"github.com/chartgate/chartgate/test/harness"
)

// The objects of rows, in namespace apps, in a form that shows what differs.

func helmRelease(name, spec string) string { return harness.HelmRelease(name, "spec: "+spec) }

// releaseOf is a HelmRelease that takes a chart from the HelmRepository acme.
func releaseOf(chart, version string) string { return releaseFrom("acme", chart, version) }

func releaseFrom(repository, chart, version string) string {
	return helmRelease("app", "{interval: 10m, "+harness.FromRepository(repository, chart, version)+"}")
}

func helmRepository(name, spec string) string {
	return harness.Source("HelmRepository", name, "spec: "+spec)
}

// repositoryAt is a HelmRepository of type oci.
func repositoryAt(name, url string) string {
	return helmRepository(name, fmt.Sprintf("{type: oci, url: %q}", url))
}

func helmChart(spec string) string {
	return harness.Source("HelmChart", "app", "spec: "+spec)
}

func ociRepository(name, spec string) string {
	return harness.Source("OCIRepository", name, "spec: "+spec)
}

// ociAt is an OCIRepository that asks for Helm's layer.
func ociAt(url, ref string) string {
	return ociRepository("app", fmt.Sprintf("{interval: 10m, url: %q, ref: %s, %s}", url, ref, harness.HelmLayer))
}

// application is an Application with a source or sources.
func application(sources string) string {
	return harness.Application("app", harness.ApplicationSpec(sources))
}

// applicationOf is an Application with one source.
func applicationOf(repoURL, chart, revision string) string {
	return application(fmt.Sprintf("source: {repoURL: %q, chart: %q, targetRevision: %q}", repoURL, chart, revision))
}

// repositories are the HelmRepositories that rows take charts from.
func repositories() string {
	return repositoryAt("acme", "oci://ghcr.io/acme/charts") +
		repositoryAt("quay", "oci://quay.io/acme/charts") +
		repositoryAt("down", "oci://down.example/acme/charts") +
		repositoryAt("team", "oci://ghcr.io/acme") // for policies of other teams
}
