package status

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/trust"
)

// TrustRootWriter writes the status of TrustRoots. One replica, the leader, does it for all. It
// writes what it sees itself: each replica asks the mirrors.
type TrustRootWriter struct {
	client  client.Client
	roots   *trust.Roots
	changes <-chan event.GenericEvent
}

// NewTrustRootWriter returns a TrustRootWriter of what roots say. It writes whenever changes tell
// it to.
func NewTrustRootWriter(c client.Client, roots *trust.Roots, changes Changes) *TrustRootWriter {
	return &TrustRootWriter{client: c, roots: roots, changes: changes}
}

// Changes carries the news that something has changed, without saying what. It holds one item, so
// that a sender never waits.
type Changes chan event.GenericEvent

// NewChanges returns Changes that carry nothing yet.
func NewChanges() Changes { return make(Changes, 1) }

// Notify says that something has changed. It does not block.
func (c Changes) Notify() {
	select {
	case c <- event.GenericEvent{Object: &v1alpha1.TrustRoot{}}:
	default: // the item in it has not been taken yet: the receiver sees this change too
	}
}

// SetupWithManager runs the writer on the leader.
func (w *TrustRootWriter) SetupWithManager(mgr manager.Manager) error {
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "trustroots"}}}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("trustroots-status").
		Watches(&v1alpha1.TrustRoot{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(w.changes, all)).
		Complete(w)
}

// Reconcile writes the state of each TrustRoot.
func (w *TrustRootWriter) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var found v1alpha1.TrustRootList
	if err := w.client.List(ctx, &found); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	var errs []error
	for i := range found.Items {
		errs = append(errs, w.write(ctx, &found.Items[i]))
	}
	return ctrl.Result{}, errors.Join(errs...)
}

// write patches the status of obj if it says something else. A status of another generation is not
// written: a change for this generation follows.
func (w *TrustRootWriter) write(ctx context.Context, obj *v1alpha1.TrustRoot) error {
	status, known := w.roots.Status(obj.Name)
	if !known || status.Conditions[0].ObservedGeneration != obj.Generation {
		return nil
	}
	before := obj.DeepCopy()
	ready := status.Conditions[0]
	status.Conditions = before.DeepCopy().Status.Conditions
	meta.SetStatusCondition(&status.Conditions, ready)
	if equality.Semantic.DeepEqual(before.Status, status) {
		return nil
	}
	obj.Status = status
	return client.IgnoreNotFound(w.client.Status().Patch(ctx, obj, client.MergeFrom(before)))
}
