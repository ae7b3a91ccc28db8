package attacks_test

import (
	"fmt"
	"strings"
	"testing"
)

// held is the status of an OCIRepository that has pulled an artifact for a generation of its spec,
// which no registry knows.
func held(generation int) string { return holds(generation, evil, evil) }

// holds is held for the artifact with these digests of its manifest and archive.
func holds(generation int, manifest, archive string) string {
	conditions := strings.ReplaceAll(recordOfStorage(generation), evil, manifest)
	return flux("OCIRepository", "app", strings.Replace(artifact("1.0.0@"+manifest, archive), "status: {", fmt.Sprintf("status: {observedGeneration: %d, %s, ", generation, conditions), 1))
}

// recordOfStorage is source-controller's record of the spec for which it has pulled.
func recordOfStorage(generation int) string {
	return fmt.Sprintf("conditions: [{type: ArtifactInStorage, status: 'True', reason: Succeeded, message: \"stored artifact for digest '1.0.0@%s'\", lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: %d}]", evil, generation)
}

// TestWaivedNamesForOtherContent: no digest proves what a waiver or a policy in mode Warn admits.
// Content from elsewhere must not get such a name.
func TestWaivedNamesForOtherContent(t *testing.T) {
	w := theSite(t)
	const (
		running     = "DigestMismatch status.conditions"
		mismatch    = "DigestMismatch status.artifact"
		forged      = "Unsupported status.conditions"
		anyLayer    = "layerSelector: {mediaType: application/x, operation: copy}"
		waived      = "oci://ghcr.io/waived/app"
		tried       = "oci://ghcr.io/trial/app"
		mallorys    = "oci://registry.mallory.example/x"
		stable      = "https://waived.acme.example/stable"
		indexDigest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	)
	oci := func(spec string) string { return flux("OCIRepository", "app", "spec: {"+spec+"}") }
	pulls := create(editor, ociAt("app", mallorys, "{tag: 1.0.0}", anyLayer), admitted)
	extracts := create(editor, ociAt("app", mallorys, "{tag: 1.0.0}"), admitted)
	pulled := status(sourceController, held(1), admitted)
	served := func(generation int) string {
		return holds(generation, "digest(waived/app:1.0.0)", "layer(waived/app:1.0.0)")
	}
	install := func(want string) write { return status(helmController, announced("install"), want) }
	byRef := func(kind, want string) write { return create(editor, helmRelease("app", chartRef(kind, "app")), want) }
	classic := flux("HelmRepository", "acme", "spec: {interval: 10m, url: '"+stable+"'}")
	built := func(revision, more string) string {
		return flux("HelmChart", "app", strings.Replace(artifact("1.0.0", evil), "status: {", fmt.Sprintf("status: {observedSourceArtifactRevision: %q, %s, ", revision, more), 1))
	}
	w.check(t, []row{
		{"control: a waived chart from an OCIRepository, from its source to its installation", "", "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}", copied), warned),
			byRef("OCIRepository", warned),
			status(sourceController, served(1), warned),
			install(warned),
			status(helmController, attempt("1.0.0+short(waived/app:1.0.0)", "digest(waived/app:1.0.0)"), warned),
			patch(editor, oci("ref: {tag: 1.1.0}"), warned),
			patch(editor, helmRelease("app", "spec: {values: {x: y}}"), admitted),
			status(sourceController, served(2), admitted),
			status(helmController, announced("upgrade"), warned),
		}},
		{"control: the same where the layer is extracted", "", "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}"), warned),
			byRef("OCIRepository", warned),
			status(sourceController, holds(1, "digest(waived/app:1.0.0)", "extracted(waived/app:1.0.0)"), warned),
			install(warned),
		}},
		{"the waived chart's digest with other files, where the layer is extracted", fluxLayers, "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}"), warned),
			byRef("OCIRepository", warned),
			status(sourceController, holds(1, "digest(waived/app:1.0.0)", evil), mismatch),
		}},
		{"content from outside all policies gets a waived URL, and is suspended", fluxSources, "", []write{
			pulls, pulled,
			patch(editor, oci("suspend: true, url: '"+waived+"'"), admitted),
			byRef("OCIRepository", warned),
			status(editor, flux("OCIRepository", "app", "status: {observedGeneration: 2}"), admitted),
			install(running),
		}},
		{"and an editor says that it was pulled from there", fluxEdit, "", []write{
			pulls, pulled,
			patch(editor, oci("suspend: true, url: '"+waived+"'"), admitted),
			status(editor, flux("OCIRepository", "app", "status: {observedGeneration: 2, "+recordOfStorage(2)+"}"), forged),
		}},
		{"an editor says so before the URL is changed", fluxEdit, "", []write{
			pulls, pulled,
			status(editor, flux("OCIRepository", "app", "status: {observedGeneration: 2, "+recordOfStorage(2)+"}"), forged),
		}},
		{"content that was extracted outside all policies gets a waived URL", fluxSources, "", []write{
			extracts, pulled,
			patch(editor, oci("suspend: true, url: '"+waived+"'"), admitted),
			byRef("OCIRepository", warned),
			status(editor, flux("OCIRepository", "app", "status: {observedGeneration: 2}"), admitted),
			install(running),
		}},
		{"and is suspended and copied while it gets the URL, and extracted again", fluxSources, "", []write{
			extracts, pulled,
			patch(editor, oci("suspend: true, "+anyLayer), admitted),
			patch(editor, oci("url: '"+waived+"'"), admitted),
			patch(editor, oci("suspend: null, layerSelector: null"), warned),
			byRef("OCIRepository", warned),
			install(running),
		}},
		{"the URL is changed to a waived one while source-controller pulls", checkThenUse, "", []write{
			pulls,
			patch(editor, oci("url: '"+waived+"', "+copied), warned),
			status(sourceController, held(1), mismatch),
			status(sourceController, held(2), "ChartNotFound status.artifact"),
			status(sourceController, served(2), warned),
		}},
		{"another layer is selected while the source is suspended", fluxLayers, "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}", copied), warned),
			status(sourceController, served(1), warned),
			patch(editor, oci("suspend: true, layerSelector: {mediaType: application/y}"), admitted),
			byRef("OCIRepository", warned),
			install(running),
		}},
		{"a proxy of the tenant's own answers for the waived registry", gitProxies, "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}", "proxySecretRef: {name: x}", copied), "Unsupported spec.ref"),
			create(editor, ociAt("app", waived, "{tag: 1.0.0}", "proxySecretRef: {name: x}"), warned),
			byRef("OCIRepository", "Unsupported spec.chartRef"),
		}},
		{"and is removed after it has served an archive", gitProxies, "", []write{
			create(editor, ociAt("app", waived, "{tag: 1.0.0}", "proxySecretRef: {name: x}"), warned),
			status(sourceController, held(1), warned),
			patch(editor, oci("proxySecretRef: null"), admitted),
			byRef("OCIRepository", warned),
			install(running),
		}},

		{"content from outside all policies gets a URL that is only warned about", fluxSources, "", []write{
			pulls, pulled,
			patch(editor, oci("suspend: true, url: '"+tried+"'"), admitted),
			byRef("OCIRepository", warned),
			status(editor, flux("OCIRepository", "app", "status: {observedGeneration: 2}"), admitted),
			install(running),
		}},
		{"an editor forges the artifact of an OCIRepository that is only warned about", fluxEdit, "", []write{
			create(editor, ociAt("app", tried, "{tag: 1.0.0}"), warned),
			status(editor, flux("OCIRepository", "app", artifact("1.0.0@"+evil, evil)), mismatch),
		}},
		{"control: an artifact that is only warned about", "", "", []write{
			create(editor, ociAt("app", tried, "{tag: 1.0.0}"), warned),
			status(sourceController, holds(1, "digest(trial/app:1.0.0)", "extracted(trial/app:1.0.0)"), warned),
			byRef("OCIRepository", warned),
			install(warned),
		}},

		{"control: a waived chart from a classic repository", "", classic, []write{
			create(editor, helmChart("app", "podinfo", "1.0.0"), warned),
			status(sourceController, fetched("HelmRepository", indexDigest, 1), admitted),
			status(sourceController, built(indexDigest, recordOfStorage(1)), warned),
			byRef("HelmChart", warned),
			install(warned),
		}},
		{"a chart is built from a registry while its repository gets a waived URL", checkThenUse, acmeRepository() + helmChart("app", "unsigned", "1.0.0", suspended), []write{
			patch(editor, flux("HelmRepository", "acme", "spec: {type: default, url: '"+stable+"'}"), admitted),
			status(sourceController, fetched("HelmRepository", indexDigest, 2), admitted),
			status(sourceController, built("", recordOfStorage(1)), mismatch),
		}},
		{"a chart is built from another index than that of the waived URL", checkThenUse, classic + helmChart("app", "podinfo", "1.0.0", suspended), []write{
			status(sourceController, fetched("HelmRepository", indexDigest, 1), admitted),
			patch(editor, flux("HelmRepository", "acme", "spec: {url: '"+stable+"/x'}"), admitted),
			status(sourceController, built(indexDigest, recordOfStorage(1)), mismatch),
		}},
		{"a HelmChart that holds a chart gets the name of a waived one, and is suspended", fluxSources,
			classic + flux("HelmRepository", "signed", "spec: {type: oci, url: 'oci://ghcr.io/charts'}") +
				strings.Replace(helmChart("app", "podinfo", "1.0.0"), "name: acme}", "name: signed}", 1), []write{
				status(sourceController, flux("HelmChart", "app", strings.Replace(artifact("1.0.0", "layer(charts/podinfo:1.0.0)"), "status: {", "status: {"+recordOfStorage(1)+", ", 1)), admitted),
				patch(editor, flux("HelmChart", "app", "spec: {suspend: true, sourceRef: {name: acme}}"), admitted),
				byRef("HelmChart", warned),
				status(editor, flux("HelmChart", "app", "status: {observedGeneration: 2, "+recordOfStorage(2)+"}"), forged),
				install(running),
			}},
	})
}
