package releaseindex

import (
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/source"
)

// maxRelease bounds what is kept of a HelmRelease. No reference that chartgate accepts is nearly as
// long, so a longer one names nothing.
const maxRelease = 8 << 10

// helmRelease is a HelmRelease of which only the names are kept.
type helmRelease struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	source.Release
}

type helmReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []helmRelease `json:"items"`
}

// UnmarshalJSON keeps what names the sources. A release with a value of another type in these
// fields names no source: helm-controller cannot read it either, and it must not hinder the read of
// other objects.
func (h *helmRelease) UnmarshalJSON(raw []byte) error {
	var object struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Name            string    `json:"name"`
			Namespace       string    `json:"namespace"`
			UID             types.UID `json:"uid"`
			ResourceVersion string    `json:"resourceVersion"`
			// A bookmark of a watch has this one alone.
			Annotations struct {
				InitialEventsEnd string `json:"k8s.io/initial-events-end"`
			} `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw, &object); err != nil {
		return err
	}
	*h = helmRelease{TypeMeta: object.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name: object.Metadata.Name, Namespace: object.Metadata.Namespace, UID: object.Metadata.UID, ResourceVersion: object.Metadata.ResourceVersion,
	}}
	if end := object.Metadata.Annotations.InitialEventsEnd; end != "" {
		h.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: end}
	}
	id := source.ID{Group: helmv2.GroupVersion.Group, Kind: helmv2.HelmReleaseKind, Namespace: h.ObjectMeta.Namespace, Name: h.ObjectMeta.Name}
	if read, err := source.ReadRelease(source.Object{ID: id, JSON: raw}); err == nil && len(read.JSON) <= maxRelease {
		h.Release = read
	}
	return nil
}

// sourceKeys returns the keys of the release in the index.
func (h *helmRelease) sourceKeys() []string {
	keys := make([]string, 0, len(h.Sources))
	for _, id := range h.Sources {
		keys = append(keys, id.String())
	}
	return keys
}

// DeepCopyObject implements runtime.Object. The copy shares what is never changed.
func (h *helmRelease) DeepCopyObject() runtime.Object {
	copied := *h
	return &copied
}

// DeepCopyObject implements runtime.Object.
func (l *helmReleaseList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.Items = slices.Clone(l.Items)
	return &copied
}
