package e2e_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestFluxKinds: every kind of Flux that brings a chart into a cluster.
func TestFluxKinds(t *testing.T) {
	w := theSite(t)
	inTeamB := func(text string) string { return strings.Replace(text, "namespace: apps", "namespace: team-b", 1) }
	signed := w.digest("ghcr.io/acme/floating/app:1.0.0")
	w.check(t, []row{
		{
			sentence: "the sample HelmRepository",
			object:   w.sample("flux/helmrepository.yaml"),
		},
		{
			sentence: "the sample HelmRelease",
			given:    w.sample("flux/helmrepository.yaml"),
			object:   w.sample("flux/helmrelease.yaml"),
		},
		{
			sentence: "the sample HelmChart",
			given:    w.sample("flux/helmrepository.yaml"),
			object:   w.sample("flux/helmchart.yaml"),
		},
		{
			sentence: "the sample OCIRepository",
			object:   w.sample("flux/ocirepository.yaml"),
		},
		{
			sentence: "the sample HelmRelease with chartRef",
			given:    w.sample("flux/ocirepository.yaml"),
			object:   w.sample("flux/helmrelease-chartref.yaml"),
		},
		{
			sentence: "a HelmRelease of a HelmChart",
			given:    w.sample("flux/helmrepository.yaml") + "---\n" + w.sample("flux/helmchart.yaml"),
			object:   helmRelease("app", "{interval: 10m, chartRef: {kind: HelmChart, name: podinfo}}"),
		},
		{
			sentence: "a HelmRelease of a HelmRepository in another namespace",
			given:    w.sample("flux/helmrepository.yaml"),
			object: inTeamB(helmRelease("app", "{interval: 10m, chart: {spec: {chart: unsigned, version: 1.0.0, "+
				"sourceRef: {kind: HelmRepository, name: acme, namespace: apps}}}}")),
			want: unsigned("HelmRelease team-b/app", "spec.chart.spec", unsignedChart),
		},
		{
			sentence: "a HelmRelease of an OCIRepository in another namespace",
			given:    w.sample("flux/ocirepository.yaml"),
			object:   inTeamB(helmRelease("app", "{interval: 10m, chartRef: {kind: OCIRepository, name: podinfo, namespace: apps}}")),
		},
		{
			sentence: "a HelmRelease of a suspended OCIRepository with an unsigned chart",
			given:    ociRepository("unsigned", "{interval: 10m, suspend: true, url: 'oci://ghcr.io/acme/charts/unsigned', ref: {tag: 1.0.0}}"),
			object:   helmRelease("app", "{interval: 10m, chartRef: {kind: OCIRepository, name: unsigned}}"),
			want:     unsigned("HelmRelease apps/app", "spec.chartRef", unsignedChart),
		},
		{
			sentence: "a HelmRelease of an OCIRepository that holds no chart",
			given:    ociRepository("manifests", "{interval: 10m, url: 'oci://ghcr.io/acme/charts/manifests', ref: {tag: 1.0.0}}"),
			object:   helmRelease("app", "{interval: 10m, chartRef: {kind: OCIRepository, name: manifests}}"),
			want: harness.Denied("NotAChart spec.chartRef", `
HelmRelease apps/app denied (NotAChart): oci://ghcr.io/acme/charts/manifests:1.0.0 is not a Helm chart: its config has the media type "application/vnd.cncf.flux.config.v1+json"
  where:    spec.chartRef
  policy:   `+acmeWants+`
  next:     push the chart with helm push, or correct the reference`),
		},
		{
			sentence: "a HelmRelease of a chart in a Git repository",
			given:    harness.Source("GitRepository", "acme", "spec: {interval: 10m, url: 'https://github.com/acme/apps.git', ref: {branch: main}}"),
			object:   helmRelease("app", "{interval: 10m, chart: {spec: {chart: ./podinfo, sourceRef: {kind: GitRepository, name: acme}}}}"),
			want: harness.Denied("NotOCI spec.chart.spec", `
HelmRelease apps/app denied (NotOCI): git://github.com/acme/apps//podinfo?ref=main does not come from an OCI registry, so it cannot carry a signature
  where:    spec.chart.spec
  next:     push the chart to an OCI registry and sign it there, or ask the platform team for a ChartPolicy with allowUnverified that matches git://github.com/acme/apps//podinfo`),
		},
		{
			sentence: "a HelmRelease of a chart in a bucket",
			given:    harness.Source("Bucket", "acme", "spec: {interval: 10m, endpoint: 'minio.acme.example:9000', bucketName: charts}"),
			object:   helmRelease("app", "{interval: 10m, chart: {spec: {chart: ./podinfo, sourceRef: {kind: Bucket, name: acme}}}}"),
			want: harness.Denied("NotOCI spec.chart.spec", `
HelmRelease apps/app denied (NotOCI): bucket://minio.acme.example:9000/charts//podinfo does not come from an OCI registry, so it cannot carry a signature
  where:    spec.chart.spec
  next:     push the chart to an OCI registry and sign it there, or ask the platform team for a ChartPolicy with allowUnverified that matches bucket://minio.acme.example:9000/charts//podinfo`),
		},
		{
			sentence: "a HelmRelease of an artifact of an unknown controller",
			object:   helmRelease("app", "{interval: 10m, chartRef: {kind: ExternalArtifact, name: acme}}"),
			want: harness.Denied("Unsupported spec.chartRef", `
HelmRelease apps/app denied (Unsupported): ExternalArtifact apps/acme is made by a controller that chartgate does not know, so its chart cannot be verified
  where:    spec.chartRef
  next:     refer to an OCIRepository`),
		},
		{
			sentence: "a suspended HelmRelease, which installs nothing",
			given:    w.sample("flux/helmrepository.yaml"),
			object:   helmRelease("app", "{suspend: true, interval: 10m, "+harness.FromRepository("acme", "unsigned", "1.0.0")+"}"),
		},
		{
			sentence: "a HelmChart without a signature",
			given:    w.sample("flux/helmrepository.yaml"),
			object:   helmChart("{interval: 10m, chart: unsigned, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}"),
			want:     unsigned("HelmChart apps/app", "spec", unsignedChart),
		},
		{
			sentence: "a HelmRepository that no policy is about",
			object:   w.sample("denied/other.yaml"),
			want: harness.Denied("NoPolicy spec.url", `
HelmRepository apps/other denied (NoPolicy): no policy matches oci://registry.example.com/charts
  where:    spec.url
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`),
		},
		{
			sentence: "a classic HelmRepository",
			object:   w.sample("denied/classic.yaml"),
			want: harness.Denied("NotOCI spec.url", `
HelmRepository apps/classic denied (NotOCI): https://charts.example.com/stable does not come from an OCI registry, so it cannot carry a signature
  where:    spec.url
  next:     use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified`),
		},
		{
			sentence: "a classic HelmRepository that may be unverified for a while",
			object:   helmRepository("legacy", "{url: https://charts.legacy.example/stable}"),
		},
		{
			sentence: "an OCIRepository without a signature",
			object:   ociAt("oci://ghcr.io/acme/charts/unsigned", "{tag: 1.0.0}"),
			want:     unsigned("OCIRepository apps/app", "spec.ref", unsignedChart),
		},
		{
			sentence: "an OCIRepository that does not ask for Helm's layer and holds an unsigned chart",
			object:   ociRepository("app", "{interval: 10m, url: 'oci://ghcr.io/acme/charts/unsigned', ref: {tag: 1.0.0}}"),
			want:     unsigned("OCIRepository apps/app", "spec.ref", unsignedChart),
		},
		{
			sentence: "an OCIRepository that holds no chart and that no object uses",
			object:   ociRepository("app", "{interval: 10m, url: 'oci://ghcr.io/acme/charts/manifests', ref: {tag: 1.0.0}}"),
		},
		{
			sentence: "an OCIRepository that no policy matches and that no object uses",
			object:   ociRepository("app", "{interval: 10m, url: 'oci://registry.example.com/manifests', ref: {tag: 1.0.0}}"),
		},
		{
			sentence: "an OCIRepository that no policy is about and that asks for Helm's layer",
			object:   ociAt("oci://registry.example.com/charts/app", "{tag: 1.0.0}"),
			want: harness.Denied("NoPolicy spec.ref", `
OCIRepository apps/app denied (NoPolicy): no policy matches oci://registry.example.com/charts/app:1.0.0
  where:    spec.ref
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`),
		},
		{
			sentence: "digest comes before semver and tag",
			object:   ociAt("oci://ghcr.io/acme/floating/app", "{digest: '"+signed+"', semver: '>=2.0.0', tag: 2.0.0}"),
		},
		{
			sentence: "semver comes before tag",
			object:   ociAt("oci://ghcr.io/acme/floating/app", "{semver: 1.x, tag: 2.0.0}"),
		},
		{
			sentence: "semver takes the newest",
			object:   ociAt("oci://ghcr.io/acme/floating/app", "{semver: '>=1.0.0', tag: 1.0.0}"),
			want: harness.Denied("SignatureMissing spec.ref", `
OCIRepository apps/app denied (SignatureMissing): oci://ghcr.io/acme/floating/app:2.0.0@sha256:<app:2.0.0> (the newest of ">=1.0.0") has no signature
  where:    spec.ref
  policy:   floating requires `+wantsRelease+`
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/floating/app@sha256:<app:2.0.0>`),
		},
		{
			sentence: "semverFilter leaves the newest out",
			object:   ociAt("oci://ghcr.io/acme/floating/app", "{semver: '>=1.0.0-0', semverFilter: '-rc'}"),
		},
		{
			sentence: "a tag by itself",
			object:   ociAt("oci://ghcr.io/acme/floating/app", "{tag: 2.0.0}"),
			want: harness.Denied("SignatureMissing spec.ref", `
OCIRepository apps/app denied (SignatureMissing): oci://ghcr.io/acme/floating/app:2.0.0@sha256:<app:2.0.0> has no signature
  where:    spec.ref
  policy:   floating requires `+wantsRelease+`
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/floating/app@sha256:<app:2.0.0>`),
		},
	})
}
