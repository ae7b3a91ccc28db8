// Package v1alpha1 holds the custom resources with which a platform team defines which identities
// can sign which charts.
//
// +kubebuilder:object:generate=true
// +groupName=chartgate.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of chartgate's resources.
const Group = "chartgate.dev"

// GroupVersion returns the group and version of this package's types.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: "v1alpha1"}
}

// AddToScheme registers this package's types with a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(),
		&TrustedIdentity{}, &TrustedIdentityList{},
		&ChartPolicy{}, &ChartPolicyList{},
		&TrustRoot{}, &TrustRootList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}

// ConditionReady is the condition type of all of chartgate's resources: whether
// the resource is in force as written.
const ConditionReady = "Ready"

// The reasons of ConditionReady.
const (
	ReasonCompiled = "Compiled"
	ReasonInvalid  = "Invalid"
	// ReasonUnavailable: a TrustRoot that is well written, but cannot be used now.
	ReasonUnavailable = "Unavailable"
	// ReasonLoading: a TrustRoot that is being fetched for the first time.
	ReasonLoading = "Loading"
	// ReasonLoaded: a TrustRoot that is in use.
	ReasonLoaded = "Loaded"
)
