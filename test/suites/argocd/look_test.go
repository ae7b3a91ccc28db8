package argocd_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/test/harness"
)

// deployed is what the chart of the team's Application has put into the cluster, "message extra",
// or "" for nothing.
func (m *team) deployed(t *testing.T) string {
	t.Helper()
	return m.Deployed(t, m.Name, m.Name)
}

// deploys waits until the Application has put that into the cluster.
func (m *team) deploys(t *testing.T, want string) {
	t.Helper()
	m.releases(t, m.Name, want)
}

// releases is deploys of one of several releases.
func (m *team) releases(t *testing.T, release, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		if got := m.Deployed(t, m.Name, release); got != want {
			return fmt.Sprintf("release %s deploys %q, want %q: %s", release, got, want, m.state(t))
		}
		return ""
	})
}

// isStopped waits until the condition SyncError holds chartgate's denial of a sync of the
// Application's source, the whole of it.
func (m *team) isStopped(t *testing.T, revision string) {
	t.Helper()
	denied := m.operate(t, controller, m.syncTo(t, revision))
	if _, err := harness.ReadAnswer(denied); err != nil || denied == nil {
		t.Fatalf("a sync is not denied: %v", denied)
	}
	want := fmt.Sprintf("error updating application %q: %v", m.Name, denied)
	harness.Eventually(t, func() string { return cmp.Diff(want, m.syncError(t)) })
}

// isIn waits until the Application has a state as `argocd app list` shows it, and no operation.
func (m *team) isIn(t *testing.T, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		stored := m.Get(t, m.fields())
		got := harness.Field(stored, "status", "sync", "status") + " " + harness.Field(stored, "status", "health", "status")
		if got != want || harness.Field(stored, "operation") != "" {
			return fmt.Sprintf("%s, want %s: %s", got, want, m.state(t))
		}
		return ""
	})
}

// state is what there is to say about an Application that does not do what it should.
func (m *team) state(t *testing.T) string {
	t.Helper()
	stored := m.Get(t, m.fields())
	return fmt.Sprintf("operation %q, operationState %q %q, sync %q, conditions %s",
		harness.Field(stored, "operation"), harness.Field(stored, "status", "operationState", "phase"), harness.Field(stored, "status", "operationState", "message"),
		harness.Field(stored, "status", "sync"), harness.Field(stored, "status", "conditions"))
}

// syncError is the message of the condition SyncError, or "".
func (m *team) syncError(t *testing.T) string {
	t.Helper()
	stored := m.Get(t, m.fields())
	conditions, _, _ := unstructured.NestedSlice(stored.Object, "status", "conditions")
	for _, c := range conditions {
		if found, _ := c.(map[string]any); found["type"] == "SyncError" {
			return fmt.Sprint(found["message"])
		}
	}
	return ""
}

// refresh makes the controller look, as `argocd app get --refresh` and `--hard-refresh` do, and
// waits until it has looked and no operation runs.
func (m *team) refresh(t *testing.T, kind string) {
	t.Helper()
	const annotation = "argocd.argoproj.io/refresh"
	m.Annotate(t, m.fields(), map[string]string{annotation: kind})
	harness.Eventually(t, func() string {
		stored := m.Get(t, m.fields())
		if asked := stored.GetAnnotations()[annotation]; asked != "" || harness.Field(stored, "operation") != "" {
			return fmt.Sprintf("refresh %q: %s", asked, m.state(t))
		}
		return ""
	})
}

// uid is that of the deployed ConfigMap, or "".
func (m *team) uid(t *testing.T) types.UID {
	t.Helper()
	found := m.Get(t, m.configMap(""))
	if found == nil {
		return ""
	}
	return found.GetUID()
}

// configMap is the start of a patch of what the chart deploys.
func (m *team) configMap(fields string) string {
	return harness.Object("v1", "ConfigMap", m.Name, fields)
}
