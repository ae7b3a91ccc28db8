package harness

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// as is a client that writes as a user and records warnings, which may be nil.
func (s *Site) as(user string, record *warnings) (dynamic.Interface, error) {
	config := rest.CopyConfig(s.Config)
	if record != nil {
		config.WarningHandlerWithContext = record
	}
	if user != Admin {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groupsOf(user)}
	}
	return dynamic.NewForConfig(config)
}

// ResourceOf is the resource of an object in its namespace.
func ResourceOf(c dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	return c.Resource(plural).Namespace(object.GetNamespace())
}

// Resource is the resource of an object for a user.
func (s *Site) Resource(t testing.TB, user string, object *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	client, err := s.as(user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ResourceOf(client, object)
}

// Stored is the object as it is stored; nil if it does not exist.
func (s *Site) Stored(t testing.TB, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	found, err := s.Resource(t, Admin, object).Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// RemoveAfter removes an object after the test, whatever finalizers it has.
func (s *Site) RemoveAfter(t testing.TB, object *unstructured.Unstructured) {
	t.Helper()
	resource, name := s.Resource(t, Admin, object), object.GetName()
	t.Cleanup(func() {
		ctx := context.Background() // the test's is over by now
		err := resource.Delete(ctx, name, metav1.DeleteOptions{})
		if err == nil {
			_, err = resource.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

// The users that write. Service accounts are those of the controllers' own installations.
const (
	Admin            = "" // system:masters
	Editor           = "jane"
	SourceController = "system:serviceaccount:flux-system:source-controller"
	HelmController   = "system:serviceaccount:flux-system:helm-controller"
	ArgoController   = "system:serviceaccount:argocd:argocd-application-controller"
	ArgoServer       = "system:serviceaccount:argocd:argocd-server"
)

// FluxEdit is the ClusterRole of the same name that Flux itself installs. It aggregates to edit and
// admin, so everyone who edits a namespace has it:
// https://github.com/fluxcd/flux2/blob/main/manifests/rbac/edit.yaml
const FluxEdit = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: flux-edit}
rules:
- apiGroups: [notification.toolkit.fluxcd.io, source.toolkit.fluxcd.io, source.extensions.fluxcd.io, helm.toolkit.fluxcd.io, image.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io]
  resources: ["*"]
  verbs: [create, delete, deletecollection, patch, update]
---
`

// groupsOf are those that the API server itself would give the user.
func groupsOf(user string) []string {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	return groups
}
