package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// The webhook's paths. The ValidatingWebhookConfiguration names them.
const (
	chartsPath   = "/validate-charts"
	policiesPath = "/validate-policies"
)

// hooks runs the webhook server once there is a certificate.
type hooks struct {
	parts
	flags      *serveFlags
	mode       webhook.Mode
	manager    manager.Manager
	registerer prometheus.Registerer
	drain      drain
	// answers is the server's own check, once there is a server.
	answers atomic.Pointer[func(*http.Request) error]
}

func (h *hooks) start() error {
	metrics, err := webhook.NewMetrics(h.registerer)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := h.mode.Register(h.registerer); err != nil {
		return fmt.Errorf("register the mode: %w", err)
	}
	certificate, err := h.flags.setup(h.manager, h.flags.namespace)
	if err != nil {
		return err
	}
	server := newServer(h.manager.GetLogger(), ctrlwebhook.Options{
		Host: h.flags.webhookHost, Port: h.flags.webhookPort, CertDir: h.flags.certDir,
		TLSOpts: []func(*tls.Config){certificate.tls, h.flags.clientFlags.tls},
	})
	policies := webhook.NewPolicies(webhook.PolicyChecks{
		Stored: h.policies.Stored, KnownTrustRoots: h.trustRoots.Names, CheckTrustRoot: trust.Check, Now: time.Now,
	})
	bodies := webhook.NewBodies(h.manager.GetLogger().WithName("admission"))
	charts := webhook.NewCharts(webhook.ChartsOptions{
		Extractor: h.engine.extractor, Gate: h.engine.gate, MaxConcurrent: h.flags.maxConcurrent, Metrics: metrics, Mode: h.mode,
		Events: webhook.NewEventNotifier(h.manager.GetEventRecorder("chartgate")),
	})
	if err := h.registerer.Register(&gauges{
		policies: h.policies, roots: h.roots, gate: h.engine.gate, charts: charts, certificateEnd: server.certificateEnd, auditInterval: h.flags.auditInterval,
	}); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	server.Register(chartsPath, h.drain.handler(h.traces.Handler("admission", webhook.WithDeadline(bodies.Charts(charts)))))
	server.Register(policiesPath, h.drain.handler(webhook.WithDeadline(bodies.Policies(policies))))
	return h.manager.Add(waitFor{certificate.ready, func(ctx context.Context) error {
		var answers func(*http.Request) error = server.ready
		if h.flags.required() {
			answers = once(answers)
		}
		h.answers.Store(&answers)
		return h.drain.run(ctx, server.Start)
	}})
}

// ready is a health check: it fails until the webhook answers.
func (h *hooks) ready(req *http.Request) error {
	answers := h.answers.Load()
	if answers == nil {
		return errors.New("the webhook waits for its certificate")
	}
	return (*answers)(req)
}

// waitFor runs something on every replica once a channel is closed.
type waitFor struct {
	ready <-chan struct{}
	run   func(context.Context) error
}

// NeedLeaderElection lets every replica answer the API server.
func (waitFor) NeedLeaderElection() bool { return false }

// Start waits and runs.
func (w waitFor) Start(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-w.ready:
		return w.run(ctx)
	}
}

// server serves the webhook over TLS. controller-runtime's own server has no deadline for bodies
// and answers, and lets HTTP/2 buffer 1 MiB for each connection. Its options are used, and its mux,
// which counts requests for its metrics.
type server struct {
	ctrlwebhook.Server
	options ctrlwebhook.Options
	log     logr.Logger
	started atomic.Bool
	// certificate is what serves the certificate, once there is a server.
	certificate atomic.Pointer[func(*tls.ClientHelloInfo) (*tls.Certificate, error)]
}

func newServer(log logr.Logger, options ctrlwebhook.Options) *server {
	return &server{Server: ctrlwebhook.NewServer(options), options: options, log: log}
}

// Start serves until ctx ends, and then until all accepted requests are answered.
func (s *server) Start(ctx context.Context) error {
	config, err := s.tls(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.address())
	if err != nil {
		return err
	}
	s.certificate.Store(&config.GetCertificate)
	limited := webhook.NewServer(s.WebhookMux(), config)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := limited.Shutdown(ctx); err != nil {
			s.log.Error(err, "requests were left unanswered")
		}
	}()
	s.started.Store(true)
	if err := limited.ServeTLS(webhook.Bound(listener, webhook.MaxConnections), "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// certificateEnd returns when the serving certificate expires; the zero time before it is served.
func (s *server) certificateEnd() time.Time {
	get := s.certificate.Load()
	if get == nil {
		return time.Time{}
	}
	serving, err := (*get)(&tls.ClientHelloInfo{})
	if err != nil || serving.Leaf == nil {
		return time.Time{}
	}
	return serving.Leaf.NotAfter
}

func (s *server) address() string {
	return net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

func (s *server) tls(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	for _, option := range s.options.TLSOpts {
		option(config)
	}
	if config.GetCertificate != nil {
		return config, nil
	}
	watcher, err := certwatcher.New(filepath.Join(s.options.CertDir, "tls.crt"), filepath.Join(s.options.CertDir, "tls.key"))
	if err != nil {
		return nil, err
	}
	config.GetCertificate = watcher.GetCertificate
	go func() {
		if err := watcher.Start(ctx); err != nil {
			s.log.Error(err, "the certificate is no longer watched")
		}
	}()
	return config, nil
}

// readyTimeout bounds a health check.
const readyTimeout = 5 * time.Second

// ready is a health check: it fails until connections are accepted.
func (s *server) ready(*http.Request) error {
	if !s.started.Load() {
		return errors.New("the webhook has not been started yet")
	}
	dialer := &net.Dialer{Timeout: readyTimeout}
	// Only this process is at the other end.
	conn, err := tls.DialWithDialer(dialer, "tcp", s.address(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	return conn.Close()
}

// drainTime is how long a replica that was told to end still answers, while it asks its callers to
// use another one. A busy API server sends many requests a second on one connection; one that sends
// few is unlikely to send one just when the connection is closed.
const drainTime = 2 * time.Second

// drain ends connections so that no request is lost. net/http closes idle connections without
// notice, also while a request is on its way; the API server does not repeat it, and the write
// fails.
type drain struct{ begun atomic.Bool }

// handler asks the caller to close the connection with each answer once the end has begun. Over
// HTTP/2 that is GOAWAY: requests in progress are answered, later ones use another connection.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

// run serves until ctx ends and the callers have had time to leave.
func (d *drain) run(ctx context.Context, serve func(context.Context) error) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		d.begun.Store(true)
		time.AfterFunc(drainTime, stop)
	})()
	return serve(serving)
}
