package source

import (
	"context"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

// Dependents returns the uses of HelmReleases that take their chart through the
// HelmRepository that w writes, as they will be with what w makes of it. They are
// somebody else's objects: what is wrong with them is a reason to warn, not to deny
// w. For every other kind there are none.
func (e *Extractor) Dependents(ctx context.Context, w Write) ([]Dependent, error) {
	if w.Kind != sourcev1.HelmRepositoryKind {
		return nil, nil
	}
	repository, err := readHelmRepository(w.Object)
	if err != nil {
		return nil, err
	}
	claimOf := func(id ID, r helmRelease) (chartClaim, bool) {
		if r.Spec.Suspend || r.Spec.Chart == nil {
			return chartClaim{}, false
		}
		c := r.chartClaim(id.Namespace)
		return c, c.sourceKind == w.Kind && c.namespace == w.Namespace && c.name == w.Name
	}
	objects, err := e.releasesOf(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	access := repository.access
	if location, err := repository.location(e); err == nil {
		if access.StoredHost, err = e.storedHost(ctx, w.ID, access, location); err != nil {
			return nil, err
		}
	}
	var dependents []Dependent
	for _, object := range objects {
		var release helmRelease
		if err := decode(object, &release); err != nil {
			return nil, err
		}
		c, is := claimOf(object.ID, release)
		if !is {
			continue
		}
		reference, err := c.in(repository, e)
		found := Chart{Reference: reference, Access: access}
		use := Use{Object: object.ID, Field: c.field, Target: found.or(err), Unstored: true}
		dependents = append(dependents, Dependent{Object: object, Use: use})
	}
	return dependents, nil
}

// Dependent is an object that a write of another object affects.
type Dependent struct {
	Object Object
	Use    Use
}

// Users returns the HelmReleases that install what the object id holds: those that
// should be told when it is denied, because Flux tells them nothing.
func (e *Extractor) Users(ctx context.Context, id ID) ([]Object, error) {
	switch id.Kind {
	case sourcev1.HelmChartKind, sourcev1.OCIRepositoryKind:
		return e.releasesOf(ctx, id)
	default:
		return nil, nil
	}
}
