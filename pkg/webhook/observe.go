package webhook

import (
	"errors"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// Metrics count decisions.
type Metrics struct {
	decisions *prometheus.CounterVec
	duration  *prometheus.HistogramVec
}

// NewMetrics registers the metrics with registerer.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chartgate_decisions_total",
			Help: "Decisions on uses of charts, by kind of object, verdict and reason. Writes that change no chart have the verdict Unchanged.",
		}, []string{"kind", "verdict", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "chartgate_admission_duration_seconds",
			Help:    "Time to decide on a write, by kind of object.",
			Buckets: []float64{.0001, .001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"kind"}),
	}
	for _, collector := range []prometheus.Collector{m.decisions, m.duration} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) observe(kind string, verdicts []verdict.Verdict, took time.Duration) {
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
	if len(verdicts) == 0 {
		m.decisions.WithLabelValues(kind, "Unchanged", "").Inc()
	}
	for _, v := range verdicts {
		m.decisions.WithLabelValues(kind, v.String(), string(v.Reason())).Inc()
	}
}

// record writes the audit line of a decision: one for each use. Writes without a use are too many
// to log at the default level.
func record(log logr.Logger, req admission.Request, found findings, took time.Duration) {
	log = log.WithValues("kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name, "subresource", req.SubResource,
		"operation", req.Operation, "user", req.UserInfo.Username, "dryRun", isDryRun(req), "took", took.String())
	if len(found.verdicts) == 0 {
		log.V(1).Info("unchanged")
		return
	}
	for _, v := range found.verdicts {
		line := log.WithValues("field", v.Subject.Field, "chart", v.Subject.Reference.String(),
			"digest", v.Subject.Digest.String(), "verdict", v.String(), "reason", v.Reason(), "signers", signers(v))
		if causes := v.Causes(); len(causes) > 0 {
			line = line.WithValues("causes", errors.Join(causes...).Error())
		}
		line.Info("decided", "message", v.Message())
	}
}

// describe adds the object and the verdicts to the span of an admission. An event is one use of a
// chart.
func describe(span trace.Span, req admission.Request, found findings) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("k8s.kind", req.Kind.Kind), attribute.String("k8s.namespace.name", req.Namespace),
		attribute.String("k8s.name", req.Name), attribute.String("k8s.subresource", req.SubResource),
		attribute.String("chartgate.operation", string(req.Operation)), attribute.Bool("chartgate.dry_run", isDryRun(req)),
		attribute.Bool("chartgate.unchanged", len(found.verdicts) == 0),
	)
	for _, v := range found.verdicts {
		span.AddEvent("decided", trace.WithAttributes(
			attribute.String("chartgate.field", v.Subject.Field), attribute.String("chartgate.chart", v.Subject.Reference.String()),
			attribute.String("chartgate.digest", v.Subject.Digest.String()), attribute.String("chartgate.verdict", v.String()),
			attribute.String("chartgate.reason", string(v.Reason())),
		))
		if v.Reason() == verdict.InternalError {
			span.SetStatus(codes.Error, "internal error")
		}
	}
}
