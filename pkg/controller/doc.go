// Package controller keeps the policies that are in force equal to what the cluster
// holds, and tells the platform team in status what became of each resource.
//
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustedidentities;chartpolicies;trustroots,verbs=get;list;watch
// +kubebuilder:rbac:groups=chartgate.dev,resources=trustedidentities/status;chartpolicies/status;trustroots/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=helmrepositories;helmcharts;ocirepositories,verbs=get;list
// +kubebuilder:rbac:groups=helm.toolkit.fluxcd.io,resources=helmreleases,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=configmaps,verbs=get;list;watch
package controller
