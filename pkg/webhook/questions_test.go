package webhook_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// Nothing that source found out about a use may be lost on the way to the gate: what is not said
// there is not checked.
func TestQuestionsSayAllThatIsKnownOfAUse(t *testing.T) {
	reference, err := chart.ParseReference("oci://ghcr.io/acme/podinfo:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := chart.ParseDigest("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		t.Fatal(err)
	}
	refused, moved := problem.Invalid("refused"), problem.Invalid("moved")
	object := gate.Object{Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}
	held := source.Artifact{
		Source:   source.ID{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository", Namespace: "apps", Name: "source"},
		Manifest: manifest, Archive: manifest, Incomparable: true, Extracted: true, Ignore: "*.md", Outdated: true, Stale: true, ByController: true,
	}
	access := sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login"}
	found := source.Chart{Reference: reference, Auth: access, Artifact: &held, FromElsewhere: moved, LayerRule: artifact.WholeContent(), MaybeChart: true, UsedElsewhere: true}
	for _, filled := range []any{held, found} {
		for value, i := reflect.ValueOf(filled), 0; i < value.NumField(); i++ {
			if value.Field(i).IsZero() {
				t.Errorf("the test lacks a value of %s.%s", value.Type(), value.Type().Field(i).Name)
			}
		}
	}
	asker := gate.Asker{Namespace: "apps", DryRun: true}
	for _, c := range []struct {
		target source.Target
		want   gate.Target
	}{
		{found, gate.Chart{
			Reference: reference, Auth: access, FromElsewhere: moved, LayerRule: artifact.WholeContent(), MaybeChart: true, UsedElsewhere: true,
			Artifact: &gate.Artifact{
				Source:   gate.Object{Kind: "OCIRepository", Namespace: "apps", Name: "source"},
				Manifest: manifest, Archive: manifest, Incomparable: true, Extracted: true, Ignore: "*.md", Outdated: true, Stale: true, ByController: true,
			},
		}},
		{source.Chart{Reference: reference}, gate.Chart{Reference: reference}},
		{source.Repository{Location: reference.Location}, gate.Repository{Location: reference.Location}},
		{source.Unresolved{Err: refused, Reference: reference}, gate.Unresolved{Err: refused, Reference: reference}},
		{nil, nil},
	} {
		use := source.Use{
			Object: source.ID{Group: "helm.toolkit.fluxcd.io", Kind: object.Kind, Namespace: object.Namespace, Name: object.Name},
			Field:  "spec.chart.spec", Target: c.target, Deferrable: true, Unstored: true,
		}
		want := []gate.Question{
			{Object: object, Field: "spec.chart.spec", Target: c.want, Deferrable: true, Unstored: true, Asker: asker},
			{Asker: asker},
		}
		got := webhook.Questions([]source.Use{use, {}}, asker)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(chart.Reference{}, chart.Digest{}, artifact.LayerRule{}, chart.Location{}), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.target, diff)
		}
	}
}
