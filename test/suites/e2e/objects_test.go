package e2e_test

import "fmt"

// The objects of rows, in namespace apps, in a form that shows what differs.

func object(apiVersion, kind, name, spec string) string {
	return fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: apps}, spec: %s}\n", apiVersion, kind, name, spec)
}

func helmRelease(name, spec string) string {
	return object("helm.toolkit.fluxcd.io/v2", "HelmRelease", name, spec)
}

// releaseOf is a HelmRelease that takes a chart from the HelmRepository acme.
func releaseOf(chart, version string) string { return releaseFrom("acme", chart, version) }

func releaseFrom(repository, chart, version string) string {
	return helmRelease("app", "{interval: 10m, "+chartSpec(repository, chart, version)+"}")
}

func chartSpec(repository, chart, version string) string {
	return fmt.Sprintf("chart: {spec: {chart: %q, version: %q, sourceRef: {kind: HelmRepository, name: %s}}}", chart, version, repository)
}

func helmRepository(name, spec string) string {
	return object("source.toolkit.fluxcd.io/v1", "HelmRepository", name, spec)
}

// repositoryAt is a HelmRepository of type oci.
func repositoryAt(name, url string) string {
	return helmRepository(name, fmt.Sprintf("{type: oci, url: %q}", url))
}

func helmChart(spec string) string {
	return object("source.toolkit.fluxcd.io/v1", "HelmChart", "app", spec)
}

func ociRepository(name, spec string) string {
	return object("source.toolkit.fluxcd.io/v1", "OCIRepository", name, spec)
}

// ociAt is an OCIRepository that asks for Helm's layer.
func ociAt(url, ref string) string {
	return ociRepository("app", fmt.Sprintf("{interval: 10m, url: %q, ref: %s, "+
		"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}}", url, ref))
}

func application(spec string) string {
	return object("argoproj.io/v1alpha1", "Application", "app",
		"{project: default, destination: {server: https://kubernetes.default.svc, namespace: apps}, "+spec+"}")
}

// applicationOf is an Application with one source.
func applicationOf(repoURL, chart, revision string) string {
	return application(fmt.Sprintf("source: {repoURL: %q, chart: %q, targetRevision: %q}", repoURL, chart, revision))
}

// repositories are the HelmRepositories that rows take charts from.
func repositories() string {
	return "---\n" + repositoryAt("acme", "oci://ghcr.io/acme/charts") +
		"---\n" + repositoryAt("quay", "oci://quay.io/acme/charts") +
		"---\n" + repositoryAt("down", "oci://down.example/acme/charts") +
		"---\n" + repositoryAt("team", "oci://ghcr.io/acme") // for policies of other teams
}
