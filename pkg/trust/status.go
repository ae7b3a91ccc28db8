package trust

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
)

// Status returns what became of a TrustRoot, with one condition, Ready, that lacks its transition time. False if there is
// no such TrustRoot.
func (r *Roots) Status(name string) (v1alpha1.TrustRootStatus, bool) {
	known := r.current.Load()
	if known == nil || (*known)[name] == nil {
		return v1alpha1.TrustRootStatus{}, false
	}
	e := (*known)[name]
	status, ready := e.status()
	ready.Type, ready.ObservedGeneration = v1alpha1.ConditionReady, e.generation
	status.Conditions = []metav1.Condition{ready}
	return status, true
}

func (e *entry) status() (v1alpha1.TrustRootStatus, metav1.Condition) {
	switch {
	case e.invalid != nil && e.missing:
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnavailable, Message: e.invalid.Error(),
		}
	case e.invalid != nil:
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid, Message: e.invalid.Error(),
		}
	case e.source != nil:
		return e.source.status()
	default:
		return v1alpha1.TrustRootStatus{Digest: e.root.State()}, inUse()
	}
}

func inUse() metav1.Condition {
	return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonLoaded, Message: "the trust root is in use"}
}

// status keeps version and times of the last good metadata also when they are not in use: they tell since when.
func (s *source) status() (v1alpha1.TrustRootStatus, metav1.Condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.state.updated {
		return v1alpha1.TrustRootStatus{}, metav1.Condition{
			Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonLoading, Message: "it is being fetched from " + s.where.mirror,
		}
	}
	var status v1alpha1.TrustRootStatus
	good := s.state.good
	if good.root.State() != "" {
		status.Version, status.Expires = good.version, &metav1.Time{Time: good.expires}
		if !good.fetched.IsZero() {
			status.Refreshed = &metav1.Time{Time: good.fetched}
		}
	}
	ready := inUse()
	switch why := s.why(); {
	case why != nil:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonUnavailable, why.clause
		return status, ready
	case s.state.failed != nil:
		ready.Message += fmt.Sprintf(" until it expires; it could not be refreshed from %s: %s", s.where.mirror, s.state.failed.clause)
	}
	status.Digest = good.root.State()
	return status, ready
}
