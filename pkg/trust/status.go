package trust

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Status returns the status of a TrustRoot with one condition, Ready, without a transition time.
// False if the TrustRoot does not exist.
func (r *Roots) Status(name string) (v1alpha1.TrustRootStatus, bool) {
	known := r.current.Load()
	if known == nil || (*known)[name] == nil {
		return v1alpha1.TrustRootStatus{}, false
	}
	t := (*known)[name]
	status, ready := t.status()
	ready.Type, ready.ObservedGeneration = v1alpha1.ConditionReady, t.generation
	status.Conditions = []metav1.Condition{ready}
	return status, true
}

// Expiries returns when the metadata of the trust roots that follow a TUF repository expire, by the
// names of the TrustRoots; the built-in one is "default". Trust roots that were not fetched yet are
// missing.
func (r *Roots) Expiries() map[string]time.Time {
	expiries := map[string]time.Time{}
	add := func(name string, t *trustRoot) {
		if status, _ := t.status(); status.Expires != nil {
			expiries[name] = status.Expires.Time
		}
	}
	add(evidence.DefaultTrustRoot, r.builtin)
	if known := r.current.Load(); known != nil {
		for name, t := range *known {
			add(name, t)
		}
	}
	return expiries
}

func (t *trustRoot) status() (v1alpha1.TrustRootStatus, metav1.Condition) {
	switch {
	case t.unusable != nil && t.external:
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnavailable, Message: t.unusable.Error(),
		}
	case t.unusable != nil:
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid, Message: t.unusable.Error(),
		}
	case t.follower != nil:
		return t.follower.status()
	default:
		return v1alpha1.TrustRootStatus{Digest: t.fixed.State()}, inUse()
	}
}

func inUse() metav1.Condition {
	return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonLoaded, Message: "the trust root is in use"}
}

// status shows version and times of the last verified metadata even when they are not in use: they
// tell since when.
func (f *follower) status() (v1alpha1.TrustRootStatus, metav1.Condition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.state.updated {
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonLoading, Message: "it is being fetched from " + f.repository.mirror,
		}
	}
	var status v1alpha1.TrustRootStatus
	verified := f.state.verified
	if verified.root.State() != "" {
		status.Version, status.Expires = verified.version, &metav1.Time{Time: verified.expires}
		if !verified.fetched.IsZero() {
			status.Refreshed = &metav1.Time{Time: verified.fetched}
		}
	}
	ready := inUse()
	switch err := f.unavailable(); {
	case err != nil:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonUnavailable, err.detail
		return status, ready
	case f.state.failure != nil:
		ready.Message += fmt.Sprintf(" until it expires; it could not be refreshed from %s: %s", f.repository.mirror, f.state.failure.detail)
	}
	status.Digest = verified.root.State()
	return status, ready
}
