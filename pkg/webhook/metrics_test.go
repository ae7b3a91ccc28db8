package webhook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/chartgate/chartgate/pkg/webhook"
)

// counts flattens what a registry holds: "name{values of the labels}" → count.
func counts(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() { // sorted by name: kind, reason, verdict
				labels = append(labels, label.GetValue())
			}
			got[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return got
}

func TestMetrics(t *testing.T) {
	w := newWorld(t, repositories())
	charts := w.charts(t, 8)
	for _, text := range []string{
		helmRelease("podinfo", "acme"), helmRelease("podinfo", "acme"), helmRelease("unsigned", "acme"), helmRelease("unsigned", "warn"),
		helmRelease("unsigned", "old"), helmRelease("podinfo", "absent"),
		object("Application", "argocd/x", "spec: {sources: [{repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}, {repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}]}"),
	} {
		charts.Handle(t.Context(), create(t, text))
	}
	charts.Handle(t.Context(), update(t, helmRelease("podinfo", "acme"), helmRelease("podinfo", "acme"), ""))
	// Anybody may talk to the webhook: what they call their kinds must not become labels.
	for _, kind := range []string{"Evil1", "Evil2"} {
		charts.Handle(t.Context(), change(create(t, helmRelease("podinfo", "acme")), func(r *admissionv1.AdmissionRequest) { r.Kind.Kind = kind }))
	}
	want := map[string]float64{
		"chartgate_decisions_total{HelmRelease,,Verified}":               2,
		"chartgate_decisions_total{HelmRelease,SignatureMissing,Denied}": 1,
		"chartgate_decisions_total{HelmRelease,SignatureMissing,Warned}": 1,
		"chartgate_decisions_total{HelmRelease,,AllowedUnverified}":      1,
		"chartgate_decisions_total{HelmRelease,SourceNotFound,Deferred}": 1,
		"chartgate_decisions_total{HelmRelease,,Unchanged}":              1,
		"chartgate_decisions_total{Application,,Verified}":               1,
		"chartgate_decisions_total{Application,NoPolicy,Denied}":         1,
		"chartgate_decisions_total{other,Unsupported,Denied}":            2,
		"chartgate_admission_duration_seconds{HelmRelease}":              7,
		"chartgate_admission_duration_seconds{Application}":              1,
		"chartgate_admission_duration_seconds{other}":                    2,
	}
	if diff := cmp.Diff(want, counts(t, w.metrics)); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	r := prometheus.NewRegistry()
	if _, err := webhook.NewMetrics(r); err != nil {
		t.Fatal(err)
	}
	if _, err := webhook.NewMetrics(r); err == nil {
		t.Error("no error for metrics that are registered twice")
	}
}
