package source

import (
	"context"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

// gatedField is what one field of an object says about a chart, as its author wrote it.
// Implementations are comparable. They hold everything that decides which chart is pulled and how,
// and nothing else.
type gatedField interface {
	// use follows the field to a chart.
	use(ctx context.Context, e *Extractor) Use
	// key returns the part of the field that is compared with the old object: a write that leaves
	// it as it is makes nothing newly deployable. It leaves out what only says how the registry is
	// reached: what other credentials or another proxy may bring in meets the gates on what is
	// pulled.
	key() gatedField
}

// gatedKind reads the gated fields of a write of one kind: now are those of the object, before
// those of the object that an update replaces.
type gatedKind func(w Write) (now, before []gatedField, err error)

// gatedKindOf is the one list of what chartgate gates. It returns nil for every other kind.
func (e *Extractor) gatedKindOf(id ID, subresource string) gatedKind {
	type key struct{ group, kind, subresource string }
	flux, helm := sourcev1.GroupVersion.Group, helmv2.GroupVersion.Group
	switch (key{id.Group, id.Kind, subresource}) {
	case key{helm, helmv2.HelmReleaseKind, ""}:
		return decoded(e.releaseSpecFields)
	case key{helm, helmv2.HelmReleaseKind, "status"}:
		return decoded(e.releaseStatusFields)
	case key{flux, sourcev1.HelmRepositoryKind, ""}:
		return decoded(e.helmRepositoryFields)
	case key{flux, sourcev1.HelmChartKind, ""}:
		return decoded(e.helmChartSpecFields)
	case key{flux, sourcev1.HelmChartKind, "status"}:
		return decoded(e.helmChartStatusFields)
	case key{flux, sourcev1.OCIRepositoryKind, ""}:
		return decoded(e.ociRepositorySpecFields)
	case key{flux, sourcev1.OCIRepositoryKind, "status"}:
		return decoded(e.ociRepositoryStatusFields)
	case key{argo.Group, argo.ApplicationKind, ""}, key{argo.Group, argo.ApplicationKind, "status"}:
		// Argo CD's own CRD has no status subresource; a vendor's CRD may have one.
		return decoded(e.applicationFields)
	default:
		return nil
	}
}

// decoded is the gatedKind of objects that are decoded into T. fields gets the object and the one
// before it: nil for a creation, and where it cannot be read. Such an object made nothing
// deployable.
func decoded[T any](fields func(w Write, object, old *T) ([]gatedField, error)) gatedKind {
	return func(w Write) (now, before []gatedField, err error) {
		object := new(T)
		if err := decode(w.Object, object); err != nil {
			return nil, nil, err
		}
		var old *T
		if w.Old != nil {
			old = new(T)
			if err := decode(Object{ID: w.ID, JSON: w.Old}, old); err != nil {
				old = nil
			}
		}
		if now, err = fields(w, object, old); err != nil {
			return nil, nil, err
		}
		if old != nil && len(now) > 0 {
			before, _ = fields(w, old, old) // what cannot be read made nothing deployable
		}
		return now, before, nil
	}
}

// Gates reports whether objects of this kind can make charts deployable.
func (e *Extractor) Gates(id ID) bool { return e.gatedKindOf(id, "") != nil }
