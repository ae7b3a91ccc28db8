// Package webhook is the edge to the API server: it turns AdmissionReviews into
// questions to the gate and verdicts into responses, under the deadline that the
// API server grants. Whatever goes wrong here is a denial.
package webhook
