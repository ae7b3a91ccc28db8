package attacks_test

import (
	"strings"
	"testing"
)

// TestOldVersions: a cluster that still serves old versions of Flux's API lets nobody walk past by them.
func TestOldVersions(t *testing.T) {
	w := theOldSite(t)
	in := func(version, object string) string {
		for _, today := range []string{"helm.toolkit.fluxcd.io/v2", "source.toolkit.fluxcd.io/v1"} {
			group, _, _ := strings.Cut(today, "/")
			object = strings.ReplaceAll(object, "apiVersion: "+today+",", "apiVersion: "+group+"/"+version+",")
		}
		return object
	}
	given := acmeRepository() + ociAt("unsigned", "oci://ghcr.io/charts/unsigned", "{tag: 1.0.0}", suspended)
	both := "spec: {interval: 10m, chart: {spec: {chart: %s, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}, chartRef: {kind: OCIRepository, name: %s}}"
	spec := func(chart, source string) string {
		return strings.Replace(strings.Replace(both, "%s", chart, 1), "%s", source, 1)
	}
	checksum := func(fields string) string {
		return "status: {artifact: {url: 'http://mallory.example/chart.tgz', path: chart.tgz, lastUpdateTime: '2026-01-01T00:00:00Z', revision: 1.0.0, " + fields + "}}"
	}
	chart := given + helmChart("app", "podinfo", "1.0.0")
	withFile := in("v1beta2", helmChart("app", "podinfo", "1.0.0", "valuesFile: prod.yaml"))
	var rows []row
	for _, version := range []string{"v2beta1", "v2beta2", "v2"} {
		rows = append(rows, row{"an unsigned chart in a HelmRelease of " + version, kubeVersions, given, []write{
			create(editor, in(version, releaseOf("app", "unsigned", "1.0.0")), "SignatureMissing spec.chart.spec"),
		}}, row{"status.helmChart points at an unsigned chart, in " + version, "", given + releaseOf("app", "podinfo", "1.0.0") + helmChart("bad", "unsigned", "1.0.0", suspended), []write{
			status(editor, in(version, helmRelease("app", "status: {helmChart: apps/bad}")), "SignatureMissing status.helmChart"),
		}})
	}
	for _, version := range []string{"v1beta1", "v1beta2", "v1"} {
		rows = append(rows, row{"an unsigned chart in a HelmChart of " + version, kubeVersions, given, []write{
			create(editor, in(version, helmChart("app", "unsigned", "1.0.0")), "SignatureMissing spec"),
		}}, row{"a forged artifact without a digest, in " + version, fluxChecksum, chart, []write{
			status(editor, in(version, flux("HelmChart", "app", checksum("checksum: "+evil[7:]))), "ReferenceInvalid status.artifact"),
		}})
	}
	w.check(t, append(rows, []row{
		{"a forged artifact in v1beta2", "", chart, []write{status(editor, in("v1beta2", flux("HelmChart", "app", artifact("1.0.0", evil))), "DigestMismatch status.artifact")}},
		{"a forged artifact of a HelmChart with the old valuesFile", "", given + withFile, []write{
			status(editor, in("v1beta2", flux("HelmChart", "app", artifact("1.0.0+1", evil))), "DigestMismatch status.artifact"),
		}},
		{"chart and chartRef together, the chart unsigned", fluxSources, given + ociAt("good", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}"), []write{
			create(editor, in("v2beta1", helmRelease("app", spec("unsigned", "good"))), "SignatureMissing spec.chart.spec"),
		}},
		{"chart and chartRef together, the chartRef unsigned", fluxSources, given, []write{
			create(editor, in("v2beta1", helmRelease("app", spec("podinfo", "unsigned"))), "SignatureMissing spec.chartRef"),
		}},
		{"an unsigned OCIRepository in v1beta2", "", given, []write{
			create(editor, in("v1beta2", ociAt("app", "oci://ghcr.io/charts/unsigned", "{tag: 1.0.0}")), "SignatureMissing spec.ref"),
		}},
		{"a HelmRepository that no policy is about, in v1beta2", "", "", []write{
			create(editor, in("v1beta2", repositoryAt("oci://registry.mallory.example/charts")), "NoPolicy spec.url"),
		}},
		{"a HelmRepository in v1beta1, which does not know OCI", "", "", []write{
			create(editor, in("v1beta1", flux("HelmRepository", "acme", "spec: {interval: 10m, url: 'oci://ghcr.io/charts'}")), "ReferenceInvalid spec.url"),
		}},
		{"control: a signed chart in v2beta1", "", given, []write{create(editor, in("v2beta1", releaseOf("app", "podinfo", "1.0.0")), admitted)}},
	}...))
}
