package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/harness"
)

// TestEveryServedVersionIsGated: with a rule on the newest version alone, writes of older versions
// would bypass the gate.
func TestEveryServedVersionIsGated(t *testing.T) {
	w := theOldSite(t)
	w.given(t, repositories())
	var rows []row
	for _, version := range []string{"v2", "v2beta2", "v2beta1"} {
		in := func(text string) string {
			return strings.Replace(text, "helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/"+version, 1)
		}
		rows = append(rows,
			row{sentence: "a signed HelmRelease in " + version, object: in(releaseOf("podinfo", "6.7.1"))},
			row{sentence: "an unsigned HelmRelease in " + version, object: in(releaseOf("unsigned", "1.0.0")), want: unsigned("HelmRelease apps/app", "spec.chart.spec", unsignedChart)},
		)
	}
	for _, version := range []string{"v1", "v1beta2", "v1beta1"} {
		in := func(text string) string {
			return strings.Replace(text, "source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/"+version, 1)
		}
		const source = "sourceRef: {kind: HelmRepository, name: acme}"
		rows = append(rows,
			row{sentence: "a HelmRepository in " + version, object: in(helmRepository("app", "{interval: 10m, url: 'https://charts.legacy.example/stable'}"))},
			row{
				sentence: "a HelmRepository that no policy is about in " + version,
				object:   in(helmRepository("app", "{interval: 10m, url: 'https://charts.example.com/stable'}")),
				want: harness.Denied("NotOCI spec.url", `
HelmRepository apps/app denied (NotOCI): https://charts.example.com/stable does not come from an OCI registry, so it cannot carry a signature
  where:    spec.url
  next:     use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified`),
			},
			row{sentence: "a signed HelmChart in " + version, object: in(helmChart("{interval: 10m, chart: podinfo, version: 6.7.1, " + source + "}"))},
			row{
				sentence: "an unsigned HelmChart in " + version,
				object:   in(helmChart("{interval: 10m, chart: unsigned, version: 1.0.0, " + source + "}")),
				want:     unsigned("HelmChart apps/app", "spec", unsignedChart),
			},
		)
		if version == "v1beta1" {
			continue // there was no OCIRepository yet
		}
		rows = append(rows,
			row{sentence: "a signed OCIRepository in " + version, object: in(ociAt("oci://ghcr.io/acme/charts/podinfo", "{tag: 6.7.1}"))},
			row{
				sentence: "an unsigned OCIRepository in " + version,
				object:   in(ociAt("oci://ghcr.io/acme/charts/unsigned", "{tag: 1.0.0}")),
				want:     unsigned("OCIRepository apps/app", "spec.ref", unsignedChart),
			},
		)
	}
	for i := range rows {
		rows[i].want.Warnings = deprecation(w.Object(t, rows[i].object))
	}
	w.check(t, rows)
}

// deprecation is what the API server itself warns of.
func deprecation(object *unstructured.Unstructured) []string {
	version := object.GroupVersionKind().Version
	newest, beta, _ := strings.Cut(version, "beta")
	if beta == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s %s is deprecated, upgrade to %s", version, object.GetKind(), newest)}
}

// TestUpdateThroughAnotherVersionIsGated: the object is stored in the newest version.
func TestUpdateThroughAnotherVersionIsGated(t *testing.T) {
	w := theOldSite(t)
	w.given(t, repositories())
	object := w.Object(t, releaseOf("podinfo", "6.7.1"))
	w.create(t, object)
	object.SetAPIVersion("helm.toolkit.fluxcd.io/v2beta1")
	refused := unsigned("HelmRelease apps/app", "spec.chart.spec", unsignedChart)
	refused.Warnings = deprecation(object)
	w.update(t, object, []step{
		{
			sentence: "a label",
			patch:    `{metadata: {labels: {team: a}}}`,
			want:     harness.Admitted(refused.Warnings...),
		},
		{
			sentence: "an unsigned chart",
			patch:    `{spec: {chart: {spec: {chart: unsigned, version: 1.0.0}}}}`,
			want:     refused,
		},
	})
}
