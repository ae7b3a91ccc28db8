// Package releaseindex finds the HelmReleases of the cluster by the objects that their charts come
// from.
//
// +kubebuilder:rbac:groups=helm.toolkit.fluxcd.io,resources=helmreleases,verbs=list;watch
package releaseindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/source"
)

// Index is an index of the HelmReleases of the cluster by the objects that their charts come from.
// It holds only what names these, a few hundred bytes each, whatever the size of a release. It may
// be some seconds old: a release that it does not hold yet meets the gate on the status of the
// HelmRelease, which reads everything live (package source, attempt).
type Index struct {
	config   *rest.Config
	web      *http.Client
	versions *objects.Versions
	known    atomic.Pointer[cache.Indexer] // nil until all have been read once
	absent   atomic.Bool                   // the cluster does not serve HelmReleases
}

// New returns an Index that is filled once it is started.
func New(config *rest.Config, web *http.Client, versions *objects.Versions) *Index {
	return &Index{config: config, web: web, versions: versions}
}

const (
	// releasesPage bounds what one list request holds in memory: an object may have 1.5 MiB.
	releasesPage = 25
	// lookAgain is how soon chartgate notices that a cluster serves HelmReleases from now on.
	lookAgain = 5 * time.Second

	bySource = "source"
)

var errNotLoaded = errors.New("the HelmReleases have not been read yet")

// Of returns the HelmReleases whose chart comes from an object.
func (x *Index) Of(from source.ID) ([]source.Object, error) {
	known := x.known.Load()
	if known == nil {
		if x.absent.Load() {
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
func (x *Index) Ready(*http.Request) error {
	if x.known.Load() == nil && !x.absent.Load() {
		return errNotLoaded
	}
	return nil
}

// NeedLeaderElection lets every replica have its own index.
func (*Index) NeedLeaderElection() bool { return false }

// Start keeps the index equal to the cluster until ctx is done.
func (x *Index) Start(ctx context.Context) error {
	for {
		mapping, err := x.versions.Of(ctx, schema.GroupKind{Group: helmv2.GroupVersion.Group, Kind: helmv2.HelmReleaseKind})
		if err == nil {
			return x.follow(ctx, mapping.GroupVersionKind)
		}
		x.absent.Store(meta.IsNoMatchError(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookAgain):
		}
	}
}

// follow lists and watches the HelmReleases in one of the versions that are served.
func (x *Index) follow(ctx context.Context, gvk schema.GroupVersionKind) error {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(gvk, &helmRelease{})
	scheme.AddKnownTypeWithName(gvk.GroupVersion().WithKind(gvk.Kind+"List"), &helmReleaseList{})
	metav1.AddToGroupVersion(scheme, gvk.GroupVersion())
	reader, err := client.NewWithWatch(x.config, client.Options{Scheme: scheme, Mapper: x.versions.Mapper, HTTPClient: x.web})
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
			x.known.Store(&indexer)
			x.absent.Store(false)
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
