package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
)

// Snapshot holds the policies that are in force. Every replica keeps its own; a
// change replaces the whole set at once.
type Snapshot struct {
	reader     client.Reader
	configMap  types.NamespacedName
	keys       *Keys
	loading    sync.Mutex
	current    atomic.Pointer[policy.Set]
	identities atomic.Pointer[[]string]
}

// NewSnapshot returns a Snapshot that holds nothing until its first load.
func NewSnapshot(reader client.Reader, configMap types.NamespacedName, keys *Keys) *Snapshot {
	return &Snapshot{reader: reader, configMap: configMap, keys: keys}
}

// Current returns the policies, or nil as long as none have been loaded.
func (s *Snapshot) Current() *policy.Set { return s.current.Load() }

// Identities returns the names of the TrustedIdentities.
func (s *Snapshot) Identities() []string {
	if names := s.identities.Load(); names != nil {
		return *names
	}
	return nil
}

// Ready is a health check: it fails until the policies have been loaded, and each KMS that
// they name has been asked once.
func (s *Snapshot) Ready(*http.Request) error {
	switch {
	case s.Current() == nil:
		return errors.New("the policies have not been loaded yet")
	case !s.keys.ready():
		return errors.New("the keys in a KMS have not been asked for yet")
	default:
		return nil
	}
}

// load reads everything that a platform team can write.
func (s *Snapshot) load(ctx context.Context) (policy.Input, error) {
	var identities v1alpha1.TrustedIdentityList
	if err := s.reader.List(ctx, &identities); err != nil {
		return policy.Input{}, fmt.Errorf("list TrustedIdentities: %w", err)
	}
	var policies v1alpha1.ChartPolicyList
	if err := s.reader.List(ctx, &policies); err != nil {
		return policy.Input{}, fmt.Errorf("list ChartPolicies: %w", err)
	}
	in := policy.Input{Identities: identities.Items, Policies: policies.Items}
	var configMap corev1.ConfigMap
	switch err := s.reader.Get(ctx, s.configMap, &configMap); {
	case apierrors.IsNotFound(err):
	case err != nil:
		return policy.Input{}, fmt.Errorf("read ConfigMap %s: %w", s.configMap, err)
	default:
		if text, ok := configMap.Data[policy.IdentitiesKey]; ok {
			in.ConfigMap = &text
		}
	}
	in.Keys = s.keys.lookup(ctx, policy.KeySources(in))
	return in, nil
}

// Reconcile loads the policies and puts them in force.
func (s *Snapshot) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	s.loading.Lock() // so that what was read later is stored later
	defer s.loading.Unlock()
	in, err := s.load(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	set, report := policy.Compile(in)
	names := make([]string, 0, len(in.Identities))
	for _, identity := range in.Identities {
		names = append(names, identity.Name)
	}
	s.identities.Store(&names)
	s.current.Store(set)
	log.FromContext(ctx).Info("policies in force", "set", set.Summary(),
		"invalidPolicies", len(report.Policies), "invalidIdentities", len(report.Identities))
	if report.ConfigMap != nil {
		log.FromContext(ctx).Error(report.ConfigMap, "the identities ConfigMap is invalid; every chart is denied until it is fixed")
	}
	return ctrl.Result{RequeueAfter: s.keys.retryAfter()}, nil
}

// SetupWithManager runs the snapshot on every replica, leader or not.
func (s *Snapshot) SetupWithManager(mgr manager.Manager) error {
	everyReplica := false
	if err := mgr.Add(firstLoad{reconciler: s, manager: mgr}); err != nil {
		return err
	}
	return watch(mgr, "snapshot", s).
		WithOptions(controller.Options{NeedLeaderElection: &everyReplica}).
		Complete(s)
}

// firstLoad loads the policies of a cluster that holds none, where no event would
// ever come.
type firstLoad struct {
	reconciler reconcile.Reconciler
	manager    manager.Manager
}

// NeedLeaderElection lets every replica load.
func (firstLoad) NeedLeaderElection() bool { return false }

// Start loads once.
func (f firstLoad) Start(ctx context.Context) error {
	if !f.manager.GetCache().WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	_, err := f.reconciler.Reconcile(ctx, ctrl.Request{})
	return err
}

// watch builds a controller for which any change of any policy is one and the same
// request: sets are compiled as a whole.
func watch(mgr manager.Manager, name string, s *Snapshot) *ctrl.Builder {
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "policies"}}}
	})
	isOurs := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return o.GetNamespace() == s.configMap.Namespace && o.GetName() == s.configMap.Name
	})
	changed := predicate.GenerationChangedPredicate{}
	return ctrl.NewControllerManagedBy(mgr).Named(name).
		Watches(&v1alpha1.TrustedIdentity{}, all, builder.WithPredicates(changed)).
		Watches(&v1alpha1.ChartPolicy{}, all, builder.WithPredicates(changed)).
		Watches(&v1alpha1.TrustRoot{}, all, builder.WithPredicates(changed)).
		Watches(&corev1.ConfigMap{}, all, builder.WithPredicates(isOurs)).
		WatchesMetadata(&corev1.Secret{}, all, builder.WithPredicates(s.keys.names())).
		WatchesRawSource(source.Channel(s.keys.changes(), all))
}
