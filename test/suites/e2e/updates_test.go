package e2e_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestUpdatesOfFlux: what a change makes deployable is verified, and no other chart.
func TestUpdatesOfFlux(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories()+"---\n"+w.sample("flux/ocirepository.yaml"))
	object := w.Object(t, releaseOf("outage", "1.0.0"))
	w.create(t, object)

	down := w.outage("acme/charts/outage")
	down.Store(true)
	before := len(w.requests("acme/charts/outage"))
	w.update(t, object, []step{
		{sentence: "a label, while the registry is down", patch: `{metadata: {labels: {team: a}}}`},
		{sentence: "values, while the registry is down", patch: `{spec: {values: {replicas: 2}}}`},
		{sentence: "a finalizer, while the registry is down", patch: `{metadata: {finalizers: [finalizers.example.com/x]}}`},
		{sentence: "no finalizer, while the registry is down", patch: `{metadata: {finalizers: null}}`},
		{sentence: "suspended, while the registry is down", patch: `{spec: {suspend: true}}`},
		{sentence: "a label of a suspended one, while the registry is down", patch: `{metadata: {labels: {team: b}}}`},
	})
	if asked := w.requests("acme/charts/outage")[before:]; len(asked) > 0 {
		t.Errorf("these updates cost no request, but %v were made", asked)
	}
	forgetDryRuns(t)
	w.update(t, object, []step{{
		sentence: "resumed, while the registry is down",
		patch:    `{spec: {suspend: false}}`,
		want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://ghcr.io/acme/charts/outage:1.0.0 could not be read: connection reset
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  next:     try again; if the error persists, ask the operator of ghcr.io, or of a proxy on the way, why answers break off`),
	}})
	down.Store(false)
	w.update(t, object, []step{
		{sentence: "resumed", patch: `{spec: {suspend: false}}`},
		{
			sentence: "an unsigned version",
			patch:    `{spec: {chart: {spec: {version: 1.1.0}}}}`,
			want:     unsigned("HelmRelease apps/app", "spec.chart.spec", "oci://ghcr.io/acme/charts/outage:1.1.0@sha256:<outage:1.1.0>"),
		},
		{
			sentence: "a range",
			patch:    `{spec: {chart: {spec: {version: "1.x"}}}}`,
			want: harness.Denied("NotPinned spec.chart.spec", `
HelmRelease apps/app denied (NotPinned): oci://ghcr.io/acme/charts/outage:1.x is not pinned: "1.x" is a range of versions, and names other content tomorrow
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in version: "1.2.3"`),
		},
		{sentence: "an unsigned version and suspended, which installs nothing", patch: `{spec: {suspend: true, chart: {spec: {version: 1.1.0}}}}`},
		{
			sentence: "resumed with the unsigned version",
			patch:    `{spec: {suspend: false}}`,
			want:     unsigned("HelmRelease apps/app", "spec.chart.spec", "oci://ghcr.io/acme/charts/outage:1.1.0@sha256:<outage:1.1.0>"),
		},
		{sentence: "resumed with the signed version", patch: `{spec: {suspend: false, chart: {spec: {version: 1.0.0}}}}`},
		{
			sentence: "another repository, where nothing is allowed",
			patch:    `{spec: {chart: {spec: {sourceRef: {name: team}}}}}`,
			want: harness.Denied("NoPolicy spec.chart.spec", `
HelmRelease apps/app denied (NoPolicy): no policy matches oci://ghcr.io/acme/outage:1.0.0
  where:    spec.chart.spec
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`),
		},
		{sentence: "a chartRef in the place of a chart", patch: `{spec: {chart: null, chartRef: {kind: OCIRepository, name: podinfo}}}`},
	})
}

// TestUpdatesOfArgo: an Application holds sources and operations in one object.
func TestUpdatesOfArgo(t *testing.T) {
	w := theSite(t)
	object := w.Object(t, applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"))
	w.create(t, object)
	w.update(t, object, []step{
		{sentence: "a refresh", patch: `{metadata: {annotations: {argocd.argoproj.io/refresh: hard}}}`},
		{
			sentence: "a revision that is not signed",
			patch:    `{spec: {source: {targetRevision: 6.8.0}}}`,
			want:     unsigned("Application apps/app", "spec.source", "oci://ghcr.io/acme/charts/podinfo:6.8.0@sha256:<podinfo:6.8.0>"),
		},
		{
			sentence: "a second source, unsigned",
			patch:    `{spec: {sources: [{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.8.0}]}}`,
			want:     unsigned("Application apps/app", "spec.sources[0]", "oci://ghcr.io/acme/charts/podinfo:6.8.0@sha256:<podinfo:6.8.0>"),
		},
	})
}
