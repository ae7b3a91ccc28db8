package controller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/trust"
)

// TrustRootStatus writes the status of TrustRoots. One replica, the leader, does it for all, and writes what it sees: each
// replica asks the mirrors by itself.
type TrustRootStatus struct {
	client  client.Client
	roots   *trust.Roots
	changes <-chan event.GenericEvent
}

// NewTrustRootStatus returns a writer of what roots say, whenever there is a change.
func NewTrustRootStatus(c client.Client, roots *trust.Roots, changes Changes) *TrustRootStatus {
	return &TrustRootStatus{client: c, roots: roots, changes: changes}
}

// Changes carries the news that something has changed, without saying what. It holds one, so that a sender never waits.
type Changes chan event.GenericEvent

// NewChanges returns Changes that carry nothing yet.
func NewChanges() Changes { return make(Changes, 1) }

// Tell says that something has changed. It does not block.
func (c Changes) Tell() {
	select {
	case c <- event.GenericEvent{Object: &v1alpha1.TrustRoot{}}:
	default: // somebody will look soon, after this change
	}
}

// SetupWithManager runs the writer on the leader.
func (s *TrustRootStatus) SetupWithManager(mgr manager.Manager) error {
	return watchTrustRoots(mgr, "trustroots-status").
		WatchesRawSource(source.Channel(s.changes, asOne())).
		Complete(s)
}

// Reconcile writes what became of each TrustRoot.
func (s *TrustRootStatus) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var found v1alpha1.TrustRootList
	if err := s.client.List(ctx, &found); err != nil {
		return ctrl.Result{}, fmt.Errorf("list TrustRoots: %w", err)
	}
	var errs []error
	for i := range found.Items {
		errs = append(errs, s.write(ctx, &found.Items[i]))
	}
	return ctrl.Result{}, errors.Join(errs...)
}

// write patches the status of obj if it says something else. What is said of another generation comes too early; the next
// change brings the right one.
func (s *TrustRootStatus) write(ctx context.Context, obj *v1alpha1.TrustRoot) error {
	status, known := s.roots.Status(obj.Name)
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
	return client.IgnoreNotFound(s.client.Status().Patch(ctx, obj, client.MergeFrom(before)))
}
