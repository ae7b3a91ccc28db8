// Package trustrootstore keeps the trust roots that are in force equal to the TrustRoots that the
// cluster holds.
//
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustroots,verbs=get;list;watch
package trustrootstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/trust"
)

// Store tells trust.Roots which TrustRoots the cluster holds. Every replica has its own.
type Store struct {
	reader    client.Reader
	namespace string // of the ConfigMaps
	roots     *trust.Roots
	loading   sync.Mutex
	loaded    atomic.Pointer[[]string] // names of the TrustRoots
	// configMaps are the names that TrustRoots refer to.
	configMaps atomic.Pointer[[]string]
}

// New returns a Store that has put nothing in force until its first load. It reads ConfigMaps in
// namespace.
func New(reader client.Reader, namespace string, roots *trust.Roots) *Store {
	return &Store{reader: reader, namespace: namespace, roots: roots}
}

// Names returns the names of the TrustRoots.
func (s *Store) Names() []string {
	if names := s.loaded.Load(); names != nil {
		return *names
	}
	return nil
}

// Ready is a health check: it fails until the TrustRoots have been loaded. It does not wait for
// their mirrors: identities that do not need them must not depend on them.
func (s *Store) Ready(*http.Request) error {
	if s.loaded.Load() == nil {
		return errors.New("the TrustRoots have not been loaded yet")
	}
	return nil
}

// Reconcile loads the TrustRoots and puts them in force.
func (s *Store) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	s.loading.Lock() // so that what was read later is stored later
	defer s.loading.Unlock()
	var found v1alpha1.TrustRootList
	if err := s.reader.List(ctx, &found); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	s.expect(found.Items)
	items, names := make([]trust.Item, 0, len(found.Items)), make([]string, 0, len(found.Items))
	for _, obj := range found.Items {
		item := trust.Item{Object: obj}
		if ref := obj.Spec.ConfigMapRef; ref != nil {
			var err error
			if item, err = s.resolve(ctx, obj, *ref); err != nil {
				return ctrl.Result{}, err
			}
		}
		items, names = append(items, item), append(names, obj.Name)
	}
	s.roots.Set(items)
	s.loaded.Store(&names)
	return ctrl.Result{}, nil
}

// expect selects the ConfigMaps whose changes matter, before they are read: no change in between is
// missed.
func (s *Store) expect(all []v1alpha1.TrustRoot) {
	var names []string
	for _, obj := range all {
		if ref := obj.Spec.ConfigMapRef; ref != nil {
			names = append(names, ref.Name)
		}
	}
	s.configMaps.Store(&names)
}

// resolve reads the ConfigMap. If it does not exist, the TrustRoot is wrong; after any other error
// the load is tried again, and what was known stays in force.
func (s *Store) resolve(ctx context.Context, obj v1alpha1.TrustRoot, ref v1alpha1.ConfigMapKeyReference) (trust.Item, error) {
	item := trust.Item{Object: obj}
	key := types.NamespacedName{Namespace: s.namespace, Name: ref.Name}
	var configMap corev1.ConfigMap
	switch err := s.reader.Get(ctx, key, &configMap); {
	case apierrors.IsNotFound(err):
		item.Err = fmt.Errorf("the ConfigMap %s does not exist", key)
	case err != nil:
		return trust.Item{}, fmt.Errorf("read ConfigMap %s: %w", key, err)
	default:
		item.Content, item.Err = trust.ItemOf(configMap.Data, ref)
	}
	return item, nil
}

// SetupWithManager keeps the store up to date on every replica, leader or not.
func (s *Store) SetupWithManager(mgr manager.Manager) error {
	everyReplica := false
	named := predicate.NewPredicateFuncs(func(o client.Object) bool {
		names := s.configMaps.Load()
		return names != nil && o.GetNamespace() == s.namespace && slices.Contains(*names, o.GetName())
	})
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{request}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("trustroots").
		// A cluster without TrustRoots has no event.
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			queue.Add(request)
			return nil
		})).
		Watches(&v1alpha1.TrustRoot{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.ConfigMap{}, all, builder.WithPredicates(named)).
		WithOptions(controller.Options{NeedLeaderElection: &everyReplica}).
		Complete(s)
}

// request stands for all TrustRoots.
var request = reconcile.Request{NamespacedName: types.NamespacedName{Name: "trustroots"}}
