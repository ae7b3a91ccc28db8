// Package objects reads single objects of the cluster live.
//
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=helmrepositories;helmcharts;ocirepositories,verbs=get;list
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=gitrepositories;buckets,verbs=get
package objects

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/source"
)

// Reader reads objects live from the API server, in the version that the API server prefers. A
// cache would be faster, and wrong at the moment that matters: when a source and the release that
// uses it are changed within a second of each other.
type Reader struct {
	reader   client.Reader
	versions *Versions
	releases ReleaseIndex
}

// ReleaseIndex finds the HelmReleases that take their chart from an object.
type ReleaseIndex interface {
	Of(from source.ID) ([]source.Object, error)
}

// NewReader returns a source.Reader. The client must not be cached.
func NewReader(reader client.Reader, versions *Versions, releases ReleaseIndex) *Reader {
	return &Reader{reader: reader, versions: versions, releases: releases}
}

// Releases implements source.Reader.
func (r *Reader) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return r.releases.Of(from)
}

// Read implements source.Reader. A kind that the cluster does not serve has no object.
func (r *Reader) Read(ctx context.Context, id source.ID) ([]source.Object, error) {
	mapping, err := r.versions.Of(ctx, schema.GroupKind{Group: id.Group, Kind: id.Kind})
	switch {
	case meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find the served version of %s: %w", id.Kind, err)
	default:
		return r.get(ctx, id, mapping.GroupVersionKind)
	}
}

func (r *Reader) get(ctx context.Context, id source.ID, gvk schema.GroupVersionKind) ([]source.Object, error) {
	var object unstructured.Unstructured
	object.SetGroupVersionKind(gvk)
	switch err := r.reader.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, &object); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	found, err := toObject(id, object)
	return []source.Object{found}, err
}

func toObject(id source.ID, object unstructured.Unstructured) (source.Object, error) {
	object.SetManagedFields(nil) // often most of an object
	raw, err := object.MarshalJSON()
	if err != nil {
		return source.Object{}, fmt.Errorf("encode %s: %w", id, err)
	}
	id.Namespace, id.Name = object.GetNamespace(), object.GetName()
	return source.Object{ID: id, JSON: raw}, nil
}

var _ source.Reader = (*Reader)(nil)
