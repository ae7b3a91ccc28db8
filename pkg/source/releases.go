package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Release is what must be known of a HelmRelease to find it by the objects that its chart comes
// from, and to name it in an Event: a few hundred bytes, whatever the size of its values.
type Release struct {
	// Object has the UID and the fields of spec that name the chart, and no others.
	Object
	// Sources are the objects that the chart comes from: the HelmRepository, GitRepository or
	// Bucket and the HelmChart that helm-controller makes, or what chartRef names.
	Sources []ID
}

// ReadRelease reads a HelmRelease. An error means that it could not be read; it is a
// *problem.Error.
func ReadRelease(o Object) (Release, error) {
	var kept struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string    `json:"name"`
			Namespace string    `json:"namespace"`
			UID       types.UID `json:"uid,omitempty"`
		} `json:"metadata"`
		Spec releaseSpec `json:"spec"`
	}
	if err := decode(o, &kept); err != nil {
		return Release{}, err
	}
	if kept.Spec.Chart != nil {
		kept.Spec.Chart.Spec.repackaging = repackaging{} // no part of the name
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return Release{}, err
	}
	id := ID{Group: helmv2.GroupVersion.Group, Kind: helmv2.HelmReleaseKind, Namespace: kept.Metadata.Namespace, Name: kept.Metadata.Name}
	return Release{Object: Object{ID: id, JSON: raw}, Sources: kept.Spec.sources(id)}, nil
}

// ReleasesOf returns those of the objects that are HelmReleases and take their chart from an
// object, for a Reader that holds all objects. A release that cannot be read is left out.
func ReleasesOf(objects []Object, from ID) []Object {
	var found []Object
	for _, object := range objects {
		if object.Group != helmv2.GroupVersion.Group || object.Kind != helmv2.HelmReleaseKind {
			continue
		}
		if release, err := ReadRelease(object); err == nil && slices.Contains(release.Sources, from) {
			found = append(found, object)
		}
	}
	return found
}

// sources are the objects that the release with this ID takes its chart from. Where chartRef is
// set, helm-controller does not read the HelmChart.
func (s releaseSpec) sources(id ID) []ID {
	var all []ID
	if s.Chart != nil {
		ref := s.Chart.Spec.SourceRef
		namespace := cmp.Or(ref.Namespace, id.Namespace)
		all = append(all, fluxSource(ref.Kind, namespace, ref.Name))
		if s.ChartRef == nil {
			all = append(all, fluxSource(sourcev1.HelmChartKind, namespace, strings.Join([]string{id.Namespace, id.Name}, "-")))
		}
	}
	if ref := s.ChartRef; ref != nil {
		all = append(all, fluxSource(ref.Kind, cmp.Or(ref.Namespace, id.Namespace), ref.Name))
	}
	return all
}

// releasesOf returns the HelmReleases that take their chart from an object.
func (e *Extractor) releasesOf(ctx context.Context, id ID) ([]Object, error) {
	found, err := e.reader.Releases(ctx, id)
	switch {
	case ctx.Err() != nil:
		return nil, &problem.Error{Kind: problem.KindTimeout, Detail: "finding the HelmReleases of " + id.String() + " took too long", Err: errors.Join(ctx.Err(), err)}
	case err != nil:
		return nil, &problem.Error{Kind: problem.KindInternal, Detail: "the HelmReleases of " + id.String() + " could not be found", Err: err}
	default:
		return found, nil
	}
}

// Users returns the HelmReleases that install what the object id holds. They must be told when it
// is denied, because Flux does not tell them.
func (e *Extractor) Users(ctx context.Context, id ID) ([]Object, error) {
	switch id.Kind {
	case sourcev1.HelmChartKind, sourcev1.OCIRepositoryKind:
		return e.releasesOf(ctx, id)
	default:
		return nil, nil
	}
}

// Dependent is an object that a write of another object affects.
type Dependent struct {
	Object Object
	Use    Use
}

// Dependents returns the uses of HelmReleases that take their chart through the HelmRepository that
// w writes, as they will be with what w makes of it. They may belong to other people: what is wrong
// with them is a reason to warn, not to deny w. Objects of every other kind have no dependents.
func (e *Extractor) Dependents(ctx context.Context, w Write) ([]Dependent, error) {
	if w.Kind != sourcev1.HelmRepositoryKind {
		return nil, nil
	}
	repository, err := readHelmRepository(w.Object)
	if err != nil {
		return nil, err
	}
	objects, err := e.releasesOf(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	auth := repository.auth
	if location, err := repository.location(e); err == nil {
		if auth.StoredHost, err = e.storedHost(ctx, w.ID, auth, location); err != nil {
			return nil, err
		}
	}
	var dependents []Dependent
	for _, object := range objects {
		var release helmRelease
		if err := decode(object, &release); err != nil {
			return nil, err
		}
		if release.Spec.Suspend || release.Spec.Chart == nil {
			continue
		}
		f := release.chartField(object.Namespace)
		if f.sourceKind != w.Kind || f.namespace != w.Namespace || f.name != w.Name {
			continue
		}
		reference, err := f.in(repository, e)
		found := Chart{Reference: reference, Auth: auth}
		use := Use{Object: object.ID, Field: f.path, Target: found.unless(err), Unstored: true}
		dependents = append(dependents, Dependent{Object: object, Use: use})
	}
	return dependents, nil
}
