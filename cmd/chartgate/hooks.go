package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/trustrootstore"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// The webhook's paths. The ValidatingWebhookConfiguration names them.
const (
	chartsPath   = "/validate-charts"
	policiesPath = "/validate-policies"
)

// hooks runs the webhook server as soon as its certificate is there.
type hooks struct {
	flags      *serveFlags
	manager    manager.Manager
	engine     *engine
	policies   *policystore.Store
	trustRoots *trustrootstore.Store
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
	certificate, err := h.flags.setup(h.manager, h.flags.namespace)
	if err != nil {
		return err
	}
	server := newServer(h.manager.GetLogger(), ctrlwebhook.Options{
		Host: h.flags.webhookHost, Port: h.flags.webhookPort, CertDir: h.flags.certDir,
		TLSOpts: []func(*tls.Config){certificate.tls, h.flags.clientFlags.tls},
	})
	policies, err := webhook.NewPolicies(webhook.PolicyChecks{
		KnownIdentities: h.policies.Identities, KnownTrustRoots: h.trustRoots.Names, CheckTrustRoot: trust.Check,
	})
	if err != nil {
		return err
	}
	bodies := webhook.NewBodies(h.manager.GetLogger().WithName("admission"))
	server.Register(chartsPath, h.drain.handler(webhook.WithDeadline(bodies.Charts(
		webhook.NewCharts(h.engine.extractor, h.engine.gate, h.flags.maxConcurrent, metrics,
			webhook.NewNotices(h.manager.GetEventRecorder("chartgate")))))))
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
