package attacks_test

import (
	"strings"
	"testing"
)

// TestForgedArtifacts: status holds what a controller pulled, and every editor of the namespace may
// write it.
func TestForgedArtifacts(t *testing.T) {
	w := theSite(t)
	const mismatch = "DigestMismatch status.artifact"
	podinfo := acmeRepository() + helmChart("app", "podinfo", "1.0.0")
	withFiles := acmeRepository() + helmChart("app", "podinfo", "1.0.0", repackaged)
	asCopy := ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}", copied)
	extracted := ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}")
	manifests := ociAt("app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}")
	elsewhere := ociAt("app", "oci://registry.mallory.example/x", "{tag: 1.0.0}")
	chart := func(revision, digest string) string { return flux("HelmChart", "app", artifact(revision, digest)) }
	oci := func(revision, digest string) string { return flux("OCIRepository", "app", artifact(revision, digest)) }
	const revision = "1.0.0@digest(charts/podinfo:1.0.0)"

	w.check(t, []row{
		{"an editor forges the artifact of a HelmChart", fluxEdit, podinfo, []write{status(editor, chart("1.0.0", evil), mismatch)}},
		{"an editor forges the artifact of a HelmChart with valuesFiles", fluxEdit, withFiles, []write{status(editor, chart("1.0.0+1", evil), mismatch)}},
		{"an editor forges the right artifact of a HelmChart with valuesFiles", "", withFiles, []write{status(editor, chart("1.0.0+1", "layer(charts/other:1.0.0)"), mismatch)}},
		{"an editor adds valuesFiles first, then forges", "", podinfo, []write{
			patch(editor, flux("HelmChart", "app", "spec: {"+repackaged+"}"), admitted),
			status(editor, chart("1.0.0+1", evil), mismatch),
		}},
		{"a repackaged artifact of the unsigned chart that spec named for a moment", fluxRepackages, withFiles, []write{
			patch(editor, flux("HelmChart", "app", "spec: {chart: other}"), admitted),
			patch(editor, flux("HelmChart", "app", "spec: {chart: podinfo}"), admitted),
			status(sourceController, chart("1.0.0+2", evil), mismatch),
			status(sourceController, chart("1.0.0+3", evil), admitted),
		}},
		{"the source-controller's user writes an artifact that is not the signed chart", "", podinfo, []write{status(sourceController, chart("1.0.0", "layer(charts/unsigned:1.0.0)"), mismatch)}},
		{"the helm-controller's user writes a repackaged artifact", "", withFiles, []write{status(helmController, chart("1.0.0+1", evil), mismatch)}},
		{"a service account called source-controller in another namespace", "", withFiles, []write{status(falseSourceController, chart("1.0.0+1", evil), mismatch)}},
		{"the admin forges an artifact", "CVE-2025-46342", withFiles, []write{status(admin, chart("1.0.0+1", evil), mismatch)}},
		{"an artifact whose digest cannot be compared", "", podinfo, []write{status(editor, chart("1.0.0", "sha512:"+evil[7:]+evil[7:]), mismatch)}},
		{"an artifact whose digest is cut off", "", podinfo, []write{status(sourceController, chart("1.0.0", "sha256:ee"), "ReferenceInvalid status.artifact")}},
		{"an artifact whose digest is in upper case", "", podinfo, []write{status(editor, chart("1.0.0", "sha256:EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"), "ReferenceInvalid status.artifact")}},
		{"a forged artifact together with conditions that say all is well", "", podinfo, []write{status(editor, flux("HelmChart", "app",
			artifact("1.0.0", evil)[:len(artifact("1.0.0", evil))-1]+", conditions: [{type: Ready, status: 'True', reason: ChartPullSucceeded, message: fine, lastTransitionTime: '2026-01-01T00:00:00Z'}]}"), mismatch)}},
		{"a forged artifact in a dry run", "", podinfo, []write{inDryRun(status(editor, chart("1.0.0", evil), mismatch))}},
		{"an artifact replaced by another after the good one", "", podinfo, []write{
			status(sourceController, chart("1.0.0", "layer(charts/podinfo:1.0.0)"), admitted),
			status(editor, chart("1.0.0", evil), mismatch),
		}},
		{"an artifact of a chart that may be unverified, by an editor", "", repositoryAt("oci://ghcr.io/waived"), []write{
			create(editor, helmChart("app", "app", "1.0.0"), warned),
			status(editor, chart("1.0.0", evil), mismatch),
		}},
		{"control: the same by the source-controller's user", "", repositoryAt("oci://ghcr.io/waived"), []write{
			create(editor, helmChart("app", "app", "1.0.0"), warned),
			status(sourceController, chart("1.0.0", evil), warned),
		}},
		{"control: an attacker's URL with the signed chart's digest, which Flux compares", "", podinfo, []write{status(editor, chart("1.0.0", "layer(charts/podinfo:1.0.0)"), admitted)}},
		{"control: the source-controller's user writes a repackaged artifact of a signed chart", "", withFiles, []write{status(sourceController, chart("1.0.0+1", evil), admitted)}},
		{"control: the source-controller's user writes one, as with --artifact-digest-algo=sha512", "", podinfo, []write{status(sourceController, chart("1.0.0", "sha512:"+evil[7:]+evil[7:]), admitted)}},
		{"control: the artifact is removed", "", podinfo, []write{
			status(sourceController, chart("1.0.0", "layer(charts/podinfo:1.0.0)"), admitted),
			status(sourceController, flux("HelmChart", "app", "status: {artifact: null}"), admitted),
		}},

		{"an editor forges the artifact of an OCIRepository", fluxEdit, asCopy, []write{status(editor, oci("1.0.0@"+evil, evil), "ChartNotFound status.artifact")}},
		{"an editor forges one of an unsigned chart in the same place", "", asCopy, []write{
			status(editor, oci("1.0.0@digest(charts/podinfo:2.0.0)", "layer(charts/podinfo:2.0.0)"), "SignatureMissing status.artifact"),
		}},
		{"the source-controller's user pulls an unsigned chart in the same place", "CVE-2022-47633", asCopy, []write{
			status(sourceController, oci("1.0.0@digest(charts/podinfo:2.0.0)", "layer(charts/podinfo:2.0.0)"), "SignatureMissing status.artifact"),
		}},
		{"the right revision with another archive", "", asCopy, []write{status(editor, oci(revision, evil), mismatch)}},
		{"the right revision with another archive, by the source-controller's user", "", asCopy, []write{status(sourceController, oci(revision, evil), mismatch)}},
		{"the right revision with another archive, where Flux makes one of its own", "", extracted, []write{status(editor, oci(revision, evil), mismatch)}},
		{"a revision without a digest", "", asCopy, []write{status(editor, oci("1.0.0", "layer(charts/podinfo:1.0.0)"), "ReferenceInvalid status.artifact")}},
		{"a revision with two digests", "", asCopy, []write{
			status(editor, oci("1.0.0@digest(charts/podinfo:1.0.0)@digest(charts/podinfo:2.0.0)", "layer(charts/podinfo:1.0.0)"), mismatch),
		}},
		{"an editor puts a chart where nothing uses manifests as one", "", manifests, []write{status(editor, oci("1.0.0@digest(charts/manifests:1.0.0)", evil), mismatch)}},
		{"an editor puts a chart into an OCIRepository that no policy is about", "", elsewhere, []write{status(editor, oci("1.0.0@"+evil, evil), mismatch)}},
		{"control: the source-controller's user puts manifests there", "", elsewhere, []write{status(sourceController, oci("1.0.0@"+evil, evil), admitted)}},
		{"control: the source-controller's user makes an archive of its own", "", extracted, []write{status(sourceController, oci(revision, "extracted(charts/podinfo:1.0.0)"), admitted)}},
		{"the source-controller's user extracts other files than the signed ones", fluxLayers, extracted, []write{status(sourceController, oci(revision, evil), mismatch)}},
		{"control: the signed chart's digests, written by an editor", "", asCopy, []write{status(editor, oci(revision, "layer(charts/podinfo:1.0.0)"), admitted)}},
	})
}

// TestForgedHelmChartReference: helm-controller takes its chart from status.helmChart.
func TestForgedHelmChartReference(t *testing.T) {
	w := theSite(t)
	given := acmeRepository() + releaseOf("app", "podinfo", "1.0.0") + helmChart("apps-app", "podinfo", "1.0.0") +
		helmChart("bad", "unsigned", "1.0.0", suspended) + helmChart("team-b/bad", "unsigned", "1.0.0", suspended)
	points := func(to string) string { return helmRelease("app", "status: {helmChart: "+to+"}") }
	w.check(t, []row{
		{"status.helmChart points at a HelmChart of an unsigned chart", fluxEdit, given, []write{status(editor, points("apps/bad"), "SignatureMissing status.helmChart")}},
		{"status.helmChart points at one of a source that is not there", "", given, []write{status(editor, points("team-b/bad"), warned)}},
		{"status.helmChart points at an unsigned chart, by the helm-controller's user", "", given, []write{status(helmController, points("apps/bad"), "SignatureMissing status.helmChart")}},
		{"status.helmChart names no namespace", "", given, []write{status(editor, points("bad"), "ReferenceInvalid status.helmChart")}},
		{"status.helmChart names all HelmCharts of a namespace", "", given, []write{status(editor, points("apps/"), "ReferenceInvalid status.helmChart")}},
		{"status.helmChart climbs", "", given, []write{status(editor, points("apps/../bad"), "ReferenceInvalid status.helmChart")}},
		{"status.helmChart names a HelmChart that is made later, of an unsigned chart", "", given, []write{
			status(editor, points("apps/later"), warned),
			create(editor, helmChart("later", "unsigned", "1.0.0"), "SignatureMissing spec"),
		}},
		{"control: status.helmChart points at the HelmChart of the release", "", given, []write{status(helmController, points("apps/apps-app"), admitted)}},
	})
}

// TestFluxObjects: charts become deployable in another way than the one that was verified.
func TestFluxObjects(t *testing.T) {
	w := theSite(t)
	unsigned := ociAt("unsigned", "oci://ghcr.io/charts/unsigned", "{tag: 1.0.0}", suspended)
	manifests := ociAt("manifests", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}")
	mallorys := ociAt("app", "oci://registry.mallory.example/podinfo", "{tag: 1.0.0}")
	w.check(t, []row{
		{"control: a signed chart", "", acmeRepository(), []write{create(editor, releaseOf("app", "podinfo", "1.0.0"), admitted)}},
		{"an unsigned chart", "", acmeRepository(), []write{create(editor, releaseOf("app", "unsigned", "1.0.0"), "SignatureMissing spec.chart.spec")}},
		{"an upgrade to an unsigned version", "", acmeRepository() + releaseOf("app", "podinfo", "1.0.0"), []write{
			patch(editor, releaseOf("app", "podinfo", "2.0.0"), "SignatureMissing spec.chart.spec"),
		}},
		{"the URL of a HelmRepository is changed to a place where no signature is required", "", acmeRepository(), []write{
			patch(editor, repositoryAt("oci://registry.mallory.example/charts"), "NoPolicy spec.url"),
		}},
		{"the URL of a HelmRepository is changed while it is suspended", "", acmeRepository() + helmChart("app", "podinfo", "1.0.0"), []write{
			patch(editor, flux("HelmRepository", "acme", "spec: {suspend: true, url: 'oci://registry.mallory.example/charts'}"), "NoPolicy spec.url"),
		}},
		{"the type of a HelmRepository is taken away", "", acmeRepository(), []write{
			patch(editor, flux("HelmRepository", "acme", "spec: {type: null}"), "ReferenceInvalid spec.url"),
		}},
		{"plain HTTP is asked for", "", acmeRepository(), []write{
			patch(editor, flux("HelmRepository", "acme", "spec: {insecure: true, url: 'oci://registry.mallory.example/charts'}"), "ReferenceInvalid spec.url"),
		}},
		{"a HelmRelease first, and later a source where the chart is not signed", fluxReleases, "", []write{
			create(editor, releaseOf("app", "podinfo", "1.0.0"), warned),
			create(editor, repositoryAt("oci://ghcr.io/mirror"), warned),
			create(helmController, helmChart("apps-app", "podinfo", "1.0.0"), "SignatureMissing spec"),
		}},
		{"a HelmRelease and its HelmChart first, and later a source where the chart is not signed", fluxReleases, "", []write{
			create(editor, releaseOf("app", "podinfo", "1.0.0"), warned),
			create(helmController, helmChart("apps-app", "podinfo", "1.0.0"), warned),
			create(editor, repositoryAt("oci://ghcr.io/mirror"), warned),
			status(sourceController, flux("HelmChart", "apps-app", artifact("1.0.0", "layer(mirror/podinfo:1.0.0)")), "SignatureMissing status.artifact"),
		}},
		{"the same with valuesFiles, so that there is no digest to compare", "", "", []write{
			create(helmController, helmChart("apps-app", "podinfo", "1.0.0", repackaged), warned),
			create(editor, repositoryAt("oci://ghcr.io/mirror"), admitted),
			status(sourceController, flux("HelmChart", "apps-app", artifact("1.0.0+1", evil)), "SignatureMissing status.artifact"),
		}},
		{"an artifact of a HelmChart whose source is gone", "", "", []write{
			create(helmController, helmChart("apps-app", "podinfo", "1.0.0"), warned),
			status(sourceController, flux("HelmChart", "apps-app", artifact("1.0.0", "layer(charts/podinfo:1.0.0)")), "SourceNotFound status.artifact"),
		}},
		{"a HelmRelease first, and later an OCIRepository of an unsigned chart", fluxReleases, "", []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "later")), warned),
			create(editor, ociAt("later", "oci://ghcr.io/charts/unsigned", "{tag: 1.0.0}"), "SignatureMissing spec.ref"),
		}},
		{"a HelmRelease first, and later an OCIRepository that no policy is about", fluxReleases, "", []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), warned),
			create(editor, mallorys, "NoPolicy spec.ref"),
		}},
		{"a HelmRelease first, and later an OCIRepository that holds no chart", fluxLayers, "", []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "manifests")), warned),
			create(editor, manifests, "NotAChart spec.ref"),
		}},
		{"a suspended OCIRepository first, then a HelmRelease, then its artifact", "", "", []write{
			create(editor, ociAt("app", "oci://registry.mallory.example/podinfo", "{tag: 1.0.0}", suspended), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "NoPolicy spec.chartRef"),
		}},
		{"an OCIRepository that no policy is about, with an artifact, and later a HelmRelease", fluxLayers, mallorys, []write{
			status(sourceController, flux("OCIRepository", "app", artifact("1.0.0@"+evil, evil)), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "NoPolicy spec.chartRef"),
		}},
		{"the same, with the URL of a signed chart put into it before the HelmRelease", fluxReleases, mallorys, []write{
			status(sourceController, flux("OCIRepository", "app", artifact("1.0.0@"+evil, evil)), admitted),
			patch(editor, ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}"), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "ChartNotFound spec.chartRef"),
		}},
		{"the same, where the stale artifact is an unsigned chart in the same place", fluxReleases, ociAt("app", "oci://ghcr.io/evil/podinfo", "{tag: 1.0.0}"), []write{
			status(sourceController, flux("OCIRepository", "app", artifact("1.0.0@digest(charts/podinfo:2.0.0)", evil)), admitted),
			patch(editor, ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}"), admitted),
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "SignatureMissing spec.chartRef"),
		}},
		{"the source of another namespace's release is given a URL that no policy is about, while helm-controller works", fluxReleases,
			ociAt("team-b/app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}") + helmRelease("app", chartRef("OCIRepository", "team-b/app")), []write{
				patch(admin, flux("OCIRepository", "team-b/app", "spec: {url: 'oci://registry.mallory.example/podinfo'}"), "NoPolicy spec.ref"),
				patch(admin, flux("OCIRepository", "team-b/app", "spec: {suspend: true, url: 'oci://registry.mallory.example/podinfo'}"), admitted),
				status(sourceController, flux("OCIRepository", "team-b/app", artifact("1.0.0@digest(charts/podinfo:1.0.0)", evil)), "NoPolicy status.artifact"),
			}},
		{"a HelmRelease of an OCIRepository that holds no chart", fluxLayers, manifests, []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "manifests")), "NotAChart spec.chartRef"),
		}},
		{"a HelmRelease of a HelmChart whose artifact is of another chart than it names by now", fluxReleases, acmeRepository() + helmChart("app", "other", "1.0.0"), []write{
			status(sourceController, flux("HelmChart", "app", artifact("1.0.0", "layer(charts/other:1.0.0)")), admitted),
			patch(editor, helmChart("app", "podinfo", "1.0.0", suspended), admitted),
			create(editor, helmRelease("app", chartRef("HelmChart", "app")), "DigestMismatch spec.chartRef"),
		}},
		{"an OCIRepository in another namespace that is not there", fluxRefs, "", []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "team-b/later")), "SourceNotFound spec.chartRef"),
		}},
		{"a suspended HelmRelease declares another namespace's manifests to be a chart, which would have them denied", fluxRefs, "", []write{
			create(tenant, helmRelease("team-b/app", "spec: {suspend: true, interval: 10m, chartRef: {kind: OCIRepository, name: manifests, namespace: apps}}"), admitted),
			create(editor, manifests, admitted),
		}},
		{"a HelmRelease of an unsigned chart is resumed", fluxResumes, acmeRepository() + helmRelease("app", chartOf("unsigned", "1.0.0")[:len(chartOf("unsigned", "1.0.0"))-1]+", suspend: true}"), []write{
			patch(editor, helmRelease("app", "spec: {suspend: false}"), "SignatureMissing spec.chart.spec"),
			patch(editor, helmRelease("app", "spec: {suspend: null}"), "SignatureMissing spec.chart.spec"),
		}},
		{"an OCIRepository of an unsigned chart is resumed", fluxResumes, unsigned, []write{patch(editor, flux("OCIRepository", "unsigned", "spec: {suspend: false}"), "SignatureMissing spec.ref")}},
		{"a HelmChart of an unsigned chart is resumed", fluxResumes, acmeRepository() + helmChart("app", "unsigned", "1.0.0", suspended), []write{
			patch(editor, flux("HelmChart", "app", "spec: {suspend: false}"), "SignatureMissing spec"),
		}},
		{"chartRef is switched to an OCIRepository of an unsigned chart", fluxSources, unsigned + ociAt("good", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}") + helmRelease("app", chartRef("OCIRepository", "good")), []write{
			patch(editor, helmRelease("app", "spec: {chartRef: {name: unsigned}}"), "SignatureMissing spec.chartRef"),
		}},
		{"chart is switched to chartRef of an unsigned chart", fluxSources, unsigned + acmeRepository() + releaseOf("app", "podinfo", "1.0.0"), []write{
			patch(editor, helmRelease("app", "spec: {chart: null, chartRef: {kind: OCIRepository, name: unsigned}}"), "SignatureMissing spec.chartRef"),
		}},
		{"chartRef is switched to a HelmChart of an unsigned chart", fluxSources, acmeRepository() + releaseOf("app", "podinfo", "1.0.0") + helmChart("bad", "unsigned", "1.0.0", suspended), []write{
			patch(editor, helmRelease("app", "spec: {chart: null, chartRef: {kind: HelmChart, name: bad}}"), "SignatureMissing spec.chartRef"),
		}},
		{"an ExternalArtifact", fluxExternal, "", []write{create(editor, helmRelease("app", chartRef("ExternalArtifact", "app")), "Unsupported spec.chartRef")}},
		{"the reference of a HelmRelease that is being deleted is changed", "CVE-2023-34091", acmeRepository(), []write{
			create(editor, finalized(releaseOf("app", "podinfo", "1.0.0")), admitted),
			{by: editor, verb: "delete", object: releaseOf("app", "podinfo", "1.0.0")},
			patch(editor, releaseOf("app", "unsigned", "1.0.0"), "SignatureMissing spec.chart.spec"),
		}},
		{"the artifact of an OCIRepository that is being deleted is forged", "CVE-2023-34091", "", []write{
			create(editor, finalized(ociAt("app", "oci://ghcr.io/charts/podinfo", "{tag: 1.0.0}", copied)), admitted),
			{by: editor, verb: "delete", object: ociAt("app", "", "{}")},
			status(editor, flux("OCIRepository", "app", artifact("1.0.0@digest(charts/podinfo:2.0.0)", "layer(charts/podinfo:2.0.0)")), "SignatureMissing status.artifact"),
		}},
		{"a generated name", kubeNames, acmeRepository(), []write{
			create(editor, generated(releaseOf("app", "unsigned", "1.0.0")), "SignatureMissing spec.chart.spec"),
		}},
		{"a dry run of an unsigned chart", kubeDryRun, acmeRepository(), []write{inDryRun(create(editor, releaseOf("app", "unsigned", "1.0.0"), "SignatureMissing spec.chart.spec"))}},
	})
}

// TestLabelsNamespacesAndUsersDecideNothing: no label, annotation, namespace, name or user changes
// a verdict.
func TestLabelsNamespacesAndUsersDecideNothing(t *testing.T) {
	w := theSite(t)
	const denied = "SignatureMissing spec.chart.spec"
	unsigned := releaseOf("app", "unsigned", "1.0.0")
	w.check(t, []row{
		{"labels by which other webhooks are told to look away", "CVE-2025-46342", acmeRepository(), []write{
			create(editor, labelled(unsigned, "labels", `{control-plane: controller-manager, admission.gatekeeper.sh/ignore: "true", policy.sigstore.dev/include: "false", chartgate.dev/ignore: "true"}`), denied),
		}},
		{"an annotation that claims a verdict", kyvernoImages, acmeRepository(), []write{
			create(editor, labelled(unsigned, "annotations", `{chartgate.dev/verdict: Verified, charts.chartgate.dev/verdict: Verified, chartgate.dev/digest: "digest(charts/unsigned:1.0.0)"}`), denied),
		}},
		{"an annotation that tells Kyverno that it has looked", "CVE-2025-46342", acmeRepository(), []write{
			create(editor, labelled(unsigned, "annotations", `{kyverno.io/verify-images: '{"oci://ghcr.io/charts/unsigned:1.0.0":"pass"}'}`), denied),
		}},
		{"a label that is added together with the change", "CVE-2025-46342", acmeRepository() + releaseOf("app", "podinfo", "1.0.0"), []write{
			patch(editor, labelled(unsigned, "labels", `{chartgate.dev/ignore: "true"}`), denied),
		}},
		{"the admin", "CVE-2025-46342", acmeRepository(), []write{create(admin, unsigned, denied)}},
		{"a controller", "CVE-2025-46342", acmeRepository(), []write{create(helmController, unsigned, denied)}},
		{"the source-controller's user", "CVE-2025-46342", acmeRepository(), []write{create(sourceController, helmChart("app", "unsigned", "1.0.0"), "SignatureMissing spec")}},
		{"the namespace kube-system", "CVE-2025-46342", flux("HelmRepository", "kube-system/acme", "spec: {type: oci, url: 'oci://ghcr.io/charts'}"), []write{
			create(admin, releaseOf("kube-system/app", "unsigned", "1.0.0"), denied),
		}},
		{"chartgate's own namespace", "CVE-2025-46342", flux("HelmRepository", "chartgate-system/acme", "spec: {type: oci, url: 'oci://ghcr.io/charts'}"), []write{
			create(admin, releaseOf("chartgate-system/app", "unsigned", "1.0.0"), denied),
		}},
		{"a HelmRelease that is called chartgate", "", acmeRepository(), []write{create(editor, releaseOf("chartgate", "unsigned", "1.0.0"), denied)}},
		{"a signature by a stranger", "", acmeRepository(), []write{create(editor, releaseOf("app", "stranger", "1.0.0"), "IdentityNotAllowed spec.chart.spec")}},
		{"a tag where the policy wants a digest", "", repositoryAt("oci://ghcr.io/digest"), []write{create(editor, releaseOf("app", "app", "1.0.0"), "NotPinned spec.chart.spec")}},
		{"a range of which the newest is not signed", "", repositoryAt("oci://ghcr.io/floating"), []write{create(editor, releaseOf("app", "app", ">=1.0.0"), denied)}},
		{"more charts than chartgate verifies at once", "", "", []write{create(editor, argo("sources: ["+manySources(65)+"]"), "LimitExceeded")}},
	})
}

// TestOldAPIVersions: a cluster that still serves old versions of Flux's API does not let a request
// bypass the gate through them.
func TestOldAPIVersions(t *testing.T) {
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
