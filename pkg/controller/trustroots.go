package controller

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
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/trust"
)

// TrustRoots tells roots which TrustRoots the cluster holds. Every replica has its own.
type TrustRoots struct {
	reader    client.Reader
	namespace string // of the ConfigMaps
	roots     *trust.Roots
	loading   sync.Mutex
	loaded    atomic.Pointer[[]string] // names of the TrustRoots
	// configMaps are the names that TrustRoots refer to.
	configMaps atomic.Pointer[[]string]
}

// NewTrustRoots returns TrustRoots that have told nothing until their first load.
func NewTrustRoots(reader client.Reader, namespace string, roots *trust.Roots) *TrustRoots {
	return &TrustRoots{reader: reader, namespace: namespace, roots: roots}
}

// Names returns the names of the TrustRoots.
func (t *TrustRoots) Names() []string {
	if names := t.loaded.Load(); names != nil {
		return *names
	}
	return nil
}

// Ready is a health check: it fails until the TrustRoots have been loaded. Whether their mirrors answer is not asked:
// identities that do not need them must not feel it.
func (t *TrustRoots) Ready(*http.Request) error {
	if t.loaded.Load() == nil {
		return errors.New("the TrustRoots have not been loaded yet")
	}
	return nil
}

// Reconcile loads the TrustRoots and puts them in force.
func (t *TrustRoots) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	t.loading.Lock() // so that what was read later is stored later
	defer t.loading.Unlock()
	var found v1alpha1.TrustRootList
	if err := t.reader.List(ctx, &found); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	t.expect(found.Items)
	items, names := make([]trust.Item, 0, len(found.Items)), make([]string, 0, len(found.Items))
	for _, obj := range found.Items {
		item := trust.Item{Object: obj}
		if ref := obj.Spec.ConfigMapRef; ref != nil {
			var err error
			if item, err = t.resolve(ctx, obj, *ref); err != nil {
				return ctrl.Result{}, err
			}
		}
		items, names = append(items, item), append(names, obj.Name)
	}
	t.roots.Set(items)
	t.loaded.Store(&names)
	return ctrl.Result{}, nil
}

// expect says which ConfigMaps matter, before they are read: so no change between is missed.
func (t *TrustRoots) expect(all []v1alpha1.TrustRoot) {
	var names []string
	for _, obj := range all {
		if ref := obj.Spec.ConfigMapRef; ref != nil {
			names = append(names, ref.Name)
		}
	}
	t.configMaps.Store(&names)
}

// resolve reads the ConfigMap. That it is not there is the TrustRoot's fault; any other error is tried again, and what was
// known stays in force.
func (t *TrustRoots) resolve(ctx context.Context, obj v1alpha1.TrustRoot, ref v1alpha1.ConfigMapKeyReference) (trust.Item, error) {
	item := trust.Item{Object: obj}
	key := types.NamespacedName{Namespace: t.namespace, Name: ref.Name}
	var configMap corev1.ConfigMap
	switch err := t.reader.Get(ctx, key, &configMap); {
	case apierrors.IsNotFound(err):
		item.Err = fmt.Errorf("the ConfigMap %s does not exist", key)
	case err != nil:
		return trust.Item{}, fmt.Errorf("read ConfigMap %s: %w", key, err)
	default:
		item.Content, item.Err = trust.ItemOf(configMap.Data, ref)
	}
	return item, nil
}

// SetupWithManager follows the TrustRoots on every replica, leader or not.
func (t *TrustRoots) SetupWithManager(mgr manager.Manager) error {
	everyReplica := false
	if err := mgr.Add(firstLoad{reconciler: t, manager: mgr}); err != nil {
		return err
	}
	referred := predicate.NewPredicateFuncs(func(o client.Object) bool {
		names := t.configMaps.Load()
		return names != nil && o.GetNamespace() == t.namespace && slices.Contains(*names, o.GetName())
	})
	return watchTrustRoots(mgr, "trustroots").
		Watches(&corev1.ConfigMap{}, asOne(), builder.WithPredicates(referred)).
		WithOptions(controller.Options{NeedLeaderElection: &everyReplica}).
		Complete(t)
}

func watchTrustRoots(mgr manager.Manager, name string) *ctrl.Builder {
	return ctrl.NewControllerManagedBy(mgr).Named(name).
		Watches(&v1alpha1.TrustRoot{}, asOne(), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
}

// asOne makes every event the same request.
func asOne() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "trustroots"}}}
	})
}
