package harness

import (
	"fmt"
	"strings"
)

// HelmLayer is the field of an OCIRepository that asks for Helm's layer as it is.
const HelmLayer = "layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}"

// Object is YAML of one object, called "name" in namespace apps, or "namespace/name". The body
// holds the fields beside metadata, such as "spec: {…}, status: {…}".
func Object(apiVersion, kind, name, body string) string {
	namespace, name, found := strings.Cut(name, "/")
	if !found {
		namespace, name = "apps", namespace
	}
	if body != "" {
		body = ", " + body
	}
	return fmt.Sprintf("---\n{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: %s}%s}\n", apiVersion, kind, name, namespace, body)
}

// HelmRelease is an object of Flux's helm-controller.
func HelmRelease(name, body string) string {
	return Object("helm.toolkit.fluxcd.io/v2", "HelmRelease", name, body)
}

// Source is an object of Flux's source-controller: a HelmRepository, HelmChart or OCIRepository.
func Source(kind, name, body string) string {
	return Object("source.toolkit.fluxcd.io/v1", kind, name, body)
}

// Application is an object of Argo CD.
func Application(name, body string) string {
	return Object("argoproj.io/v1alpha1", "Application", name, body)
}

// ApplicationSpec is spec of an Application with a source or sources.
func ApplicationSpec(sources string) string {
	return "spec: {project: default, destination: {server: https://kubernetes.default.svc, namespace: apps}, " + sources + "}"
}

// FromRepository is the field of a HelmRelease's spec that takes a chart from a HelmRepository.
func FromRepository(repository, chart, version string) string {
	return fmt.Sprintf("chart: {spec: {chart: %q, version: %q, sourceRef: {kind: HelmRepository, name: %s}}}", chart, version, repository)
}

// Policy is a ChartPolicy.
func Policy(name, spec string) string { return own("ChartPolicy", name, spec) }

// Identity is a TrustedIdentity.
func Identity(name, spec string) string { return own("TrustedIdentity", name, spec) }

// TrustRoot is a TrustRoot.
func TrustRoot(name, spec string) string { return own("TrustRoot", name, spec) }

func own(kind, name, spec string) string {
	return fmt.Sprintf("---\n{apiVersion: chartgate.dev/v1alpha1, kind: %s, metadata: {name: %s}, spec: %s}\n", kind, name, spec)
}

// Indented indents all lines of a text but the first, for a place in YAML that is indented itself.
func Indented(text string, depth int) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+strings.Repeat(" ", depth)) + "\n"
}
