package harness

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// Team is a namespace whose objects the Editor writes.
type Team struct {
	// Name is the namespace's.
	Name string

	site *Site
}

// NewTeam makes a namespace for a test.
func (s *Site) NewTeam(t testing.TB, name string) *Team {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return &Team{Name: name, site: s}
}

// Object reads YAML of one object, and puts it into the team's namespace.
func (m *Team) Object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	object := m.site.Object(t, text)
	object.SetNamespace(m.Name)
	return object
}

// Get is the object as it is stored, or nil.
func (m *Team) Get(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	return m.site.Stored(t, m.Object(t, text))
}

// ServerSideApply applies an object as kubectl and Flux's kustomize-controller do.
func ServerSideApply(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	_, err := resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "team", Force: true})
	return err
}

// TryApply applies an object.
func (m *Team) TryApply(t testing.TB, object *unstructured.Unstructured) error {
	t.Helper()
	return ServerSideApply(t.Context(), m.site.Resource(t, Editor, object), object)
}

// Apply applies objects, which must be admitted.
func (m *Team) Apply(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		object := m.Object(t, text)
		if err := m.TryApply(t, object); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// TryCreate creates an object.
func (m *Team) TryCreate(t testing.TB, object *unstructured.Unstructured) error {
	t.Helper()
	_, err := m.site.Resource(t, Editor, object).Create(t.Context(), object, metav1.CreateOptions{})
	return err
}

// TryPatch changes an object, or one of its subresources, by a merge patch, as a user.
func (m *Team) TryPatch(t testing.TB, user string, object *unstructured.Unstructured, subresources ...string) error {
	t.Helper()
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.site.Resource(t, user, object).Patch(t.Context(), object.GetName(), types.MergePatchType, raw, metav1.PatchOptions{}, subresources...)
	return err
}

// Patch changes an object by a merge patch, which must be admitted.
func (m *Team) Patch(t testing.TB, text string) {
	t.Helper()
	m.PatchObject(t, m.Object(t, text))
}

// PatchObject is Patch by an object.
func (m *Team) PatchObject(t testing.TB, object *unstructured.Unstructured) {
	t.Helper()
	if err := m.TryPatch(t, Editor, object); err != nil {
		t.Fatalf("patch %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// Annotate sets annotations.
func (m *Team) Annotate(t testing.TB, text string, annotations map[string]string) {
	t.Helper()
	object := m.Object(t, text)
	object.SetAnnotations(annotations)
	m.PatchObject(t, object)
}

// Remove deletes an object.
func (m *Team) Remove(t testing.TB, text string) {
	t.Helper()
	object := m.Object(t, text)
	if err := m.site.Resource(t, Editor, object).Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}
