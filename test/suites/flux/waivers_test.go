package flux_test

import (
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestWaivedChartsAreDeployed: without a signature, source-controller's own record must say that what
// it holds is of the present spec, so the order in which it writes its status matters.
func TestWaivedChartsAreDeployed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence string
		objects  func(at harness.Place, version string) []string
	}{
		{"an OCIRepository", func(at harness.Place, version string) []string {
			return []string{ociRepository("app", at, version), releaseBy("app", "OCIRepository", "app")}
		}},
		{"an OCIRepository, repackaged", func(at harness.Place, version string) []string {
			return []string{repackaging("app", at, version, ""), releaseBy("app", "OCIRepository", "app")}
		}},
		{"a HelmRepository", func(at harness.Place, version string) []string {
			return []string{helmRepository("charts", at), releaseOf("app", "charts", version, "")}
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			at := m.waived()
			for _, step := range []struct{ version, message string }{{"1.0.0", "one"}, {"1.1.0", "two"}} {
				at.Push(t, step.version, step.message)
				m.Apply(t, tc.objects(at, step.version)...)
				m.deploys(t, "app", step.message+" none")
				m.becomesReady(t, release("app", ""))
			}
		})
	}
}

// TestContentFromElsewhereGetsAWaivedName: what was pulled where no policy looks stays where it is
// while its source gets a waived URL, is suspended, and claims to be up to date.
func TestContentFromElsewhereGetsAWaivedName(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.abroad().Push(t, "1.0.0", "evil")
	m.Apply(t, repackaging("app", m.abroad(), "1.0.0", "layerSelector: {operation: copy}, "))
	m.becomesReady(t, source("OCIRepository", "app", ""))
	m.Patch(t, source("OCIRepository", "app", spec("suspend: true, url: %q", m.waived().URL()+"/app")))
	stored := m.Get(t, source("OCIRepository", "app", ""))
	m.Apply(t, releaseBy("app", "OCIRepository", "app"))
	claim := source("OCIRepository", "app", fmt.Sprintf("status: {observedGeneration: %d}", stored.GetGeneration()))
	if err := m.TryPatch(t, editor, m.Object(t, claim), "status"); err != nil {
		t.Fatal(err)
	}
	m.stoppedOnce(t, "")
}
