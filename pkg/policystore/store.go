// Package policystore keeps the policies that are in force equal to what the cluster holds.
//
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustedidentities;chartpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=configmaps,verbs=get;list;watch
package policystore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
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
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policy"
)

// Store holds the policies that are in force. Every replica keeps its own; a change replaces the
// whole set at once.
type Store struct {
	reader    client.Reader
	configMap types.NamespacedName
	keys      *keys.Reader
	loading   sync.Mutex
	current   atomic.Pointer[policy.Set]
	stored    atomic.Pointer[policy.Input]
	// invalid is why the ConfigMap has never been in force in this process; nil since it has been, or
	// there was none.
	invalid atomic.Pointer[error]
	state   atomic.Pointer[string]
	// events tells of an invalid ConfigMap; nil tells nothing.
	events events.EventRecorder
}

// New returns a Store that holds nothing until its first load. The ConfigMap is the one with the
// identities.
func New(reader client.Reader, configMap types.NamespacedName, keys *keys.Reader) *Store {
	return &Store{reader: reader, configMap: configMap, keys: keys}
}

// Current returns the policies, or nil before the first load.
func (s *Store) Current() *policy.Set { return s.current.Load() }

// State identifies what the policies in force were made from, keys included; "" before the first
// load.
func (s *Store) State() string {
	if state := s.state.Load(); state != nil {
		return *state
	}
	return ""
}

// stateOf is the same for two inputs that make the same policies. A cache lists objects in any order.
func stateOf(in policy.Input) (string, error) {
	var all []string
	var errs []error
	add := func(written ...any) {
		text, err := json.Marshal(written)
		all, errs = append(all, string(text)), append(errs, err)
	}
	for _, obj := range in.Identities {
		add("identity", obj.Name, obj.Spec)
	}
	for _, obj := range in.Policies {
		add("policy", obj.Name, obj.Spec)
	}
	add("ConfigMap", in.ConfigMap)
	for source, content := range in.Keys {
		add("key", source, content.PEM, fmt.Sprint(content.Err))
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:]), errors.Join(errs...)
}

// Stored returns what was read last, without keys: what the platform team has written.
func (s *Store) Stored() policy.Input {
	if in := s.stored.Load(); in != nil {
		return *in
	}
	return policy.Input{}
}

// Ready is a health check: it fails until the policies have been loaded with a valid ConfigMap, or
// none, and each KMS that they name has been asked once. An invalid ConfigMap denies every chart, so
// a new replica that finds one leaves the work to the replicas before it. A replica that was ready
// stays it: a later mistake in the ConfigMap must not leave the webhook without replicas, because
// their denials say what the mistake is.
func (s *Store) Ready(*http.Request) error {
	switch invalid := s.invalid.Load(); {
	case s.Current() == nil:
		return errors.New("the policies have not been loaded yet")
	case invalid != nil:
		return fmt.Errorf("the ConfigMap %s is invalid: %w", s.configMap, *invalid)
	case !s.keys.Ready():
		return errors.New("the keys in a KMS have not been asked for yet")
	default:
		return nil
	}
}

// Load reads everything that a platform team can write.
func (s *Store) Load(ctx context.Context) (policy.Input, error) {
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
			in.ConfigMap, in.ConfigMapName = &text, s.configMap.String()
		}
	}
	in.Keys = s.keys.Lookup(ctx, policy.KeySources(in))
	return in, nil
}

// Reconcile loads the policies and puts them in force.
func (s *Store) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	s.loading.Lock() // so that what was read later is stored later
	defer s.loading.Unlock()
	in, err := s.Load(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	state, err := stateOf(in)
	if err != nil {
		return ctrl.Result{}, err
	}
	set, report := policy.Compile(in)
	for i := range in.Policies {
		in.Policies[i].ManagedFields = nil
	}
	for i := range in.Identities {
		in.Identities[i].ManagedFields = nil
	}
	s.stored.Store(&policy.Input{Identities: in.Identities, Policies: in.Policies, ConfigMap: in.ConfigMap})
	s.judge(ctx, report.ConfigMap)
	s.current.Store(set)
	s.state.Store(&state)
	log.FromContext(ctx).Info("policies in force", "set", set.Summary(),
		"invalidPolicies", len(report.Policies), "invalidIdentities", len(report.Identities))
	return ctrl.Result{RequeueAfter: s.keys.RetryAfter()}, nil
}

// judge records whether the ConfigMap allows this replica to become ready, and logs what is wrong
// with it.
func (s *Store) judge(ctx context.Context, wrong error) {
	first := s.Current() == nil
	switch {
	case wrong == nil:
		s.invalid.Store(nil)
		return
	case first || s.invalid.Load() != nil:
		s.invalid.Store(&wrong)
	}
	text := "the ConfigMap is invalid: every chart is denied until it is fixed"
	if s.invalid.Load() != nil {
		text += ", and this replica does not become ready before"
	}
	log.FromContext(ctx).Error(wrong, text, "configMap", s.configMap)
	s.tell(ctx, wrong)
}

// maxNote is less than the API server's limit on the text of an Event, 1024 bytes.
const maxNote = 900

// tell writes an Event on the ConfigMap, which has no conditions as the custom resources have.
func (s *Store) tell(ctx context.Context, wrong error) {
	var configMap corev1.ConfigMap
	if s.events == nil || s.reader.Get(ctx, s.configMap, &configMap) != nil {
		return
	}
	note := wrong.Error()
	note = strings.ToValidUTF8(note[:min(len(note), maxNote)], "")
	s.events.Eventf(&configMap, nil, corev1.EventTypeWarning, v1alpha1.ReasonInvalid, "Compile", "every chart is denied until this is fixed: %s", note)
}

// SetupWithManager keeps the store up to date on every replica, leader or not.
func (s *Store) SetupWithManager(mgr manager.Manager) error {
	s.events = mgr.GetEventRecorder("chartgate")
	everyReplica := false
	return s.Watch(mgr, "policies").
		WithOptions(controller.Options{NeedLeaderElection: &everyReplica}).
		Complete(s)
}

// request stands for all policies: sets are compiled as a whole.
var request = reconcile.Request{NamespacedName: types.NamespacedName{Name: "policies"}}

// Watch returns a builder of a controller that has one and the same request at its start and after
// any change of what Load reads.
func (s *Store) Watch(mgr manager.Manager, name string) *ctrl.Builder {
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{request}
	})
	isOurs := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return o.GetNamespace() == s.configMap.Namespace && o.GetName() == s.configMap.Name
	})
	changed := predicate.GenerationChangedPredicate{}
	return ctrl.NewControllerManagedBy(mgr).Named(name).
		// A cluster without policies has no event.
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			queue.Add(request)
			return nil
		})).
		Watches(&v1alpha1.TrustedIdentity{}, all, builder.WithPredicates(changed)).
		Watches(&v1alpha1.ChartPolicy{}, all, builder.WithPredicates(changed)).
		Watches(&v1alpha1.TrustRoot{}, all, builder.WithPredicates(changed)).
		Watches(&corev1.ConfigMap{}, all, builder.WithPredicates(isOurs)).
		WatchesMetadata(&corev1.Secret{}, all, builder.WithPredicates(s.keys.SecretPredicate())).
		WatchesRawSource(source.Channel(s.keys.Changes(), all))
}
