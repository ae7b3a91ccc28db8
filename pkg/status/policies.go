// Package status writes the Ready conditions of chartgate's resources.
//
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustedidentities;chartpolicies;trustroots,verbs=get;list;watch
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustedidentities/status;chartpolicies/status;trustroots/status,verbs=get;update;patch
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/policystore"
)

// PolicyWriter writes the Ready conditions of ChartPolicies and TrustedIdentities. One replica, the
// leader, does it for all.
type PolicyWriter struct {
	client client.Client
	store  *policystore.Store
	keys   *keys.Reader
	now    func() time.Time
}

// NewPolicyWriter returns a PolicyWriter that reads what store reads.
func NewPolicyWriter(c client.Client, store *policystore.Store, keys *keys.Reader) *PolicyWriter {
	return &PolicyWriter{client: c, store: store, keys: keys, now: time.Now}
}

// SetupWithManager runs the writer on the leader.
func (w *PolicyWriter) SetupWithManager(mgr manager.Manager) error {
	return w.store.Watch(mgr, "policies-status").Complete(w)
}

// Reconcile compiles the policies and writes the outcome for each.
func (w *PolicyWriter) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	in, err := w.store.Load(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	_, report := policy.Compile(in)
	lint := policy.NewLinter(in, w.now())
	var roots v1alpha1.TrustRootList
	if err := w.client.List(ctx, &roots); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	var errs []error
	for i := range in.Identities {
		obj := &in.Identities[i]
		invalid := report.Identities[obj.Name]
		if invalid == nil {
			invalid = withoutTrustRoot(obj.Spec, roots.Items)
		}
		fine := append(w.usable(*obj), lint.Identity(*obj).Lines()...)
		errs = append(errs, w.write(ctx, obj, &obj.Status, invalid, fine))
	}
	for i := range in.Policies {
		obj := &in.Policies[i]
		invalid := report.Policies[obj.Name]
		if report.Everywhere[obj.Name] {
			invalid = fmt.Errorf("%w; until that is fixed, the policy denies every chart", invalid)
		}
		errs = append(errs, w.write(ctx, obj, &obj.Status, invalid, append([]string{"the policy is in force"}, lint.Policy(*obj).Lines()...)))
	}
	return ctrl.Result{RequeueAfter: sooner(w.keys.RetryAfter(), lintEvery)}, errors.Join(errs...)
}

// lintEvery is how late the condition of a policy may say that its last day has passed.
const lintEvery = time.Hour

// sooner returns the shorter of two waits; zero is no wait.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// withoutTrustRoot returns the error of an identity that needs a TrustRoot which does not exist,
// and nil for every other identity.
func withoutTrustRoot(spec v1alpha1.TrustedIdentitySpec, roots []v1alpha1.TrustRoot) error {
	name := cmp.Or(spec.TrustRoot, evidence.DefaultTrustRoot) // the default is built in
	unlogged := spec.Key != nil && spec.Key.TransparencyLog == v1alpha1.TransparencyLogNotRequired && spec.Validity == nil
	exists := func(root v1alpha1.TrustRoot) bool { return root.Name == name }
	if name == evidence.DefaultTrustRoot || unlogged || slices.ContainsFunc(roots, exists) {
		return nil
	}
	return fmt.Errorf("the TrustRoot %s does not exist", name)
}

// usable is what is said of an identity that can be used.
func (w *PolicyWriter) usable(identity v1alpha1.TrustedIdentity) []string {
	sources := policy.KeySources(policy.Input{Identities: []v1alpha1.TrustedIdentity{identity}})
	return append([]string{"the identity can be used"}, w.keys.Notes(sources)...)
}

// write patches the Ready condition of obj if it says something else.
func (w *PolicyWriter) write(ctx context.Context, obj client.Object, status *v1alpha1.Status, invalid error, fine []string) error {
	before := obj.DeepCopyObject().(client.Object)
	old := *status.DeepCopy()
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCompiled,
		Message: strings.Join(fine, "; "), ObservedGeneration: obj.GetGeneration(),
	}
	if invalid != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalid, invalid.Error()
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	if equality.Semantic.DeepEqual(old, *status) {
		return nil
	}
	return client.IgnoreNotFound(w.client.Status().Patch(ctx, obj, client.MergeFrom(before)))
}
