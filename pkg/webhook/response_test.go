package webhook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func ok() *metav1.Status { return &metav1.Status{Status: "Success", Code: 200} }

func forbidden(message string, causes ...metav1.StatusCause) *metav1.Status {
	return &metav1.Status{Status: "Failure", Code: 403, Reason: "Forbidden", Message: message, Details: &metav1.StatusDetails{Causes: causes}}
}

// The whole answer, as the API server gets it.
func TestResponses(t *testing.T) {
	unsigned := "oci://ghcr.io/acme/unsigned:1.0.0@" + hex("a") + " has no signature"
	noPolicy := "no policy matches oci://ghcr.io/evil/x:1.0.0"
	for _, c := range []struct {
		sentence string
		req      admission.Request
		want     admissionv1.AdmissionResponse
	}{
		{"admitted", create(t, helmRelease("podinfo", "acme")), admissionv1.AdmissionResponse{
			Allowed: true, Result: ok(),
			AuditAnnotations: map[string]string{
				"verdict": "Verified", "chart": "oci://ghcr.io/acme/podinfo:1.0.0", "digest": hex("a"), "policy": "acme",
				"signer": "release (subject release@acme.example, issuer https://issuer.example)",
			},
		}},
		{"unchanged", update(t, helmRelease("podinfo", "acme"), helmRelease("podinfo", "acme"), ""), admissionv1.AdmissionResponse{
			Allowed: true, Result: ok(), AuditAnnotations: map[string]string{},
		}},
		{"denied", create(t, helmRelease("unsigned", "acme")), admissionv1.AdmissionResponse{
			Result: forbidden("HelmRelease apps/unsigned denied (SignatureMissing): "+unsigned+`
  where:    spec.chart.spec
  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)
  found:    0 bundles, 0 legacy signatures
  next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@`+hex("a"), metav1.StatusCause{Type: "SignatureMissing", Message: unsigned, Field: "spec.chart.spec"}),
			AuditAnnotations: map[string]string{"verdict": "Denied", "reason": "SignatureMissing", "chart": "oci://ghcr.io/acme/unsigned:1.0.0", "digest": hex("a")},
		}},
		{"warned", create(t, helmRelease("unsigned", "warn")), admissionv1.AdmissionResponse{
			Allowed: true, Result: ok(),
			Warnings:         []string{"chartgate would deny this (SignatureMissing): oci://ghcr.io/warn/unsigned:1.0.0@" + hex("a") + " has no signature; policy: warn requires a signature by release (subject release@acme.example, issuer https://issuer.example); next: release@acme.example must sign it: cosign sign --yes ghcr.io/warn/unsigned@" + hex("a")},
			AuditAnnotations: map[string]string{"verdict": "Warned", "reason": "SignatureMissing", "chart": "oci://ghcr.io/warn/unsigned:1.0.0", "digest": hex("a")},
		}},
		{"deferred", create(t, helmRelease("podinfo", "absent")), admissionv1.AdmissionResponse{
			Allowed: true, Result: ok(),
			Warnings:         []string{"not verified yet: HelmRepository apps/absent does not exist; the chart will be verified when it is pulled"},
			AuditAnnotations: map[string]string{"verdict": "Deferred", "reason": "SourceNotFound"},
		}},
		{"covered", create(t, repository("acme")), admissionv1.AdmissionResponse{
			Allowed: true, Result: ok(), AuditAnnotations: map[string]string{"verdict": "Covered", "chart": "oci://ghcr.io/acme", "policy": "acme"},
		}},
		{"several", create(t, object("Application", "argocd/x",
			"spec: {sources: [{repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}, {repoURL: ghcr.io/acme, chart: unsigned, targetRevision: 1.0.0}, {repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}]}")),
			admissionv1.AdmissionResponse{
				Result: forbidden("Application argocd/x denied (SignatureMissing): "+unsigned+`
  where:    spec.sources[1]
  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)
  found:    0 bundles, 0 legacy signatures
  next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@`+hex("a")+`
Application argocd/x denied (NoPolicy): `+noPolicy+`
  where:    spec.sources[2]
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`,
					metav1.StatusCause{Type: "SignatureMissing", Message: unsigned, Field: "spec.sources[1]"},
					metav1.StatusCause{Type: "NoPolicy", Message: noPolicy, Field: "spec.sources[2]"}),
				AuditAnnotations: map[string]string{
					"verdict": "Verified; Denied; Denied", "reason": "SignatureMissing; NoPolicy", "digest": hex("a") + "; " + hex("a"), "policy": "acme",
					"chart":  "oci://ghcr.io/acme/podinfo:1.0.0; oci://ghcr.io/acme/unsigned:1.0.0; oci://ghcr.io/evil/x:1.0.0",
					"signer": "release (subject release@acme.example, issuer https://issuer.example)",
				},
			}},
		{"a write that the API server names", func() admission.Request {
			req := create(t, "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {namespace: apps, generateName: acme-}\nspec: {type: oci, url: \"oci://ghcr.io/evil\"}\n")
			req.Name = ""
			return req
		}(), admissionv1.AdmissionResponse{
			Result: forbidden(`HelmRepository apps/acme-* denied (NoPolicy): no policy matches oci://ghcr.io/evil
  where:    spec.url
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`,
				metav1.StatusCause{Type: "NoPolicy", Message: "no policy matches oci://ghcr.io/evil", Field: "spec.url"}),
			AuditAnnotations: map[string]string{"verdict": "Denied", "reason": "NoPolicy", "chart": "oci://ghcr.io/evil"},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := newWorld(t, repositories()).charts(t, 8).Handle(t.Context(), c.req)
			if diff := cmp.Diff(c.want, got.AdmissionResponse); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A message stays readable, however much is wrong.
func TestMessagesAreBounded(t *testing.T) {
	var sources []string
	for range 64 {
		sources = append(sources, `{repoURL: ghcr.io/evil, chart: `+strings.Repeat("x", 200)+`, targetRevision: 1.0.0}`)
	}
	got := newWorld(t, "").charts(t, 8).Handle(t.Context(), create(t, object("Application", "argocd/x", "spec: {sources: ["+strings.Join(sources, ", ")+"]}")))
	if n := len(got.Result.Message); got.Allowed || n > 4<<10 || n < 2<<10 {
		t.Errorf("allowed %t, %d bytes", got.Allowed, n)
	}
}
