package webhook_test

import (
	"context"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
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
			got[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
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
	// Any client can reach the webhook: the kinds that it sends must not become labels.
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

// The log has one line for each verdict, with the cause that the message leaves out.
func TestAuditLine(t *testing.T) {
	w := newWorld(t, repositories())
	w.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindUnavailable, Detail: "the registry does not answer", Err: context.DeadlineExceeded}
	}
	var lines []string
	log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
	ctx := logr.NewContext(t.Context(), log)
	charts := w.charts(t, 8)
	charts.Handle(ctx, create(t, helmRelease("podinfo", "acme")))
	charts.Handle(ctx, update(t, helmRelease("podinfo", "acme"), helmRelease("podinfo", "acme"), ""))
	if len(lines) != 1 {
		t.Fatalf("want one line for the decision and none for the unchanged write, got\n%s", strings.Join(lines, "\n"))
	}
	for _, want := range []string{
		`"kind"="HelmRelease"`, `"namespace"="apps"`, `"name"="podinfo"`, `"operation"="CREATE"`, `"user"="jane@acme.example"`, `"dryRun"=false`,
		`"field"="spec.chart.spec"`, `"chart"="oci://ghcr.io/acme/podinfo:1.0.0"`, `"verdict"="Denied"`, `"reason"="RegistryUnavailable"`, `context deadline exceeded`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is missing in %s", want, lines[0])
		}
	}
}
