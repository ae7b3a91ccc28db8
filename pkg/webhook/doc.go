// Package webhook answers the API server: it turns AdmissionReviews into questions to the gate and
// verdicts into responses, within the deadline that the API server grants. Every failure here is a
// denial. An installation in mode Warn turns all denials into admissions (mode.go).
//
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
package webhook
