package argocd_test

import (
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/argocd"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// The users that write.
const (
	editor     = harness.Editor // of every namespace
	server     = harness.ArgoServer
	controller = harness.ArgoController
)

// team is a namespace with Applications that deploy into it, and the repository charts/<name>/app.
// Its Application is called as it is, so the controller's caches, which are keyed by the name alone,
// keep the teams apart.
type team struct {
	*site
	*harness.Team
}

var teams atomic.Int64

func newTeam(t *testing.T) *team {
	t.Helper()
	w := theSite(t)
	m := &team{site: w, Team: w.NewTeam(t, fmt.Sprintf("team-%d", teams.Add(1)))}
	for _, at := range []harness.Place{m.own(), m.floating(), m.elsewhere()} {
		m.register(t, at)
	}
	return m
}

// own holds the team's charts, in floating ranges are allowed, and elsewhere is below the same
// policy's pattern as own.
func (m *team) own() harness.Place       { return m.place("charts/"+m.Name, m.acme) }
func (m *team) floating() harness.Place  { return m.place("floating/"+m.Name, m.acme) }
func (m *team) elsewhere() harness.Place { return m.place("charts/"+m.Name+"-elsewhere", m.acme) }

// forged is own, with charts that mallory signs.
func (m *team) forged() harness.Place { return m.place("charts/"+m.Name, m.mallory) }

func (m *team) place(folder string, by *sigstore.Key) harness.Place {
	return harness.Place{Signing: harness.Signing{Sigstore: m.sigstore, By: by, Registry: m.registry}, Folder: folder}
}

// register makes Argo CD's repository Secret, as `argocd repo add --type helm --enable-oci` does.
func (m *team) register(t *testing.T, at harness.Place) {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: argocd.Namespace, Name: strings.ReplaceAll(at.Folder, "/", "-"),
			Labels: map[string]string{"argocd.argoproj.io/secret-type": "repository"},
		},
		StringData: map[string]string{"type": "helm", "name": at.Folder, "url": folderURL(at), "enableOCI": "true"},
	}
	if err := m.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// folderURL is the repoURL of Helm-OCI sources.
func folderURL(at harness.Place) string { return strings.TrimPrefix(at.URL(), "oci://") }

// The sources of Applications.

func helmSource(at harness.Place, version string) string {
	return fmt.Sprintf("{repoURL: %q, chart: app, targetRevision: %q}", folderURL(at), version)
}

func nativeSource(at harness.Place, revision string, more ...string) string {
	fields := append([]string{fmt.Sprintf("repoURL: %q, path: ., targetRevision: %q", at.URL()+"/app", revision)}, more...)
	return "{" + strings.Join(fields, ", ") + "}"
}

func source(text string) string { return "source: " + text }

// second is the name of another release of the same Application.
func (m *team) second() string { return m.Name + "-second" }

// automated is the sync policy of most tests.
const automated = "syncPolicy: {automated: {prune: true, selfHeal: true}}"

// application is the team's Application, with fields of its spec.
func (m *team) application(fields ...string) string {
	spec := append([]string{"project: default", "destination: {server: https://kubernetes.default.svc, namespace: " + m.Name + "}"}, fields...)
	return m.fields("spec: {" + strings.Join(spec, ", ") + "}")
}

// fields is the start of a patch of the team's Application.
func (m *team) fields(fields ...string) string {
	return harness.Application(m.Name, strings.Join(fields, ", "))
}

// syncs requests an operation as argocd-server does for `argocd app sync`: the sources of spec, with
// the revisions that the controller has found, which argocd-server resolves in the same way.
func (m *team) syncs(t *testing.T) {
	t.Helper()
	m.refresh(t, "normal")
	stored := m.Get(t, m.fields()).Object
	sync := copied(nested(stored, "spec"), "source", "sources")
	maps.Copy(sync, copied(nested(stored, "status", "sync"), "revision", "revisions"))
	if err := m.operate(t, server, sync); err != nil {
		t.Fatalf("argocd app sync: %v", err)
	}
}

// syncTo is a sync of the Application's source to a revision.
func (m *team) syncTo(t *testing.T, revision string) map[string]any {
	t.Helper()
	sync := copied(nested(m.Get(t, m.fields()).Object, "spec"), "source")
	sync["revision"] = revision
	return sync
}

// rollsBack requests the operation of `argocd app rollback` to the oldest entry of the history.
func (m *team) rollsBack(t *testing.T) {
	t.Helper()
	history, _, _ := unstructured.NestedSlice(m.Get(t, m.fields()).Object, "status", "history")
	if len(history) == 0 {
		t.Fatalf("no history: %s", m.state(t))
	}
	oldest, _ := history[0].(map[string]any)
	sync := copied(oldest, "source", "sources", "revision", "revisions")
	sync["syncStrategy"] = map[string]any{"apply": map[string]any{}}
	if err := m.operate(t, server, sync); err != nil {
		t.Fatalf("argocd app rollback: %v", err)
	}
}

// nested is an object's section; empty if it does not exist.
func nested(object map[string]any, path ...string) map[string]any {
	section, _, _ := unstructured.NestedMap(object, path...)
	return section
}

// copied are those of the fields that exist.
func copied(from map[string]any, names ...string) map[string]any {
	found := map[string]any{}
	for _, name := range names {
		if value, ok := from[name]; ok {
			found[name] = value
		}
	}
	return found
}

// operate requests a sync in the way of Argo CD's own programs (util/argo/argo.go, SetAppOperation,
// of v3.2): an update that forgets the state of the operation before.
func (m *team) operate(t *testing.T, user string, sync map[string]any) error {
	t.Helper()
	name := m.Object(t, m.fields())
	resource := m.Resource(t, user, name)
	for {
		stored, err := resource.Get(t.Context(), name.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		stored.Object["operation"] = map[string]any{"sync": sync, "initiatedBy": map[string]any{"username": "admin"}}
		unstructured.RemoveNestedField(stored.Object, "status", "operationState")
		_, err = resource.Update(t.Context(), stored, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}
