package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/releaseindex"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	chartgate "github.com/chartgate/chartgate/pkg/webhook"
)

// config is what the measuring process tells the webhook, on standard input.
type config struct {
	TrustedRoot []byte
	Registry    string // host:port
	Cluster     string // URL of what serves HelmReleases as an API server does
	Identities  []v1alpha1.TrustedIdentity
}

// serve is the webhook. It prints its address on standard output, and ends at the end of standard
// input.
func serve(ctx context.Context) error {
	input := json.NewDecoder(os.Stdin)
	var c config
	if err := input.Decode(&c); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	handler, err := c.handler(ctx)
	if err != nil {
		return err
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config = chartgate.NewServer(handler, nil)
	server.Listener = chartgate.Bound(server.Listener, chartgate.MaxConnections)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	if _, err := fmt.Println(server.URL); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handler wires the webhook as "chartgate serve" does, and discards its log.
func (c config) handler(ctx context.Context) (http.Handler, error) {
	roots, err := signature.Fixed(c.TrustedRoot)
	if err != nil {
		return nil, err
	}
	set, report := policy.Compile(policy.Input{Identities: c.Identities, Policies: []v1alpha1.ChartPolicy{c.policy()}})
	if len(report.Policies)+len(report.Identities) > 0 {
		return nil, fmt.Errorf("the policies are wrong: %v", report)
	}
	metrics, err := chartgate.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	log := zap.New(zap.WriteTo(io.Discard), zap.JSONEncoder())
	ctrllog.SetLogger(log)
	client := registry.New(registry.Options{PlainHTTP: []string{c.Registry}})
	reader, err := c.reader(ctx)
	if err != nil {
		return nil, err
	}
	extractor := source.NewExtractor(reader, source.Options{PlainHTTP: []string{c.Registry}})
	charts := chartgate.NewCharts(chartgate.ChartsOptions{
		Extractor: extractor, Gate: gate.New(fixed{set}, client, signature.New(roots), time.Now), MaxConcurrent: 32, Metrics: metrics,
	})
	mux := http.NewServeMux()
	var waiting atomic.Int64
	mux.Handle("/validate-charts", counting(&waiting, chartgate.WithDeadline(chartgate.NewBodies(log).Charts(charts))))
	mux.HandleFunc("/stats", func(w http.ResponseWriter, req *http.Request) { writeStats(w, req, &waiting) })
	return mux, nil
}

func (c config) policy() v1alpha1.ChartPolicy {
	var names []string
	for _, identity := range c.Identities {
		names = append(names, identity.Name)
	}
	return v1alpha1.ChartPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "load"},
		Spec: v1alpha1.ChartPolicySpec{
			Match:   v1alpha1.Match{Charts: []string{"oci://" + c.Registry + "/load/**"}},
			Require: []v1alpha1.Requirement{{AnyOf: names}},
		},
	}
}

// stats are the process's own measurements.
type stats struct {
	Waiting    int64 // admissions in progress
	Heap       uint64
	Goroutines int
}

// writeStats answers with stats, after a collection of garbage if the query asks for one.
func writeStats(w http.ResponseWriter, req *http.Request, waiting *atomic.Int64) {
	if req.URL.Query().Has("collect") {
		runtime.GC()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	// The reader sees what fails here.
	_ = json.NewEncoder(w).Encode(stats{Waiting: waiting.Load(), Heap: memory.HeapInuse, Goroutines: runtime.NumGoroutine()})
}

func counting(n *atomic.Int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n.Add(1)
		defer n.Add(-1)
		next.ServeHTTP(w, req)
	})
}

type fixed struct{ set *policy.Set }

func (f fixed) Current() *policy.Set { return f.set }

// reader is chartgate's own index of the cluster's HelmReleases. Other objects are not needed:
// Applications and OCIRepositories name their charts themselves.
type reader struct{ releases *releaseindex.Index }

func (c config) reader(ctx context.Context) (reader, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind), meta.RESTScopeNamespace)
	releases := releaseindex.New(&rest.Config{Host: c.Cluster, QPS: -1}, http.DefaultClient, objects.NewVersions(mapper))
	go func() {
		if err := releases.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
		}
	}()
	for releases.Ready(nil) != nil {
		if err := sleepUntil(ctx, time.Now().Add(10*time.Millisecond)); err != nil {
			return reader{}, fmt.Errorf("read the HelmReleases: %w", err)
		}
	}
	return reader{releases}, nil
}

func (reader) Read(context.Context, source.ID) ([]source.Object, error) {
	return nil, errors.New("no other object is needed")
}

func (r reader) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return r.releases.Of(from)
}
