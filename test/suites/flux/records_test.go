package flux_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// TestForgedHistory: helm-controller corrects drift, and rolls back, from helm's own record, a
// Secret that the editor may write. It believes the record if its digest is the one in
// status.history, or if the history says that it is of an older version, which did not keep one. So
// only helm-controller's own user may write status.history.
func TestForgedHistory(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) *team {
		m := newTeam(t)
		m.own().Signed(t, "1.0.0", "one")
		m.Apply(t, ociRepository("app", m.own(), "1.0.0"), helmRelease("app",
			"driftDetection: {mode: enabled}, chartRef: {kind: OCIRepository, name: app}"))
		m.deploys(t, "app", "one none")
		m.becomesReady(t, release("app", ""))
		return m
	}
	undated := func(s map[string]any) { s["apiVersion"] = "v1" }
	forge := func(t *testing.T, m *team) {
		m.forgeRecord(t, "app", func(record map[string]any) {
			record["manifest"] = strings.Replace(record["manifest"].(string), "message: one", "message: evil", 1)
		})
		m.reconcile(t, release("app", ""), "forged")
		harness.Eventually(t, func() string {
			if got := harness.Field(m.Get(t, release("app", "")), "status", "lastHandledReconcileAt"); got != "forged" {
				return "last handled: " + got
			}
			return ""
		})
	}

	t.Run("the history is helm-controller's alone", func(t *testing.T) {
		t.Parallel()
		m := start(t)
		for sentence, patch := range map[string]string{
			"of an older version":   m.history(t, undated),
			"of another digest":     m.history(t, func(s map[string]any) { s["digest"] = "sha256:" + strings.Repeat("0", 64) }),
			"of another chart":      m.history(t, func(s map[string]any) { s["chartVersion"] = "9.9.9" }),
			"of a release long ago": m.history(t, func(s map[string]any) { s["version"] = int64(7) }),
			"removed":               release("app", "status: {history: null}"),
		} {
			for _, user := range []string{editor, admin, sourceController} {
				if err := m.TryPatch(t, user, m.Object(t, patch), "status"); err == nil || !strings.Contains(err.Error(), "releases.chartgate.dev") {
					t.Errorf("a history %s by %q: %v", sentence, user, err)
				}
			}
		}
	})
	t.Run("a forged record is not believed", func(t *testing.T) {
		t.Parallel()
		m := start(t)
		forge(t, m)
		if got := m.deployed(t, "app"); got != "one none" {
			t.Errorf("deployed %q", got)
		}
		if got := m.revisions(t, "app"); len(got) != 2 {
			t.Errorf("helm-controller should upgrade to what the source holds: %v", got)
		}
	})
	// What a forged history does without the gate, as in releases of an older helm-controller.
	t.Run("a forged record is believed where the history is of an older version", func(t *testing.T) {
		t.Parallel()
		m := start(t)
		if err := m.TryPatch(t, helmController, m.Object(t, m.history(t, undated)), "status"); err != nil {
			t.Fatal(err)
		}
		forge(t, m)
		m.deploys(t, "app", "evil none")
	})
	// Helm runs the hooks in its record when a release is removed, and helm-controller does not
	// compare the record then. docs/security.md says so.
	t.Run("a forged hook runs when the release is deleted", func(t *testing.T) {
		t.Parallel()
		m := start(t)
		m.forgeRecord(t, "app", func(record map[string]any) {
			record["hooks"] = []any{map[string]any{
				"name": "evil", "kind": "ConfigMap", "path": "app/templates/hook.yaml", "events": []any{"pre-delete"},
				"manifest": "{apiVersion: v1, kind: ConfigMap, metadata: {name: hook}, data: {message: evil, extra: hook}}",
			}}
		})
		m.Remove(t, release("app", ""))
		m.deploys(t, "hook", "evil hook")
	})
}

// history is a patch of the newest entry in a release's status.history.
func (m *team) history(t *testing.T, change func(snapshot map[string]any)) string {
	t.Helper()
	history, _, err := unstructured.NestedSlice(m.Get(t, release("app", "")).Object, "status", "history")
	if err != nil || len(history) == 0 {
		t.Fatalf("no history: %v", err)
	}
	change(history[0].(map[string]any))
	raw, err := json.Marshal(history)
	if err != nil {
		t.Fatal(err)
	}
	return release("app", "status: {history: "+string(raw)+"}")
}

// forgeRecord changes helm's last record of a release, as the editor, who may write Secrets.
func (m *team) forgeRecord(t *testing.T, name string, change func(map[string]any)) {
	t.Helper()
	names := m.revisions(t, name)
	if len(names) == 0 {
		t.Fatal("helm has no record")
	}
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: m.Name, Name: names[len(names)-1]}
	if err := m.Client.Get(t.Context(), key, &secret); err != nil {
		t.Fatal(err)
	}
	packed, err := base64.StdEncoding.DecodeString(string(secret.Data["release"]))
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	record := map[string]any{}
	if err := json.Unmarshal(raw, &record); err != nil {
		t.Fatal(err)
	}
	change(record)
	if raw, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	if _, err := zip.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	object := m.Object(t, "{apiVersion: v1, kind: Secret, metadata: {name: "+key.Name+"}}")
	object.Object["data"] = map[string]any{
		"release": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(out.Bytes()))),
	}
	m.PatchObject(t, object)
}
