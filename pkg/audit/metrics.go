package audit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// Metrics tell what the last complete run found. A replica that has completed none exports none, so
// only the leader does: all of them are vectors, also those without labels.
type Metrics struct {
	charts   *prometheus.GaugeVec
	findings *prometheus.GaugeVec
	success  *prometheus.GaugeVec
	duration *prometheus.GaugeVec
}

// NewMetrics registers the metrics with registerer.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		charts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chartgate_audit_charts",
			Help: "Uses of charts in the cluster at the last background verification, by verdict and reason.",
		}, []string{"verdict", "reason"}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chartgate_audit_findings",
			Help: "Findings of the last background verification, by kind.",
		}, []string{"kind"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chartgate_audit_last_success_timestamp_seconds",
			Help: "End of the last background verification that saw every object and wrote every report.",
		}, nil),
		duration: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chartgate_audit_duration_seconds",
			Help: "Duration of the last background verification.",
		}, nil),
	}
	for _, collector := range []prometheus.Collector{m.charts, m.findings, m.success, m.duration} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// tally counts rows and findings during a run.
type tally struct {
	charts   map[[2]string]int // by verdict and reason
	findings [len(findingKinds)]int
}

func newTally() *tally { return &tally{charts: map[[2]string]int{}} }

func (t *tally) add(rows []inventory.Row, m mark) {
	for _, row := range rows {
		t.charts[[2]string{row.Verdict, string(row.Reason)}]++
	}
	for i, n := range m.found {
		t.findings[i] += n
	}
}

// publish shows what a run has counted.
func (m *Metrics) publish(t *tally, took time.Duration) {
	m.charts.Reset()
	for labels, n := range t.charts {
		m.charts.WithLabelValues(labels[0], labels[1]).Set(float64(n))
	}
	for i, kind := range findingKinds {
		m.findings.WithLabelValues(string(kind)).Set(float64(t.findings[i]))
	}
	m.duration.WithLabelValues().Set(took.Seconds())
}

func (m *Metrics) succeeded(at time.Time) { m.success.WithLabelValues().Set(float64(at.Unix())) }
