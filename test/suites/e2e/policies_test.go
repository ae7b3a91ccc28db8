package e2e_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestPinningModesAndWaivers: what policies decide without reading a signature.
func TestPinningModesAndWaivers(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories()+
		helmRepository("legacy", "{url: https://charts.legacy.example/stable}"))
	w.check(t, []row{
		{
			sentence: "a chart that no policy matches",
			object:   releaseFrom("team", "unknown/app", "1.0.0"),
			want: harness.Denied("NoPolicy spec.chart.spec", `
HelmRelease apps/app denied (NoPolicy): no policy matches oci://ghcr.io/acme/unknown/app:1.0.0
  where:    spec.chart.spec
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`),
		},
		{
			sentence: "a range of versions",
			object:   w.sample("denied/floating.yaml"),
			want: harness.Denied("NotPinned spec.chart.spec", `
HelmRelease apps/floating denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:>=6.0.0 is not pinned: ">=6.0.0" is a range of versions, and names other content tomorrow
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in version: "1.2.3"`),
		},
		{
			sentence: "no version, which Flux takes for the newest",
			object:   helmRelease("app", "{interval: 10m, chart: {spec: {chart: podinfo, sourceRef: {kind: HelmRepository, name: acme}}}}"),
			want: harness.Denied("NotPinned spec.chart.spec", `
HelmRelease apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:* is not pinned: no version, or "*", names the newest one
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in version: "1.2.3"`),
		},
		{
			sentence: "the tag latest",
			object:   ociAt("oci://ghcr.io/acme/charts/podinfo", "{tag: latest}"),
			want: harness.Denied("NotPinned spec.ref", `
OCIRepository apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:latest is not pinned: the tag "latest" names other content tomorrow
  where:    spec.ref
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in ref: {tag: "1.2.3"}`),
		},
		{
			sentence: "no tag, which Flux takes for latest",
			object:   ociAt("oci://ghcr.io/acme/charts/podinfo", "{}"),
			want: harness.Denied("NotPinned spec.ref", `
OCIRepository apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:latest is not pinned: the tag "latest" names other content tomorrow
  where:    spec.ref
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in ref: {tag: "1.2.3"}`),
		},
		{
			sentence: "an incomplete version",
			object:   releaseOf("podinfo", "6.7"),
			want: harness.Denied("NotPinned spec.chart.spec", `
HelmRelease apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:6.7 is not pinned: "6.7" is an incomplete version, which is read as a range, and names other content tomorrow
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in version: "1.2.3"`),
		},
		{
			sentence: "a version where a digest is required",
			object:   releaseFrom("team", "pinned/app", "1.0.0"),
			want: harness.Denied("NotPinned spec.chart.spec", `
HelmRelease apps/app denied (NotPinned): oci://ghcr.io/acme/pinned/app:1.0.0 is not pinned: a tag can be moved to other content
  where:    spec.chart.spec
  policy:   pinned requires pinning Digest
  next:     name the chart's digest (sha256:…): OCIRepository spec.ref.digest, or targetRevision of an Argo CD oci:// source`),
		},
		{
			sentence: "a digest where a digest is required",
			object:   ociAt("oci://ghcr.io/acme/pinned/app", "{digest: '"+w.digest("ghcr.io/acme/pinned/app:1.0.0")+"'}"),
		},
		{
			sentence: "a range where a policy lets versions float, and the newest is signed",
			object:   releaseFrom("team", "floating/app", "1.x"),
		},
		{
			sentence: "a range where a policy lets versions float, and the newest is not signed",
			object:   releaseFrom("team", "floating/app", ">=1.0.0"),
			want: harness.Denied("SignatureMissing spec.chart.spec", `
HelmRelease apps/app denied (SignatureMissing): oci://ghcr.io/acme/floating/app:2.0.0@sha256:<app:2.0.0> (the newest of ">=1.0.0") has no signature
  where:    spec.chart.spec
  policy:   floating requires `+wantsRelease+`
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/floating/app@sha256:<app:2.0.0>`),
		},
		{
			sentence: "a policy in Warn mode",
			object:   releaseFrom("team", "warn/app", "1.0.0"),
			want:     harness.Admitted("chartgate would deny this (SignatureMissing): oci://ghcr.io/acme/warn/app:1.0.0@sha256:<app:1.0.0> has no signature; policy: warning requires " + wantsRelease + "; next: the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/warn/app@sha256:<app:1.0.0>"),
		},
		{
			sentence: "a chart that may be unverified for a while",
			object:   releaseFrom("legacy", "app", "1.0.0"),
			want:     harness.Admitted("chartgate admitted this unverified: policy legacy-charts allows https://charts.legacy.example/stable/app:1.0.0 (moving to ghcr.io/acme/charts, ticket PLAT-42; until 2099-12-31)"),
		},
		{
			sentence: "a chart that might be unverified for a while, and that day has passed",
			object:   applicationOf("https://charts.ended.example", "app", "1.0.0"),
			want: harness.Denied("NoPolicy spec.source", `
Application apps/app denied (NoPolicy): policy ended allowed https://charts.ended.example/app:1.0.0 unverified until 2020-12-31, and that day has passed
  where:    spec.source
  policy:   ended allows unverified charts until 2020-12-31
  next:     use a signed chart, or ask the platform team to extend the waiver`),
		},
	})
}
