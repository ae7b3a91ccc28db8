package attacks_test

import "testing"

// TestManifests: OCI artifacts that are no chart by their media types. Argo CD renders a chart from whatever it unpacks, if
// there is a Chart.yaml in it; so neither a media type nor a field of the Application may take an artifact past a policy.
func TestManifests(t *testing.T) {
	w := theSite(t)
	const unsigned = "SignatureMissing spec.source"
	native := func(place, revision, more string) string {
		return argo("source: {repoURL: 'oci://ghcr.io/" + place + "', targetRevision: '" + revision + "', path: ." + more + "}")
	}
	sync := func(place, revision string) string {
		return "operation: {sync: {source: {repoURL: 'oci://ghcr.io/" + place + "', targetRevision: '" + revision + "', path: .}, revision: '" + revision + "'}}"
	}
	raw := ociAt("raw", "oci://ghcr.io/charts/raw", "{tag: 1.0.0}")
	w.check(t, []row{
		{"control: signed manifests in a native source", "", "", []write{create(editor, native("charts/manifests", "1.0.0", ""), admitted)}},
		{"control: a sync of them by digest", "", native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/manifests", "digest(charts/manifests:1.0.0)")), admitted),
		}},
		{"unsigned manifests in a native source", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ""), unsigned)}},
		{"the same, said to be plain files", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", directory: {recurse: true}"), unsigned)}},
		{"the same, said to be a Kustomize folder", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", kustomize: {namePrefix: x}"), unsigned)}},
		{"the same, said to be a chart", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", helm: {releaseName: x}"), unsigned)}},
		{"a sync of unsigned manifests by digest", argoDiscovers, native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/raw", "digest(charts/raw:1.0.0)")), "SignatureMissing operation.sync.source"),
		}},
		{"a sync of the digest of another place's manifests", argoDiscovers, native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/manifests", "digest(charts/raw:1.0.0)")), "ChartNotFound operation.sync.source"),
		}},
		{"manifests that no policy is about may be a chart", argoDiscovers, "", []write{create(editor, native("evil/manifests", "1.0.0", ""), "NoPolicy spec.source")}},
		{"manifests by a floating tag", argoDiscovers, "", []write{create(editor, native("charts/manifests", "latest", ""), "NotPinned spec.source")}},

		{"control: signed manifests in an OCIRepository", "", "", []write{create(editor, ociAt("app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}"), admitted)}},
		{"unsigned manifests in an OCIRepository", fluxLayers, "", []write{create(editor, raw, "SignatureMissing spec.ref")}},
		{"unsigned manifests that source-controller has pulled", fluxLayers, ociAt("raw", "oci://ghcr.io/charts/raw", "{tag: 1.0.0}", suspended), []write{
			status(sourceController, flux("OCIRepository", "raw", artifact("1.0.0@digest(charts/raw:1.0.0)", evil)), "SignatureMissing status.artifact"),
		}},
		{"control: manifests in an OCIRepository that no policy is about", "", "", []write{create(editor, ociAt("app", "oci://ghcr.io/evil/manifests", "{tag: 1.0.0}"), admitted)}},
		{"signed manifests are no chart for a HelmRelease", fluxLayers, ociAt("app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}"), []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "NotAChart spec.chartRef"),
		}},
	})
}
