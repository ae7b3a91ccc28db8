package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/webhook"
)

// The ports beside the webhook's. Every pod of the cluster reaches them, unless a network policy blocks it, and
// controller-runtime's own servers for them have no limit on connections and none on the time of an answer.

// noAddress turns a server off.
const noAddress = "0"

const (
	// maxObservers bounds the TCP connections to one of these ports. One address gets three quarters of them.
	maxObservers = 100
	// observersLeave is how long an answer may still take when the process ends.
	observersLeave = 5 * time.Second
)

// listen adds a server to the manager, with the limits of the webhook's.
func listen(mgr manager.Manager, name, address string, handler http.Handler) error {
	if address == noAddress || address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("open the port of the %s: %w", name, err)
	}
	leave := observersLeave
	return mgr.Add(&manager.Server{
		Name: name, Server: webhook.NewServer(handler, nil), Listener: webhook.Bound(listener, maxObservers), ShutdownTimeout: &leave,
	})
}

// probes answers /healthz as long as the process runs, and /readyz once all checks pass. Below each is the answer of a
// single check by its name.
func probes(checks map[string]healthz.Checker) http.Handler {
	mux := http.NewServeMux()
	for path, handler := range map[string]http.Handler{
		"/healthz": &healthz.Handler{Checks: map[string]healthz.Checker{"ping": healthz.Ping}},
		"/readyz":  &healthz.Handler{Checks: checks},
	} {
		below := http.StripPrefix(path, handler)
		mux.Handle(path, below)
		mux.Handle(path+"/", below)
	}
	return mux
}

// observations answers /metrics and, with --pprof, serves the profiles.
func (f *observeFlags) observations(from prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(from, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	for path, handler := range f.profiles() {
		mux.Handle(path, handler)
	}
	return mux
}
