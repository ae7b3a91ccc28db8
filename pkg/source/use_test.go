package source_test

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/source"
)

// TestLayerRule: each use says by which rule its consumer takes a layer, wherever the use comes from.
func TestLayerRule(t *testing.T) {
	t.Parallel()
	const sbom = "application/vnd.docker.dhi.sbom.v1.tar+gzip"
	pulled := "\nstatus: {artifact: {revision: \"1.0.0@" + hex("a") + "\", digest: \"" + hex("b") + "\"}}"
	ofSBOM := ociRepo(ociSpec(", ref: {tag: 6.7.1}, layerSelector: {mediaType: " + sbom + ", operation: extract}"))
	application := func(source string) string {
		return object("Application", "argocd/podinfo", "spec: {project: default, source: "+source+"}")
	}
	for _, tc := range []struct {
		sentence, cluster, new string
		subresource            string
		want                   artifact.LayerRule
	}{
		{"an OCIRepository without a selector takes the first layer", "", ociRepo(ociSpec(", ref: {tag: 6.7.1}")), "", artifact.LayerOfType("")},
		{"an OCIRepository with one takes the layer of that type", "", ofSBOM, "", artifact.LayerOfType(sbom)},
		{"what it pulled too", "", ofSBOM + pulled, "status", artifact.LayerOfType(sbom)},
		{"a release takes what its OCIRepository is going to take", ofSBOM, byRef("apps", ""), "", artifact.LayerOfType(sbom)},
		{"and what that has pulled", ofSBOM + pulled, byRef("apps", ""), "", artifact.LayerOfType(sbom)},
		{"a native source of Argo CD takes the only archive", "", application(`{repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: 1.0.0}`), "", artifact.WholeContent()},
		{"a Helm source of Argo CD takes what helm takes", "", application(`{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 1.0.0}`), "", artifact.LayerRule{}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			e := source.NewExtractor(&cluster{objects: parse(t, tc.cluster)}, source.Options{ArtifactWriters: []string{fluxUser}})
			changes, err := e.Changes(row{new: tc.new, subresource: tc.subresource, user: fluxUser}.write(t))
			if err != nil {
				t.Fatal(err)
			}
			uses := e.Uses(t.Context(), changes)
			if len(uses) != 1 {
				t.Fatalf("%+v", uses)
			}
			if found, ok := uses[0].Target.(source.Chart); !ok || found.LayerRule != tc.want {
				t.Errorf("takes by %+v, want %+v", uses[0].Target, tc.want)
			}
		})
	}
}
