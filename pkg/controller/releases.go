package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/source"
)

// Releases is an index of the HelmReleases of the cluster by the objects that they take their
// charts from. It holds only what names these, a few hundred bytes each, whatever the size of
// a release. It may be some seconds old: what it lacks meets the gate on the status of the
// HelmRelease, which reads everything live (package source, attempt).
type Releases struct {
	config   *rest.Config
	web      *http.Client
	versions versions
	known    atomic.Pointer[cache.Indexer] // nil until all have been read once
	absent   atomic.Bool                   // the cluster does not serve HelmReleases
}

// NewReleases returns an index that is filled once it is started.
func NewReleases(config *rest.Config, web *http.Client, mapper meta.RESTMapper) *Releases {
	return &Releases{config: config, web: web, versions: versions{mapper: mapper}}
}

const (
	// releasesPage bounds what one list request holds in memory: an object may have 1.5 MiB.
	releasesPage = 25
	// maxRelease bounds what is kept of a HelmRelease. No reference that chartgate accepts is
	// nearly as long, so a longer one names nothing.
	maxRelease = 8 << 10
	// lookAgain is how soon chartgate notices that a cluster serves HelmReleases from now on.
	lookAgain = 5 * time.Second

	bySource = "source"
)

var errNotLoaded = errors.New("the HelmReleases have not been read yet")

// Of returns the HelmReleases that take their chart from an object.
func (r *Releases) Of(from source.ID) ([]source.Object, error) {
	known := r.known.Load()
	if known == nil {
		if r.absent.Load() {
			return nil, nil
		}
		return nil, errNotLoaded
	}
	items, err := (*known).ByIndex(bySource, from.String())
	if err != nil {
		return nil, err
	}
	found := make([]source.Object, 0, len(items))
	for _, item := range items {
		if release, ok := item.(*helmRelease); ok {
			found = append(found, release.Object)
		}
	}
	return found, nil
}

// Ready is a health check: it fails until all HelmReleases have been read once, or the cluster
// does not serve them.
func (r *Releases) Ready(*http.Request) error {
	if r.known.Load() == nil && !r.absent.Load() {
		return errNotLoaded
	}
	return nil
}

// NeedLeaderElection lets every replica have its own index.
func (*Releases) NeedLeaderElection() bool { return false }

// Start keeps the index equal to the cluster until ctx is done.
func (r *Releases) Start(ctx context.Context) error {
	for {
		mapping, err := r.versions.of(ctx, schema.GroupKind{Group: helmv2.GroupVersion.Group, Kind: helmv2.HelmReleaseKind})
		if err == nil {
			return r.follow(ctx, mapping.GroupVersionKind)
		}
		r.absent.Store(meta.IsNoMatchError(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookAgain):
		}
	}
}

// follow lists and watches the HelmReleases in one of the versions that are served.
func (r *Releases) follow(ctx context.Context, gvk schema.GroupVersionKind) error {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(gvk, &helmRelease{})
	scheme.AddKnownTypeWithName(gvk.GroupVersion().WithKind(gvk.Kind+"List"), &helmReleaseList{})
	metav1.AddToGroupVersion(scheme, gvk.GroupVersion())
	reader, err := client.NewWithWatch(r.config, client.Options{Scheme: scheme, Mapper: r.versions.mapper, HTTPClient: r.web})
	if err != nil {
		return fmt.Errorf("read HelmReleases: %w", err)
	}
	informer := cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			return listPages(ctx, reader)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (apiwatch.Interface, error) {
			return reader.Watch(ctx, &helmReleaseList{}, &client.ListOptions{Raw: &options})
		},
	}, &helmRelease{}, 0, cache.Indexers{bySource: func(object any) ([]string, error) {
		release, ok := object.(*helmRelease)
		if !ok {
			return nil, fmt.Errorf("%T is not a HelmRelease", object)
		}
		return release.sourceKeys(), nil
	}})
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			indexer := informer.GetIndexer()
			r.known.Store(&indexer)
			r.absent.Store(false)
		}
	}()
	informer.RunWithContext(ctx)
	return nil
}

// listPages lists in small pages, and keeps of each only what is needed. A newer API server
// streams the objects instead and is not asked for a list at all.
func listPages(ctx context.Context, reader client.Reader) (*helmReleaseList, error) {
	all := &helmReleaseList{}
	for {
		page := &helmReleaseList{}
		if err := reader.List(ctx, page, client.Limit(releasesPage), client.Continue(all.Continue)); err != nil {
			return nil, err
		}
		if page.ResourceVersion == "" {
			return nil, errors.New("the answer is not a list")
		}
		all.ListMeta = page.ListMeta
		all.Items = append(all.Items, page.Items...)
		if page.Continue == "" {
			return all, nil
		}
	}
}

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

// UnmarshalJSON keeps what names the sources. A release that holds something else in these
// fields names none: helm-controller cannot read it either, and it must not get in the way of
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

// sourceKeys are the keys of the release in the index.
func (h *helmRelease) sourceKeys() []string {
	keys := make([]string, 0, len(h.Sources))
	for _, id := range h.Sources {
		keys = append(keys, id.String())
	}
	return keys
}

// DeepCopyObject implements runtime.Object. What is kept is never changed.
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
