package e2e_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestWhatCannotBeReadIsDenied: an error is never an admission.
func TestWhatCannotBeReadIsDenied(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories()+repositoryAt("repeated", "oci://ghcr.io/acme/charts/podinfo"))
	w.check(t, []row{
		{
			sentence: "a version that does not exist",
			object:   releaseOf("podinfo", "9.9.9"),
			want: harness.Denied("ChartNotFound spec.chart.spec", `
HelmRelease apps/app denied (ChartNotFound): ghcr.io has no oci://ghcr.io/acme/charts/podinfo:9.9.9
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     check the chart's name and version, and that it has been pushed`),
		},
		{
			sentence: "a chart whose name the repository's URL repeats",
			object:   releaseFrom("repeated", "podinfo", "6.7.1"),
			want: harness.Denied("ChartNotFound spec.chart.spec", `
HelmRelease apps/app denied (ChartNotFound): ghcr.io has no oci://ghcr.io/acme/charts/podinfo/podinfo:6.7.1
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     the chart's name is repeated: take /podinfo off the end of the repository URL, to which the name is appended`),
		},
		{
			sentence: "a registry that is down",
			object:   releaseFrom("down", "podinfo", "6.7.1"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://down.example/acme/charts/podinfo:6.7.1 could not be read: connection refused
  where:    spec.chart.spec
  policy:   down-charts requires `+wantsRelease+`
  next:     correct host and port (down.example) in the chart's source; if they are right, ask the registry's operator whether it runs`),
		},
		{
			sentence: "a registry that requires credentials",
			object:   releaseOf("closed", "1.0.0"),
			want: harness.Denied("RegistryUnauthorized spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnauthorized): ghcr.io does not let chartgate read acme/charts/closed: the registry answered 401 Unauthorized
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     give chartgate credentials (--registry-config) that can pull acme/charts/closed from ghcr.io; if it should be public, check the name: registries also harness.Answer so where nothing exists`),
		},
		{
			sentence: "a registry with an error of its own",
			object:   releaseOf("broken", "1.0.0"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://ghcr.io/acme/charts/broken:1.0.0 could not be read: unexpected harness.Answer (the registry answered 500 Internal Server Error)
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     try again; if the error persists, ask the operator of ghcr.io: the cause is there, or in a proxy on the way`),
		},
		{
			sentence: "a registry that hides the signatures behind an error",
			object:   releaseOf("blind", "1.0.0"),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): the list of referrers of oci://ghcr.io/acme/charts/blind@sha256:<blind:1.0.0> could not be read: unexpected harness.Answer (the registry answered 500 Internal Server Error)
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    0 bundles, 0 legacy signatures
  next:     try again; if the error persists, ask the operator of ghcr.io: the cause is there, or in a proxy on the way`),
		},
		{
			sentence: "an artifact that is no chart",
			object:   releaseOf("manifests", "1.0.0"),
			want: harness.Denied("NotAChart spec.chart.spec", `
HelmRelease apps/app denied (NotAChart): oci://ghcr.io/acme/charts/manifests:1.0.0 is not a Helm chart: its config has the media type "application/vnd.cncf.flux.config.v1+json"
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     push the chart with helm push, or correct the reference`),
		},
	})
}
