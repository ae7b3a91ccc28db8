package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
)

// Status writes the Ready conditions of chartgate's resources. One replica, the
// leader, does it for all.
type Status struct {
	client   client.Client
	snapshot *Snapshot
}

// NewStatus returns a Status that reads what snapshot reads.
func NewStatus(c client.Client, snapshot *Snapshot) *Status {
	return &Status{client: c, snapshot: snapshot}
}

// SetupWithManager runs the status writer on the leader.
func (s *Status) SetupWithManager(mgr manager.Manager) error {
	return watch(mgr, "status", s.snapshot).Complete(s)
}

// Reconcile compiles the policies and writes what became of each.
func (s *Status) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	in, err := s.snapshot.load(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	_, report := policy.Compile(in)
	var roots v1alpha1.TrustRootList
	if err := s.snapshot.reader.List(ctx, &roots); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	var errs []error
	for i := range in.Identities {
		obj := &in.Identities[i]
		invalid := report.Identities[obj.Name]
		if invalid == nil {
			invalid = withoutTrustRoot(obj.Spec, roots.Items)
		}
		errs = append(errs, s.write(ctx, obj, &obj.Status, invalid, s.usable(*obj)))
	}
	for i := range in.Policies {
		obj := &in.Policies[i]
		errs = append(errs, s.write(ctx, obj, &obj.Status, report.Policies[obj.Name], "the policy is in force"))
	}
	return ctrl.Result{RequeueAfter: s.snapshot.keys.retryAfter()}, errors.Join(errs...)
}

// withoutTrustRoot is the error of an identity that names a TrustRoot which does not exist, and needs it.
func withoutTrustRoot(spec v1alpha1.TrustedIdentitySpec, roots []v1alpha1.TrustRoot) error {
	name := cmp.Or(spec.TrustRoot, evidence.DefaultTrustRoot) // which is built in
	unlogged := spec.Key != nil && spec.Key.TransparencyLog == v1alpha1.TransparencyLogNotRequired && spec.Validity == nil
	exists := func(root v1alpha1.TrustRoot) bool { return root.Name == name }
	if name == evidence.DefaultTrustRoot || unlogged || slices.ContainsFunc(roots, exists) {
		return nil
	}
	return fmt.Errorf("the TrustRoot %s does not exist", name)
}

// usable is what is said of an identity that can be used.
func (s *Status) usable(identity v1alpha1.TrustedIdentity) string {
	sources := policy.KeySources(policy.Input{Identities: []v1alpha1.TrustedIdentity{identity}})
	return strings.Join(append([]string{"the identity can be used"}, s.snapshot.keys.notes(sources)...), "; ")
}

// write patches the Ready condition of obj if it says something else.
func (s *Status) write(ctx context.Context, obj client.Object, status *v1alpha1.Status, invalid error, fine string) error {
	before := obj.DeepCopyObject().(client.Object)
	old := *status.DeepCopy()
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCompiled,
		Message: fine, ObservedGeneration: obj.GetGeneration(),
	}
	if invalid != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalid, invalid.Error()
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	if equality.Semantic.DeepEqual(old, *status) {
		return nil
	}
	return client.IgnoreNotFound(s.client.Status().Patch(ctx, obj, client.MergeFrom(before)))
}
