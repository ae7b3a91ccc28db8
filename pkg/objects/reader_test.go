package objects_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

const fluxGroup = "source.toolkit.fluxcd.io"

// served is a cluster that serves one kind, in two versions.
func served() meta.RESTMapper {
	v1 := schema.GroupVersion{Group: fluxGroup, Version: "v1"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1})
	mapper.Add(v1.WithKind("HelmRepository"), meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersion{Group: fluxGroup, Version: "v1beta2"}.WithKind("HelmRepository"), meta.RESTScopeNamespace)
	return mapper
}

// brokenMapper cannot ask the API server.
type brokenMapper struct{ meta.RESTMapper }

func (brokenMapper) RESTMapping(schema.GroupKind, ...string) (*meta.RESTMapping, error) {
	return nil, kube.ErrInjected
}

func repository(namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": fluxGroup + "/v1", "kind": "HelmRepository",
		"metadata": map[string]any{"namespace": namespace, "name": name},
		"spec":     map[string]any{"url": "oci://ghcr.io/" + namespace + "/" + name},
	}}
}

func repositoryID(namespace, name string) source.ID {
	return source.ID{Group: fluxGroup, Kind: "HelmRepository", Namespace: namespace, Name: name}
}

// urls renders objects by their IDs and what their JSON says.
func urls(t *testing.T, objects []source.Object) []string {
	t.Helper()
	var all []string
	for _, o := range objects {
		var body struct {
			Kind string
			Spec struct{ URL string }
		}
		if err := json.Unmarshal(o.JSON, &body); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s.%s: %s %s", o.ID, o.Group, body.Kind, body.Spec.URL))
	}
	return all
}

func TestReader(t *testing.T) {
	c := kube.Cluster(t, interceptor.Funcs{}, repository("apps", "a"), repository("apps", "b"), repository("team-b", "a"))
	line := func(name string) string {
		return "HelmRepository " + name + "." + fluxGroup + ": HelmRepository oci://ghcr.io/" + name
	}
	for _, row := range []struct {
		sentence string
		id       source.ID
		want     []string
	}{
		{"one object", repositoryID("apps", "a"), []string{line("apps/a")}},
		{"one object of another namespace", repositoryID("team-b", "a"), []string{line("team-b/a")}},
		{"an object that does not exist is not in the result", repositoryID("apps", "c"), nil},
		{"a kind that the cluster does not serve has no objects", source.ID{Group: fluxGroup, Kind: "Bucket", Namespace: "apps", Name: "a"}, nil},
		{"a group that the cluster does not serve has no objects", source.ID{Group: "x.example", Kind: "HelmRepository", Namespace: "apps", Name: "a"}, nil},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			found, err := objects.NewReader(c, objects.NewVersions(served()), nil).Read(t.Context(), row.id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, urls(t, found)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Only what does not exist is absent: everything else is an error.
func TestReaderErrors(t *testing.T) {
	resource := schema.GroupResource{Group: fluxGroup, Resource: "helmrepositories"}
	for _, row := range []struct {
		sentence string
		err      error
	}{
		{"a broken connection", kube.ErrInjected},
		{"no permission", apierrors.NewForbidden(resource, "a", kube.ErrInjected)},
		{"an expired page", apierrors.NewResourceExpired("expired")},
		{"a deadline", context.DeadlineExceeded},
		{"too many requests", apierrors.NewTooManyRequests("slow down", 1)},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			c := kube.Cluster(t, interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					return row.err
				},
			})
			found, err := objects.NewReader(c, objects.NewVersions(served()), nil).Read(t.Context(), repositoryID("apps", "a"))
			if !errors.Is(err, row.err) || len(found) > 0 {
				t.Errorf("%d objects, error %v", len(found), err)
			}
		})
	}
	if found, err := objects.NewReader(kube.Cluster(t, interceptor.Funcs{}), objects.NewVersions(brokenMapper{}), nil).Read(t.Context(), repositoryID("apps", "a")); !errors.Is(err, kube.ErrInjected) || len(found) > 0 {
		t.Errorf("a mapper that fails: %d objects, error %v", len(found), err)
	}
}

// Managed fields can be most of an object, and say nothing about charts.
func TestReaderLeaveManagedFieldsOut(t *testing.T) {
	c := kube.Cluster(t, interceptor.Funcs{Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
		u := o.(*unstructured.Unstructured)
		u.Object = repository("apps", "a").Object
		u.Object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{"manager": "flux"}}
		return nil
	}})
	found, err := objects.NewReader(c, objects.NewVersions(served()), nil).Read(t.Context(), repositoryID("apps", "a"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"HelmRepository","metadata":{"name":"a","namespace":"apps"},"spec":{"url":"oci://ghcr.io/apps/a"}}` + "\n"
	if diff := cmp.Diff(want, string(found[0].JSON)); diff != "" {
		t.Error(diff)
	}
}
