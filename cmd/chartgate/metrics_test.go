package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/audit"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// naming are policies that name hosts.
func naming(hosts ...string) fixedPolicies {
	var in policy.Input
	for i, host := range hosts {
		obj := v1alpha1.ChartPolicy{Spec: v1alpha1.ChartPolicySpec{Match: v1alpha1.Match{Charts: []string{"oci://" + host + "/**"}}}}
		obj.Name = fmt.Sprint("p", i)
		in.Policies = append(in.Policies, obj)
	}
	set, _ := policy.Compile(in)
	return fixedPolicies{set: set}
}

func TestRequestsToRegistriesAreMeasured(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	measured, err := new(serveFlags).measureRequests(metrics, naming(at.Host))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: measured.measure(http.DefaultTransport)}
	for _, to := range []string{server.URL, server.URL, other.URL} {
		response, err := client.Get(to)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	want := []string{
		fmt.Sprintf("chartgate_registry_request_duration_seconds{%s} 2", at.Host),
		"chartgate_registry_request_duration_seconds{other} 1",
		"chartgate_registry_requests_total{404} 3",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, samples(t, metrics)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, err := new(serveFlags).measureRequests(metrics, naming()); err == nil {
		t.Error("no error for metrics that are registered twice")
	}
}

// samples are the counts of what a registry gathers, with the values of the labels.
func samples(t *testing.T, from prometheus.Gatherer) []string {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			all = append(all, fmt.Sprintf("%s{%s} %v", family.GetName(), strings.Join(labels, ","), count(m)))
		}
	}
	slices.Sort(all)
	return all
}

func count(m *dto.Metric) float64 {
	if m.GetHistogram() != nil {
		return float64(m.GetHistogram().GetSampleCount())
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func TestATenantCannotMakeSeriesByNamingHosts(t *testing.T) {
	hosts := make([]string, 60)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("r%d.example", i)
	}
	labels := &hostLabels{named: func(host string) bool { return slices.Contains(hosts, host) }}
	used := map[string]bool{}
	for i := range 1000 {
		used[labels.label(fmt.Sprintf("tenant%d.example", i))] = true
	}
	if diff := cmp.Diff(map[string]bool{"other": true}, used); diff != "" {
		t.Errorf("hosts that no policy names (-want +got):\n%s", diff)
	}
	for range 2 {
		for _, host := range hosts {
			used[labels.label(host)] = true
		}
	}
	if len(used) != maxHostLabels+1 || !used["r0.example"] || used["r59.example"] {
		t.Errorf("%d labels: %v", len(used), slices.Sorted(maps.Keys(used)))
	}
}

func TestTheWaiversThatEndFirstAreShown(t *testing.T) {
	times := map[string]time.Time{}
	for i := range 150 {
		times[fmt.Sprintf("w%03d", i)] = time.Unix(int64(1000-i), 0)
	}
	got := first(times)
	if _, last := got["w149"]; len(got) != maxSeries || !last || got["w049"] != (time.Time{}) {
		t.Errorf("%d: %v", len(got), got)
	}
}

// recorder notes the metrics that are registered.
type recorder struct {
	prometheus.Registerer
	names map[string]bool
}

var fqName = regexp.MustCompile(`fqName: "(\w+)"`)

func (r recorder) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 100)
	c.Describe(descs)
	close(descs)
	for desc := range descs {
		r.names[fqName.FindStringSubmatch(desc.String())[1]] = true
	}
	return r.Registerer.Register(c)
}

// registered are the names of all metrics that serve registers.
func registered(t *testing.T) []string {
	t.Helper()
	r := recorder{prometheus.NewRegistry(), map[string]bool{}}
	_, webhookErr := webhook.NewMetrics(r)
	_, requestsErr := new(serveFlags).measureRequests(r, naming())
	_, auditErr := audit.NewMetrics(r)
	if err := errors.Join(webhookErr, requestsErr, auditErr, webhook.Enforce.Register(r), r.Register(&gauges{})); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(r.names))
}

var (
	tabled   = regexp.MustCompile("(?m)^\\| `(chartgate_\\w+)` \\|")
	mentions = regexp.MustCompile(`chartgate_[a-z_]+[a-z]`)
	suffix   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// TestMetricsOfPagesAlertsAndDashboardExist: the table of docs/operate.md lists all metrics and
// nothing else, and no other text names one that does not exist.
func TestMetricsOfPagesAlertsAndDashboardExist(t *testing.T) {
	read := func(path string) string {
		content, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	all := registered(t)
	var listed []string
	for _, match := range tabled.FindAllStringSubmatch(read("docs/operate.md"), -1) {
		listed = append(listed, match[1])
	}
	slices.Sort(listed)
	if diff := cmp.Diff(all, listed); diff != "" {
		t.Errorf("the table of docs/operate.md (-registered +listed):\n%s", diff)
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	texts := []string{"charts/chartgate/files/rules.yaml", "charts/chartgate/files/dashboard.json", "README.md"}
	for _, page := range pages {
		texts = append(texts, filepath.Join("docs", filepath.Base(page)))
	}
	for _, path := range texts {
		for _, name := range mentions.FindAllString(read(path), -1) {
			if !slices.Contains(all, name) && !slices.Contains(all, suffix.ReplaceAllString(name, "")) {
				t.Errorf("%s names the metric %s, which does not exist", path, name)
			}
		}
	}
}

// TestGauges: what parts know is served; what no part knows yet is missing.
func TestGauges(t *testing.T) {
	until := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	policies := naming("ghcr.io")
	roots := trust.New(trust.Options{CacheDir: t.TempDir()})
	t.Cleanup(roots.Close)
	g := &gauges{
		policies: policies, roots: roots, gate: gate.New(policies, nil, nil, time.Now),
		charts: webhook.NewCharts(webhook.ChartsOptions{}), auditInterval: time.Hour,
		certificateEnd: func() time.Time { return until },
	}
	metrics := prometheus.NewPedanticRegistry()
	metrics.MustRegister(g)
	want := []string{
		"chartgate_audit_interval_seconds{} 3600",
		fmt.Sprintf("chartgate_certificate_expiry_timestamp_seconds{} %v", float64(until.Unix())),
		"chartgate_pending_writes{} 0",
		"chartgate_policies{Invalid} 1", // it names no requirement
		"chartgate_policies{Ready} 0",
		"chartgate_verified_cache_entries{} 0",
		"chartgate_verified_cache_requests_total{hit} 0",
		"chartgate_verified_cache_requests_total{miss} 0",
	}
	if diff := cmp.Diff(want, samples(t, metrics)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	g.policies, g.certificateEnd = fixedPolicies{}, func() time.Time { return time.Time{} }
	if diff := cmp.Diff(slices.Delete(want, 1, 2)[:2], samples(t, metrics)[:2]); diff != "" {
		t.Errorf("without policies and certificate (-want +got):\n%s", diff)
	}
}
