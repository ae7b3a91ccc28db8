package flux_test

import (
	"fmt"

	"github.com/chartgate/chartgate/test/harness"
)

// The objects of rows, in a form that shows what differs. An object without a spec is the start of
// a patch, or names what is looked for. The team's namespace takes the place of the one in the YAML.

func source(kind, name, body string) string { return harness.Source(kind, name, body) }

func spec(format string, args ...any) string { return "spec: {" + fmt.Sprintf(format, args...) + "}" }

// helmRepository is a HelmRepository of type oci at a place.
func helmRepository(name string, at place) string {
	return source("HelmRepository", name, spec("type: oci, insecure: true, interval: 10m, url: %q", at.url()))
}

// helmChart is a HelmChart of the chart app.
func helmChart(name, repository, version, more string) string {
	return source("HelmChart", name, spec("interval: 10m, chart: app, version: %q, sourceRef: {kind: HelmRepository, name: %s}%s",
		version, repository, more))
}

// ociRepository is an OCIRepository of the chart app with Helm's layer as it is.
func ociRepository(name string, at place, tag string) string {
	return source("OCIRepository", name, ociSpec(at, tag, harness.HelmLayer+", "))
}

// repackaging is an OCIRepository of the chart app that source-controller makes an archive of its
// own of.
func repackaging(name string, at place, tag, more string) string {
	return source("OCIRepository", name, ociSpec(at, tag, more))
}

func ociSpec(at place, tag, more string) string {
	return spec("%sinterval: 10m, insecure: true, url: %q, ref: {tag: %q}", more, at.url()+"/app", tag)
}

// helmRelease is a HelmRelease that waits for nothing, since no node makes anything ready.
func helmRelease(name, format string, args ...any) string {
	return release(name,
		spec("interval: 10m, install: {disableWait: true}, upgrade: {disableWait: true}, "+format, args...))
}

// releaseOf is a HelmRelease of the chart app in a HelmRepository.
func releaseOf(name, repository, version, more string) string {
	return helmRelease(name, "chart: {spec: {chart: app, version: %q, sourceRef: {kind: HelmRepository, name: %s}%s}}",
		version, repository, more)
}

// releaseBy is a HelmRelease with chartRef.
func releaseBy(name, kind, source string) string {
	return helmRelease(name, "chartRef: {kind: %s, name: %s}", kind, source)
}

// release is the start of a patch of a HelmRelease.
func release(name, body string) string { return harness.HelmRelease(name, body) }
