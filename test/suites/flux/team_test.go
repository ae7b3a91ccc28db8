package flux_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// team is a namespace, whose editor is jane, and the repository charts/<name> of the registry.
type team struct {
	*site
	name string
	evil string // digest of a row's chart without a signature
}

var teams atomic.Int64

func newTeam(t *testing.T) *team {
	t.Helper()
	m := &team{site: theSite(t), name: fmt.Sprintf("team-%d", teams.Add(1))}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.name}}
	if err := m.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return m
}

// own holds the team's signed charts, elsewhere is below the same policy's pattern, in floating
// tags need not be versions, waived needs no signatures, and abroad is a registry that no policy
// matches.
func (m *team) own() harness.Place       { return m.place(m.registry, "charts/"+m.name) }
func (m *team) elsewhere() harness.Place { return m.place(m.registry, "charts/"+m.name+"-elsewhere") }
func (m *team) floating() harness.Place  { return m.place(m.registry, "floating/"+m.name) }
func (m *team) waived() harness.Place    { return m.place(m.registry, "waived/"+m.name) }
func (m *team) abroad() harness.Place    { return m.place(m.foreign, "abroad/"+m.name) }

// place is one whose charts are signed as the policies require.
func (m *team) place(registry *registrytest.Registry, folder string) harness.Place {
	return harness.Place{Signing: harness.Signing{Sigstore: m.sigstore, By: m.key, Registry: registry}, Folder: folder}
}

// object reads YAML of one object, and puts it into the team's namespace.
func (m *team) object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := m.Object(t, text)
	object.SetNamespace(m.name)
	return object
}

// tryApply applies an object on the server's side, as kubectl and Flux's kustomize-controller do.
func tryApply(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	_, err := resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "team", Force: true})
	return err
}

// apply applies objects as the editor, who must be admitted.
func (m *team) apply(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		object := m.object(t, text)
		if err := tryApply(t.Context(), m.Resource(t, editor, object), object); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// tryPatch changes an object, or one of its subresources, by a merge patch.
func (m *team) tryPatch(t *testing.T, user, text string, subresources ...string) error {
	t.Helper()
	return m.tryPatchObject(t, user, m.object(t, text), subresources...)
}

// tryPatchObject sends an object as a merge patch.
func (m *team) tryPatchObject(t *testing.T, user string, object *unstructured.Unstructured, subresources ...string) error {
	t.Helper()
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Resource(t, user, object).Patch(t.Context(), object.GetName(), types.MergePatchType, raw, metav1.PatchOptions{}, subresources...)
	return err
}

// patch changes an object as the editor, who must be admitted.
func (m *team) patch(t *testing.T, text string) {
	t.Helper()
	m.patchObject(t, m.object(t, text))
}

// patchObject is patch by an object.
func (m *team) patchObject(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if err := m.tryPatchObject(t, editor, object); err != nil {
		t.Fatalf("patch %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// get is the object as it is stored, or nil.
func (m *team) get(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	return m.Stored(t, m.object(t, text))
}

// remove deletes an object as the editor.
func (m *team) remove(t *testing.T, text string) {
	t.Helper()
	object := m.object(t, text)
	if err := m.Resource(t, editor, object).Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// reconcile requests a reconciliation, as `flux reconcile` does. Each request needs a text of
// its own.
func (m *team) reconcile(t *testing.T, text, request string) {
	t.Helper()
	m.annotate(t, text, map[string]string{"reconcile.fluxcd.io/requestedAt": request})
}

// annotate sets annotations as the editor.
func (m *team) annotate(t *testing.T, text string, annotations map[string]string) {
	t.Helper()
	object := m.object(t, text)
	object.SetAnnotations(annotations)
	m.patchObject(t, object)
}
