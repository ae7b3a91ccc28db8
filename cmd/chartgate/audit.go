package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/audit"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// auditFlags configure the background verification.
type auditFlags struct {
	auditInterval time.Duration
	auditReports  bool
}

func (f *auditFlags) register(flags *pflag.FlagSet) {
	flags.DurationVar(&f.auditInterval, "audit-interval", time.Hour, "`interval` at which the leader verifies again what runs in the cluster; it also does so within a minute after a policy, identity or trust root has changed; 0: never")
	flags.BoolVar(&f.auditReports, "audit-reports", true, "write what that finds as Reports (openreports.io) or PolicyReports (wgpolicyk8s.io), if the cluster serves one of them")
}

const (
	// minAuditInterval bounds the load on registries.
	minAuditInterval = time.Second
	// auditPatience is what one chart may take: no API server waits.
	auditPatience = 30 * time.Second
	// auditPerHost are the charts of one registry that are verified at a time: as many as
	// registry.Options.Background lets through.
	auditPerHost = 4
)

func (f *auditFlags) check() error {
	if f.auditInterval != 0 && f.auditInterval < minAuditInterval {
		return fmt.Errorf("--audit-interval must be 0 or at least %s", minAuditInterval)
	}
	return nil
}

// auditing is what the background verification shares with admissions.
type auditing struct {
	parts
	registerer prometheus.Registerer
}

// audit lets the manager verify in the background.
func (f *serveFlags) audit(mgr manager.Manager, with auditing) error {
	if f.auditInterval == 0 {
		return nil
	}
	with.registry.Background = true
	client, err := f.client(with.registry)
	if err != nil {
		return err
	}
	metrics, err := audit.NewMetrics(with.registerer)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	log := mgr.GetLogger().WithName("audit")
	return mgr.Add(audit.New(audit.Options{
		Rows:   &clusterRows{cluster: with.cluster, gate: with.engine.gate.Background(client), options: with.engine.options, log: log},
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Interval: f.auditInterval, State: with.state, WithoutReports: !f.auditReports,
		Metrics: metrics, Log: log,
	}))
}

// state identifies what decides verdicts; "" until all of it is loaded.
func (a auditing) state() string {
	if a.policies.Ready(nil) != nil || a.trustRoots.Ready(nil) != nil {
		return ""
	}
	return a.policies.State() + "\n" + a.roots.State()
}

// clusterRows lists and examines what the cluster deploys.
type clusterRows struct {
	cluster *inventory.Cluster
	gate    *gate.Gate
	options source.Options
	log     logr.Logger
}

// failed logs what a row does not show.
func (r *clusterRows) failed(about verdict.Subject, cause error) {
	r.log.Error(cause, "a chart could not be verified", "kind", about.Kind, "namespace", about.Namespace, "name", about.Name, "field", about.Field)
}

// Scan implements audit.Rows.
func (r *clusterRows) Scan(ctx context.Context, yield audit.Yield) ([]inventory.Problem, error) {
	found, err := r.cluster.List(ctx)
	if err != nil {
		return nil, err
	}
	inspector := inventory.New(inventory.Options{
		Gate: r.gate, Extractor: source.NewExtractor(found, r.options), Reader: found,
		Judged: true, PerHost: auditPerHost, Timeout: auditPatience, Now: time.Now, Failed: r.failed,
	})
	objects := found.Objects()
	// In no order that a tenant could choose: charts that are slow on purpose would be the first ones at their registry.
	rand.Shuffle(len(objects), func(a, b int) { objects[a], objects[b] = objects[b], objects[a] })
	return found.Problems, audit.Each(ctx, inspector.Objects(ctx, slices.Values(objects)), yield)
}
