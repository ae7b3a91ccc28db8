package inventory

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

// TestKeptFields: of fields that may be large, what names a chart is kept.
func TestKeptFields(t *testing.T) {
	const release, app = "helm.toolkit.fluxcd.io HelmRelease", "argoproj.io Application"
	for _, c := range []struct{ sentence, of, spec, status, wantSpec, wantStatus string }{
		{"a source of an Application, without its values", app, `{"source": {"repoURL": "r", "chart": "c", "targetRevision": "1", "helm": {"values": "x"}}, "syncPolicy": {}}`, `{}`,
			`{"source": {"repoURL": "r", "chart": "c", "targetRevision": "1"}}`, `{}`},
		{"several sources", app, `{"sources": [{"repoURL": "r", "helm": {}}, {"ref": "values"}]}`, `{}`, `{"sources": [{"repoURL": "r"}, {"ref": "values"}]}`, `{}`},
		{"a hydrator", app, `{"sourceHydrator": {"drySource": {"repoURL": "r", "helm": {}}, "syncSource": {"path": "p"}, "hydrateTo": {}}}`, `{}`,
			`{"sourceHydrator": {"drySource": {"repoURL": "r"}, "syncSource": {"path": "p"}}}`, `{}`},
		{"a hydrator that is a text", app, `{"sourceHydrator": "x"}`, `{}`, `{"sourceHydrator": "x"}`, `{}`},
		{"what Argo CD has compared, without the manifests", app, `{}`, `{"sync": {"revision": "1", "comparedTo": {}}, "resources": []}`, `{}`, `{"sync": {"revision": "1"}}`},
		{"the newest of many deployments", release, `{}`, `{"history": [{"name": "6", "digest": "x"}, {"name": "5"}, {"name": "4"}, {"name": "3"}, {"name": "2"}, {"name": "1"}]}`,
			`{}`, `{"history": [{"name": "6"}, {"name": "5"}, {"name": "4"}, {"name": "3"}, {"name": "2"}]}`},
		{"a spec that is no object, to be refused as such", release, `"x"`, `{}`, `"x"`, `{}`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			id := source.ID{Group: "argoproj.io", Kind: "Application", Namespace: "apps", Name: "x"}
			version := "argoproj.io/v1alpha1"
			if c.of == release {
				id.Group, id.Kind, version = "helm.toolkit.fluxcd.io", "HelmRelease", "helm.toolkit.fluxcd.io/v2"
			}
			whole := `{"apiVersion": "` + version + `", "kind": "` + id.Kind + `", "metadata": {"name": "x"}, "spec": ` + c.spec + `, "status": ` + c.status + `}`
			kept, ok := Keep(source.Object{ID: id, JSON: []byte(whole)})
			if !ok || kept.ID != id {
				t.Fatalf("%t, %s", ok, kept.ID)
			}
			var got map[string]any
			if err := json.Unmarshal(kept.JSON, &got); err != nil {
				t.Fatal(err)
			}
			for field, want := range map[string]string{"spec": c.wantSpec, "status": c.wantStatus} {
				var value any
				if err := json.Unmarshal([]byte(want), &value); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(value, got[field]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", field, diff)
				}
			}
		})
	}
	if _, ok := Keep(source.Object{ID: source.ID{Kind: "Deployment"}}); ok {
		t.Error("a Deployment is kept")
	}
}
