package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
