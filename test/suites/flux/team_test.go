package flux_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
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
	m := &team{site: shared, name: fmt.Sprintf("team-%d", teams.Add(1))}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.name}}
	if err := m.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return m
}

// place is a chart's place in a registry.
type place struct {
	*registrytest.Registry
	repo string
}

// own is where the team's signed charts are, elsewhere is below the same policy's pattern, floating
// is where tags need not be versions, and abroad is a registry that no policy is about.
func (m *team) own() place       { return place{m.registry, "charts/" + m.name} }
func (m *team) elsewhere() place { return place{m.registry, "charts/" + m.name + "-elsewhere"} }
func (m *team) floating() place  { return place{m.registry, "floating/" + m.name} }
func (m *team) abroad() place    { return place{m.foreign, "abroad/" + m.name} }

func (p place) url() string { return "oci://" + p.Host() + "/" + p.repo }

// push pushes the chart app, which holds one ConfigMap with that message, and answers with its
// manifest's digest. values-prod.yaml changes what else is in it.
func (p place) push(t *testing.T, version, message string) string {
	t.Helper()
	return p.pushTemplate(t, version, fmt.Sprintf(configMap, message))
}

// pushTemplate pushes the chart app with another template.
func (p place) pushTemplate(t *testing.T, version, template string) string {
	t.Helper()
	archive, err := charts.Archive("app", version,
		charts.File{Name: "values.yaml", Body: "extra: none\n"},
		charts.File{Name: "values-prod.yaml", Body: "extra: prod\n"},
		charts.File{Name: "templates/configmap.yaml", Body: template})
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := p.PushChart(p.repo+"/app", version, archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

const configMap = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {message: %q, extra: {{ .Values.extra | quote }}}
`

// layer is the digest of a chart's archive.
func (p place) layer(t *testing.T, version string) string {
	t.Helper()
	raw, err := p.Manifest(p.repo+"/app", version)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Layers []struct {
			Digest string `json:"digest"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil || len(manifest.Layers) != 1 {
		t.Fatalf("layers of %s: %v", raw, err)
	}
	return manifest.Layers[0].Digest
}

// sign signs a chart as the policy wants it.
func (p place) sign(t *testing.T, digest string) {
	t.Helper()
	bundle, err := shared.sigstore.Bundle(shared.key, digest, sigstore.SignPredicateType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AttachBundle(p.repo+"/app", digest, bundle, nil); err != nil {
		t.Fatal(err)
	}
}

// signed pushes and signs a chart.
func (p place) signed(t *testing.T, version, message string) string {
	t.Helper()
	digest := p.push(t, version, message)
	p.sign(t, digest)
	return digest
}

// object reads YAML of one object, and puts it into the team's namespace.
func (m *team) object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.Objects(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 1 {
		t.Fatalf("want one object, found %d in\n%s", len(objects), text)
	}
	objects[0].SetNamespace(m.name)
	return objects[0]
}

// client writes as a user.
func (w *site) client(user string) (dynamic.Interface, error) {
	config := rest.CopyConfig(w.Config)
	if user != admin {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groupsOf(user)}
	}
	return dynamic.NewForConfig(config)
}

// groupsOf are those that the API server itself would give the user.
func groupsOf(user string) []string {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	return groups
}

func (w *site) resource(user string, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	client, err := w.client(user)
	if err != nil {
		return nil, err
	}
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	return client.Resource(plural).Namespace(object.GetNamespace()), nil
}

// tryApply applies an object on the server's side, as kubectl and Flux's kustomize-controller do.
func (m *team) tryApply(ctx context.Context, user string, object *unstructured.Unstructured) error {
	resource, err := m.resource(user, object)
	if err != nil {
		return err
	}
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "team", Force: true})
	return err
}

// apply applies objects as the editor, who must be admitted.
func (m *team) apply(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		object := m.object(t, text)
		if err := m.tryApply(t.Context(), editor, object); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// tryPatch changes an object, or one of its subresources, by a merge patch.
func (m *team) tryPatch(t *testing.T, user, text string, subresources ...string) error {
	t.Helper()
	object := m.object(t, text)
	resource, err := m.resource(user, object)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	_, err = resource.Patch(t.Context(), object.GetName(), types.MergePatchType, raw, metav1.PatchOptions{}, subresources...)
	return err
}

// patch changes an object as the editor, who must be admitted.
func (m *team) patch(t *testing.T, text string) {
	t.Helper()
	if err := m.tryPatch(t, editor, text); err != nil {
		t.Fatalf("patch %s: %v", text, err)
	}
}

// get is the object as it is stored, or nil.
func (m *team) get(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := m.object(t, text)
	resource, err := m.resource(admin, object)
	if err != nil {
		t.Fatal(err)
	}
	found, err := resource.Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// remove deletes an object as the editor.
func (m *team) remove(t *testing.T, text string) {
	t.Helper()
	object := m.object(t, text)
	resource, err := m.resource(editor, object)
	if err != nil {
		t.Fatal(err)
	}
	if err := resource.Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// reconcile asks a controller to look now, as `flux reconcile` does. Each request wants a text of
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

// patchObject sends what is in an object as a merge patch, as the editor.
func (m *team) patchObject(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	resource, err := m.resource(editor, object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resource.Patch(t.Context(), object.GetName(), types.MergePatchType, raw, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}
