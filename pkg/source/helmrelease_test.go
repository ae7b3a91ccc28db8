package source_test

import (
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const podinfoUse = "spec.chart.spec: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"

// chartSpec is spec of a HelmRelease with a chart of a repository; more are further
// fields of sourceRef.
func chartSpec(chart, version, kind, name, more string) string {
	return fmt.Sprintf("spec: {chart: {spec: {chart: %q, version: %q, sourceRef: {kind: %s, name: %q%s}}}}", chart, version, kind, name, more)
}

var podinfoSpec = chartSpec("podinfo", "6.7.1", "HelmRepository", "acme", "")

func TestHelmRelease(t *testing.T) {
	suspended := `spec: {suspend: true, chart: {spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}}}`
	check(t, []row{
		{sentence: "a chart is found through its HelmRepository", cluster: acme, new: release(podinfoSpec), want: []string{podinfoUse}},
		{sentence: "repeating the spec is no news", cluster: acme, old: release(podinfoSpec), new: release(podinfoSpec)},
		{sentence: "values, labels and finalizers are no news", cluster: acme, old: release(podinfoSpec),
			new: release(podinfoSpec[:len(podinfoSpec)-1] + `, values: {image: {tag: evil}}, timeout: 5m}` + "\nstatus: {observedGeneration: 7}")},
		{sentence: "a new version is news", cluster: acme, old: release(podinfoSpec),
			new:  release(chartSpec("podinfo", "6.7.2", "HelmRepository", "acme", "")),
			want: []string{"spec.chart.spec: oci://ghcr.io/acme/charts/podinfo:6.7.2 Version"}},
		{sentence: "a release without any version floats", cluster: acme,
			new:  release(`spec: {chart: {spec: {chart: podinfo, sourceRef: {kind: HelmRepository, name: acme}}}}`),
			want: []string{"spec.chart.spec: oci://ghcr.io/acme/charts/podinfo:* Floating"}},
		{sentence: "a chart of another namespace's repository is found there", cluster: object("HelmRepository", "shared/acme", `spec: {type: oci, url: "oci://ghcr.io/shared"}`) + acme,
			new:  release(chartSpec("podinfo", "6.7.1", "HelmRepository", "acme", ", namespace: shared")),
			want: []string{"spec.chart.spec: oci://ghcr.io/shared/podinfo:6.7.1 Version"}},
		{sentence: "the release's own namespace, spelled out, is the same place but another text", cluster: acme, old: release(podinfoSpec),
			new: release(chartSpec("podinfo", "6.7.1", "HelmRepository", "acme", ", namespace: apps"))},
		{sentence: "valuesFiles are refused where the admin does not allow repackaged charts", cluster: acme, options: source.Options{DenyRepackaged: true}, old: release(podinfoSpec),
			new:  release(`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, valuesFiles: [x.yaml], sourceRef: {kind: HelmRepository, name: acme}}}}`),
			want: []string{"spec.chart.spec: Unsupported"}},
		{sentence: "a suspended release deploys nothing", cluster: acme, new: release(suspended)},
		{sentence: "suspending is no news", cluster: acme, old: release(podinfoSpec), new: release(suspended)},
		{sentence: "resuming deploys everything anew", cluster: acme, old: release(suspended), new: release(podinfoSpec), want: []string{podinfoUse}},
		{sentence: "a chart that climbs out of its repository is refused", cluster: acme,
			new: release(chartSpec("../../evil/x", "1.0.0", "HelmRepository", "acme", "")), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a chart without a name is refused", cluster: acme, new: release(chartSpec("", "1.0.0", "HelmRepository", "acme", "")), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a version that is none is refused", cluster: acme, new: release(chartSpec("podinfo", "!", "HelmRepository", "acme", "")), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a chart of a classic repository is named by its URL", cluster: classicRepo,
			new: release(chartSpec("podinfo", "6.7.1", "HelmRepository", "classic", "")), want: []string{"spec.chart.spec: https://charts.acme.example/stable/podinfo:6.7.1 Version"}},
		{sentence: "a chart from Git has the name of its folder", cluster: appsRepo, new: release(chartSpec("./charts/podinfo", "6.7.1", "GitRepository", "acme", "")), want: []string{"spec.chart.spec: git://github.com/acme/apps//charts/podinfo?ref=main Floating"}},
		{sentence: "an unknown kind of source is denied", new: release(chartSpec("podinfo", "6.7.1", "Warehouse", "acme", "")), want: []string{"spec.chart.spec: Unsupported"}},
		{sentence: "no kind of source is denied", new: release(`spec: {chart: {spec: {chart: podinfo}}}`), want: []string{"spec.chart.spec: Unsupported"}},
		{sentence: "no name of a source means no repository, even if there is only one", cluster: acme, new: release(chartSpec("podinfo", "6.7.1", "HelmRepository", "", "")), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a release without a chart deploys none", new: release(`spec: {interval: 10m}`)},
		{sentence: "a release that is being deleted is examined all the same", cluster: acme, old: release(podinfoSpec),
			new:  "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {namespace: apps, name: podinfo, deletionTimestamp: \"2026-11-20T12:00:00Z\", finalizers: [x]}\n" + chartSpec("evil", "1.0.0", "HelmRepository", "acme", ""),
			want: []string{"spec.chart.spec: oci://ghcr.io/acme/charts/evil:1.0.0 Version"}},
		{sentence: "a release whose name the API server makes up is examined", cluster: acme,
			new: "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {namespace: apps, generateName: podinfo-}\n" + podinfoSpec, want: []string{podinfoUse}},
		{sentence: "v2beta1 says it in the same words", cluster: acme,
			new: "---\napiVersion: helm.toolkit.fluxcd.io/v2beta1\nkind: HelmRelease\nmetadata: {namespace: apps, name: podinfo}\n" +
				`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, valuesFile: x.yaml, sourceRef: {apiVersion: source.toolkit.fluxcd.io/v1beta1, kind: HelmRepository, name: acme}}}}`,
			want: []string{podinfoUse}},
		{sentence: "v2beta2 says it in the same words", cluster: acme,
			new:  "---\napiVersion: helm.toolkit.fluxcd.io/v2beta2\nkind: HelmRelease\nmetadata: {namespace: apps, name: podinfo}\n" + podinfoSpec,
			want: []string{podinfoUse}},
		{sentence: "no user is above the gate", cluster: acme, user: fluxUser, new: release(podinfoSpec), want: []string{podinfoUse}},
	})
}

func TestHelmReleaseChartRef(t *testing.T) {
	ref := func(kind, name, more string) string {
		return release(fmt.Sprintf("spec: {chartRef: {kind: %s, name: %s%s}}", kind, name, more))
	}
	copied := `layerSelector: {mediaType: ` + chartLayer + `, operation: copy}`
	check(t, []row{
		{sentence: "an OCIRepository that has pulled nothing is followed to what it is going to pull",
			cluster: ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/podinfo", ref: {tag: 6.7.1}}`), new: ref("OCIRepository", "podinfo", ""),
			want: []string{"spec.chartRef: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
		{sentence: "an OCIRepository that has pulled is verified by what it has pulled",
			cluster: ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/podinfo", ref: {tag: 6.7.1}, ` + copied + `}` + "\nstatus: {artifact: {revision: \"6.7.1@" + hex("a") + "\", digest: \"" + hex("b") + "\"}}"),
			new:     ref("OCIRepository", "podinfo", ""),
			want:    []string{"spec.chartRef: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled a/b by the controller"}},
		{sentence: "an OCIRepository that pulled something that is not known by a digest is refused",
			cluster: ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/podinfo", ref: {tag: 6.7.1}}` + "\nstatus: {artifact: {revision: latest, digest: \"" + hex("b") + "\"}}"),
			new:     ref("OCIRepository", "podinfo", ""),
			want:    []string{"spec.chartRef: ReferenceInvalid"}},
		{sentence: "an OCIRepository of another namespace is found there",
			cluster: object("OCIRepository", "shared/podinfo", `spec: {url: "oci://ghcr.io/shared/podinfo", ref: {tag: 6.7.1}}`), new: ref("OCIRepository", "podinfo", ", namespace: shared"),
			want: []string{"spec.chartRef: oci://ghcr.io/shared/podinfo:6.7.1 Version"}},
		{sentence: "a HelmChart is followed through its HelmRepository", cluster: acme + helmChart(`spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`),
			new: ref("HelmChart", "podinfo", ""), want: []string{"spec.chartRef: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
		{sentence: "a HelmChart of another namespace uses that namespace's repository",
			cluster: object("HelmRepository", "shared/acme", `spec: {type: oci, url: "oci://ghcr.io/shared"}`) + acme +
				object("HelmChart", "shared/podinfo", `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`),
			new: ref("HelmChart", "podinfo", ", namespace: shared"), want: []string{"spec.chartRef: oci://ghcr.io/shared/podinfo:6.7.1 Version"}},
		{sentence: "a HelmChart that has pulled is verified by what it has pulled",
			cluster: acme + helmChart(`spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`+"\nstatus: {artifact: {digest: \""+hex("b")+"\"}}"),
			new:     ref("HelmChart", "podinfo", ""), want: []string{"spec.chartRef: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled -/b by the controller"}},
		{sentence: "an ExternalArtifact is made by nobody knows whom", new: ref("ExternalArtifact", "podinfo", ""), want: []string{"spec.chartRef: Unsupported"}},
		{sentence: "an unknown kind is denied", new: ref("Warehouse", "podinfo", ""), want: []string{"spec.chartRef: Unsupported"}},
		{sentence: "both chart and chartRef are examined", cluster: acme + ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/other", ref: {tag: 1.0.0}}`),
			new:  release(`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}}, chartRef: {kind: OCIRepository, name: podinfo}}`),
			want: []string{podinfoUse, "spec.chartRef: oci://ghcr.io/acme/charts/other:1.0.0 Version"}},
		{sentence: "adding a chartRef leaves the chart as old as it is", cluster: acme + ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/other", ref: {tag: 1.0.0}}`),
			old:  release(podinfoSpec),
			new:  release(`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}}, chartRef: {kind: OCIRepository, name: podinfo}}`),
			want: []string{"spec.chartRef: oci://ghcr.io/acme/charts/other:1.0.0 Version"}},
		{sentence: "the same reference in the other field is another place", cluster: ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/podinfo", ref: {tag: 1.0.0}}`),
			old: ref("HelmChart", "podinfo", ""), new: ref("OCIRepository", "podinfo", ""), want: []string{"spec.chartRef: oci://ghcr.io/acme/charts/podinfo:1.0.0 Version"}},
		{sentence: "a suspended release with chartRef deploys nothing", new: release(`spec: {suspend: true, chartRef: {kind: OCIRepository, name: podinfo}}`)},
	})
}

// helm-controller takes the chart from status.helmChart, even if another user wrote it.
func TestHelmReleaseStatus(t *testing.T) {
	status := func(helmChart string) string {
		return release(podinfoSpec + fmt.Sprintf("\nstatus: {helmChart: %q}", helmChart))
	}
	pulled := object("HelmChart", "evil/x", `spec: {chart: x, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}`+"\nstatus: {artifact: {digest: \""+hex("c")+"\"}}") +
		object("HelmRepository", "evil/acme", `spec: {type: oci, url: "oci://ghcr.io/evil"}`)
	const evil = "status.helmChart: oci://ghcr.io/evil/x:1.0.0 Version, pulled -/c by the controller"
	check(t, onStatus([]row{
		{sentence: "pointing elsewhere is followed there", cluster: acme + pulled, old: status("apps/apps-podinfo"), new: status("evil/x"), want: []string{evil}},
		{sentence: "pointing anywhere for the first time is followed", cluster: acme + pulled, old: release(podinfoSpec), new: status("evil/x"), want: []string{evil}},
		{sentence: "a third part, which helm-controller ignores, hides nothing", cluster: pulled, old: status("apps/apps-podinfo"), new: status("evil/x/y"), want: []string{"status.helmChart: ReferenceInvalid"}},
		{sentence: "a name without a namespace is refused", cluster: pulled, old: status("apps/apps-podinfo"), new: status("evil"), want: []string{"status.helmChart: ReferenceInvalid"}},
		{sentence: "a namespace without a name is refused, even if it holds one chart only", cluster: pulled, new: status("evil/"), want: []string{"status.helmChart: ReferenceInvalid"}},
		{sentence: "a name in no namespace is refused", cluster: pulled, new: status("/x"), want: []string{"status.helmChart: ReferenceInvalid"}},
		{sentence: "a HelmChart that does not exist defers", new: status("apps/apps-podinfo"), want: []string{"status.helmChart: SourceNotFound, deferred"}},
		{sentence: "conditions are no news", cluster: pulled, old: status("evil/x"), new: status("evil/x") + "extra: {}\n"},
		{sentence: "removing it is no news", old: status("evil/x"), new: status("")},
		{sentence: "a status write makes nothing of spec", old: release(podinfoSpec), new: release(chartSpec("evil", "1.0.0", "HelmRepository", "acme", ""))},
	}))
	check(t, []row{
		{sentence: "a write of spec makes nothing of status", new: release("status: {helmChart: evil/x}")},
	})
}

// TestUnknownKindsOfSourcesNameTheKnownOnes: the step says which kinds can be used.
func TestUnknownKindsOfSourcesNameTheKnownOnes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		release(`spec: {chartRef: {kind: Warehouse, name: podinfo}}`):   "refer to an OCIRepository or a HelmChart",
		release(chartSpec("podinfo", "6.7.1", "Warehouse", "acme", "")): "refer to a HelmRepository of type oci; a HelmRelease can take its chart from an OCIRepository by spec.chartRef",
	} {
		e := source.NewExtractor(&cluster{}, source.Options{})
		changes, err := e.Changes(row{new: text}.write(t))
		if err != nil {
			t.Fatal(err)
		}
		uses := e.Uses(t.Context(), changes)
		if len(uses) != 1 {
			t.Fatalf("%d uses", len(uses))
		}
		if got := verdict.FromError(uses[0].Target.(source.Unresolved).Err).Next; got != want {
			t.Errorf("next: %q, want %q", got, want)
		}
	}
}
