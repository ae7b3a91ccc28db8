package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/tracing"
)

// observeFlags are about what an operator can look at beside logs and metrics. All are off by
// default.
type observeFlags struct {
	otlpEndpoint string
	pprof        bool
}

func (f *observeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.otlpEndpoint, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector that takes traces by OTLP over HTTP, as http://collector.monitoring:4318; no traces if empty")
	flags.BoolVar(&f.pprof, "pprof", false, "serve Go's profiles at /debug/pprof/ on the port of the metrics")
}

// traces returns the traces of the flags. The manager sends the last of them at the end.
func (f *observeFlags) traces(mgr manager.Manager) (*tracing.Tracing, error) {
	if f.otlpEndpoint == "" {
		return tracing.Off(), nil
	}
	traces, err := tracing.New(context.Background(), f.otlpEndpoint, version(), mgr.GetLogger().WithName("traces"))
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	return traces, mgr.Add(traces)
}

// profiles are Go's profiles by their paths on the port of the metrics; nil without the flag.
func (f *observeFlags) profiles() map[string]http.Handler {
	if !f.pprof {
		return nil
	}
	return map[string]http.Handler{
		"/debug/pprof/":        http.HandlerFunc(pprof.Index), // and the profiles by name
		"/debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"/debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
	}
}
