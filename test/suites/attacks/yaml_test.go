package attacks_test

import (
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/test/harness"
)

// The objects of rows, in a form that shows what differs. They are called app, in namespace apps,
// unless said otherwise.

func helmRelease(name, body string) string { return harness.HelmRelease(name, body) }

func flux(kind, name, body string) string { return harness.Source(kind, name, body) }

func application(body string) string { return harness.Application("app", body) }

// chartOf is spec of a HelmRelease that takes a chart from the HelmRepository acme.
func chartOf(chart, version string) string {
	return "spec: {interval: 10m, " + harness.FromRepository("acme", chart, version) + "}"
}

func releaseOf(name, chart, version string) string { return helmRelease(name, chartOf(chart, version)) }

// chartRef is spec of a HelmRelease that takes its chart from a source.
func chartRef(kind, name string) string {
	namespace, name, found := strings.Cut(name, "/")
	if !found {
		return fmt.Sprintf("spec: {interval: 10m, chartRef: {kind: %s, name: %s}}", kind, namespace)
	}
	return fmt.Sprintf("spec: {interval: 10m, chartRef: {kind: %s, name: %s, namespace: %s}}", kind, name, namespace)
}

// repositoryAt is a HelmRepository of type oci called acme.
func repositoryAt(url string) string {
	return flux("HelmRepository", "acme", fmt.Sprintf("spec: {type: oci, url: %q}", url))
}

func acmeRepository() string { return repositoryAt("oci://ghcr.io/charts") }

// helmChart is a HelmChart of the HelmRepository acme, with more fields of spec.
func helmChart(name, chart, version string, more ...string) string {
	spec := fmt.Sprintf("interval: 10m, chart: %q, version: %q, sourceRef: {kind: HelmRepository, name: acme}", chart, version)
	return flux("HelmChart", name, "spec: {"+strings.Join(append([]string{spec}, more...), ", ")+"}")
}

// ociAt is an OCIRepository, with more fields of spec.
func ociAt(name, url, ref string, more ...string) string {
	spec := fmt.Sprintf("interval: 10m, url: %q, ref: %s", url, ref)
	return flux("OCIRepository", name, "spec: {"+strings.Join(append([]string{spec}, more...), ", ")+"}")
}

const (
	copied     = harness.HelmLayer
	suspended  = "suspend: true"
	repackaged = "valuesFiles: [values.yaml, prod.yaml]"
)

// artifact is a status with an artifact of an attacker's server.
func artifact(revision, digest string) string {
	return fmt.Sprintf("status: {artifact: {url: 'http://mallory.example/chart.tgz', path: chart.tgz, lastUpdateTime: '2026-01-01T00:00:00Z', "+
		"revision: %q, digest: %q}}", revision, digest)
}

// evil is a digest that no registry knows.
var evil = "sha256:" + strings.Repeat("e", 64)

// argo is an Application with a spec and, beside it, an operation or a status.
func argo(source string, more ...string) string {
	return application(strings.Join(append([]string{harness.ApplicationSpec(source)}, more...), ", "))
}

// helmSource is a Helm-OCI source, nativeSource one with oci://.
func helmSource(chart, revision string) string {
	return fmt.Sprintf("{repoURL: ghcr.io/charts, chart: %q, targetRevision: %q}", chart, revision)
}

func nativeSource(chart, revision string) string {
	return fmt.Sprintf("{repoURL: 'oci://ghcr.io/charts/%s', targetRevision: %q}", chart, revision)
}

// running is the state of an operation that the controller is going to resume.
func running(fields ...string) string {
	all := append([]string{"phase: Running", "startedAt: '2026-01-01T00:00:00Z'"}, fields...)
	return "status: {operationState: {" + strings.Join(all, ", ") + "}}"
}

// finalized, generated and labelled change the metadata of an object.
func finalized(object string) string {
	return strings.Replace(object, "metadata: {", "metadata: {finalizers: [mallory.example/hold], ", 1)
}

func generated(object string) string {
	return strings.Replace(object, "metadata: {name: app,", "metadata: {generateName: app-,", 1)
}

func labelled(object, field, values string) string {
	return strings.Replace(object, "metadata: {", "metadata: {"+field+": "+values+", ", 1)
}

func manySources(n int) string {
	var sources []string
	for i := range n {
		sources = append(sources, helmSource("podinfo", fmt.Sprintf("1.0.%d", i)))
	}
	return strings.Join(sources, ", ")
}

func join(fields []string) string { return strings.Join(fields, ", ") }
