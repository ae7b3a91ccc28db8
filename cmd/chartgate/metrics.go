package main

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// registryMetrics measure the requests to registries.
type registryMetrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	hosts    hostLabels
}

// measureRequests registers the metrics of the requests to registries. Hosts have a label of their
// own if a policy or the admin names them.
func (f *serveFlags) measureRequests(registerer prometheus.Registerer, policies gate.Policies) (*registryMetrics, error) {
	named, err := f.namedHosts()
	if err != nil {
		return nil, err
	}
	m := &registryMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chartgate_registry_requests_total",
			Help: "Requests to OCI registries, by HTTP status code.",
		}, []string{"code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "chartgate_registry_request_duration_seconds",
			Help:    "Time until a registry answers a request, by host: hosts that policies or the admin name, at most 50, and \"other\".",
			Buckets: []float64{.005, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"host"}),
		hosts: hostLabels{named: func(host string) bool {
			if slices.Contains(named, host) {
				return true
			}
			set := policies.Current()
			return set != nil && slices.Contains(set.Overview().Hosts, host)
		}},
	}
	return m, errors.Join(registerer.Register(m.requests), registerer.Register(m.latency))
}

// measure wraps the transport to registries.
func (m *registryMetrics) measure(next http.RoundTripper) http.RoundTripper {
	counted := promhttp.InstrumentRoundTripperCounter(m.requests, next)
	return promhttp.RoundTripperFunc(func(req *http.Request) (*http.Response, error) {
		started := time.Now()
		resp, err := counted.RoundTrip(req)
		m.latency.WithLabelValues(m.hosts.label(req.URL.Host)).Observe(time.Since(started).Seconds())
		return resp, err
	})
}

// maxHostLabels bounds the series of a metric by host.
const maxHostLabels = 50

// hostLabels bounds the values of the label host: any tenant can name a host in an object that a
// policy with a wildcard matches, and a host answers with redirects to any other.
type hostLabels struct {
	named func(host string) bool

	mu   sync.Mutex
	used map[string]bool
}

// label returns the host, or "other" for one that is not named and for those after the first 50.
func (h *hostLabels) label(host string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.used[host]:
		return host
	case len(h.used) >= maxHostLabels || !h.named(host):
		return "other"
	}
	if h.used == nil {
		h.used = map[string]bool{}
	}
	h.used[host] = true
	return host
}

// gauges report at each scrape what the parts of a replica know at that moment. Before a part knows
// anything, its metrics are missing.
type gauges struct {
	policies gate.Policies
	roots    *trust.Roots
	gate     *gate.Gate
	charts   *webhook.Charts
	// certificateEnd is when the serving certificate ends; zero if it is not known.
	certificateEnd func() time.Time
	// auditInterval is the time between background verifications; 0 if they are off.
	auditInterval time.Duration
}

var (
	policiesDesc = prometheus.NewDesc("chartgate_policies",
		"Policies by state: Ready are in force as written, Invalid deny what they match.", []string{"state"}, nil)
	waiverDesc = prometheus.NewDesc("chartgate_waiver_end_timestamp_seconds",
		"When the waiver of a policy ends, as Unix time: of the 100 that end first.", []string{"policy"}, nil)
	trustRootDesc = prometheus.NewDesc("chartgate_trust_root_expiry_timestamp_seconds",
		"When the TUF metadata of a trust root expire, as Unix time.", []string{"trust_root"}, nil)
	certificateDesc = prometheus.NewDesc("chartgate_certificate_expiry_timestamp_seconds",
		"When the webhook's serving certificate expires, as Unix time.", nil, nil)
	cacheDesc = prometheus.NewDesc("chartgate_verified_cache_requests_total",
		"Charts that were looked up among the verified charts in memory: hit needs no signature search, miss does.", []string{"result"}, nil)
	cacheEntriesDesc = prometheus.NewDesc("chartgate_verified_cache_entries",
		"Verified charts in memory.", nil, nil)
	intervalDesc = prometheus.NewDesc("chartgate_audit_interval_seconds",
		"Time between background verifications; 0 if they are off.", nil, nil)
	pendingDesc = prometheus.NewDesc("chartgate_pending_writes",
		"Writes that change a chart and wait for an answer now; more than 800 are denied.", nil, nil)
)

// maxSeries bounds the series of a metric by the name of an object.
const maxSeries = 100

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{policiesDesc, waiverDesc, trustRootDesc, certificateDesc, cacheDesc, cacheEntriesDesc, pendingDesc, intervalDesc} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, labels...)
	}
	if set := g.policies.Current(); set != nil {
		overview := set.Overview()
		gauge(policiesDesc, float64(overview.Ready), "Ready")
		gauge(policiesDesc, float64(overview.Invalid), "Invalid")
		for name, ends := range first(overview.Waivers) {
			gauge(waiverDesc, unix(ends), name)
		}
	}
	for name, expires := range first(g.roots.Expiries()) {
		gauge(trustRootDesc, unix(expires), name)
	}
	if ends := g.certificateEnd(); !ends.IsZero() {
		gauge(certificateDesc, unix(ends))
	}
	stats := g.gate.CacheStats()
	counter(cacheDesc, float64(stats.Hits), "hit")
	counter(cacheDesc, float64(stats.Misses), "miss")
	gauge(cacheEntriesDesc, float64(stats.Entries))
	gauge(pendingDesc, float64(g.charts.Pending()))
	gauge(intervalDesc, g.auditInterval.Seconds())
}

// first returns the entries with the earliest times.
func first(times map[string]time.Time) map[string]time.Time {
	if len(times) <= maxSeries {
		return times
	}
	names := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(times[a].Compare(times[b]), cmp.Compare(a, b))
	})
	earliest := map[string]time.Time{}
	for _, name := range names[:maxSeries] {
		earliest[name] = times[name]
	}
	return earliest
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
