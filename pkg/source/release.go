package source

import (
	"encoding/json"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
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
// object, for a Reader that holds all objects. A release that cannot be read takes none.
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

// sources are the objects that the release with this ID takes its chart from. Where chartRef
// is set, helm-controller does not look at the HelmChart.
func (s releaseSpec) sources(id ID) []ID {
	var all []ID
	if s.Chart != nil {
		ref := s.Chart.Spec.SourceRef
		namespace := or(ref.Namespace, id.Namespace)
		all = append(all, fluxSource(ref.Kind, namespace, ref.Name))
		if s.ChartRef == nil {
			all = append(all, fluxSource(sourcev1.HelmChartKind, namespace, strings.Join([]string{id.Namespace, id.Name}, "-")))
		}
	}
	if ref := s.ChartRef; ref != nil {
		all = append(all, fluxSource(ref.Kind, or(ref.Namespace, id.Namespace), ref.Name))
	}
	return all
}
