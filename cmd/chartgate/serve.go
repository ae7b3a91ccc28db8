package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/releaseindex"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/status"
)

// Electing a leader, which records it as an Event.
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=chartgate-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=events,verbs=create;patch

// serveFlags configure a replica. charts/chartgate sets them.
type serveFlags struct {
	engineFlags
	certificateFlags
	clientFlags
	kubeconfig    string
	namespace     string
	configMap     string
	webhookHost   string
	webhookPort   int
	metricsAddr   string
	probeAddr     string
	leaderElect   bool
	maxConcurrent int64
	keyRefresh    time.Duration
	logLevel      string
	logFormat     string
	// Whom to believe what only they can know; everybody else must prove it.
	artifactWriters []string
	releaseWriters  []string
	argoUsers       []string
	argoNamespace   string
	loginHosts      []string
}

// gracefulShutdown is longer than any admission may take, so that a rolling restart
// answers what it has accepted.
const gracefulShutdown = 32 * time.Second

func newServeCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the admission webhook in a cluster",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *serveFlags) register(flags *pflag.FlagSet) {
	f.engineFlags.register(flags, "Defer")
	f.certificateFlags.register(flags)
	f.clientFlags.register(flags)
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig `file`; the pod's service account if empty")
	flags.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "`namespace` that chartgate runs in")
	flags.StringVar(&f.configMap, "policy-configmap", "chartgate-identities", "`name` of the ConfigMap with trusted identities")
	flags.StringVar(&f.webhookHost, "webhook-host", "", "`address` that the webhook listens on; all if empty")
	flags.IntVar(&f.webhookPort, "webhook-port", 9443, "`port` that the webhook listens on")
	flags.StringVar(&f.metricsAddr, "metrics-bind-address", ":8080", "`address` of the metrics; 0 for none")
	flags.StringVar(&f.probeAddr, "health-probe-bind-address", ":8081", "`address` of /healthz and /readyz")
	flags.BoolVar(&f.leaderElect, "leader-elect", false, "let one replica write status for all")
	flags.Int64Var(&f.maxConcurrent, "max-concurrent", 32, "for how many writes other objects are read from the API server at the same time; more wait")
	flags.DurationVar(&f.keyRefresh, "key-refresh", keys.DefaultRefresh, "`time` after which keys in a KMS are read again; after a tenth of it if that fails")
	flags.StringSliceVar(&f.artifactWriters, "artifact-writers", []string{"system:serviceaccount:flux-system:source-controller"},
		"`users` that Flux's source controller writes as")
	flags.StringSliceVar(&f.releaseWriters, "release-writers", []string{"system:serviceaccount:flux-system:helm-controller"},
		"`users` that Flux's helm-controller writes as; nobody else may record what a HelmRelease deploys")
	flags.StringSliceVar(&f.argoUsers, "argo-users", []string{"system:serviceaccount:argocd:argocd-application-controller"},
		"`users` that Argo CD's application controller writes as")
	flags.StringArrayVar(&f.loginHosts, "login-hosts", nil, "registry `host[:port]` that logins of the charts' sources may be sent to although policies name it by a wildcard only (repeatable); mirrors count too")
	flags.StringVar(&f.argoNamespace, "argo-namespace", "argocd", "`namespace` in which Argo CD keeps its repository Secrets; empty if there is none")
	flags.StringVar(&f.logLevel, "log-level", "info", "`level`: debug, info or error")
	flags.StringVar(&f.logFormat, "log-format", "json", "`format`: json or text")
}

func (f *serveFlags) run(cmd *cobra.Command) error {
	switch {
	case f.namespace == "":
		return errors.New("--namespace or $POD_NAMESPACE must say where chartgate runs")
	case f.maxConcurrent < 1:
		return errors.New("--max-concurrent must be at least 1")
	case f.keyRefresh < minKeyRefresh:
		return fmt.Errorf("--key-refresh must be at least %s", minKeyRefresh)
	}
	if err := f.check(); err != nil {
		return err
	}
	log, err := newLogger(cmd.ErrOrStderr(), f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	mgr, err := f.manager(log)
	if err != nil {
		return err
	}
	if err := f.assemble(mgr); err != nil {
		return err
	}
	log.Info("starting", "version", version(), "namespace", f.namespace)
	return mgr.Start(cmd.Context())
}

func (f *serveFlags) manager(log logr.Logger) (manager.Manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	// The API server's own priority and fairness limits us. A limit of ours would
	// make an admission wait for a token and be denied for its slowness.
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	grace := gracefulShutdown
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		MapperProvider:                objects.NewMapper,
		Logger:                        log,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              "chartgate-leader",
		LeaderElectionNamespace:       f.namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        f.probeAddr,
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddr},
		GracefulShutdownTimeout:       &grace,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{f.namespace: {}}},
			// Only their metadata: that they change. They are read live.
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{f.namespace: {}}},
		}},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
}

// assemble wires the parts: policies → engine → webhook.
func (f *serveFlags) assemble(mgr manager.Manager) error {
	keyReader := f.keys(mgr.GetAPIReader())
	policies := policystore.New(mgr.GetClient(), types.NamespacedName{Namespace: f.namespace, Name: f.configMap}, keyReader)
	if err := policies.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("watch the policies: %w", err)
	}
	if err := status.NewPolicyWriter(mgr.GetClient(), policies, keyReader).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	var err error
	if f.instrument, err = countRequests(metrics.Registry); err != nil {
		return err
	}
	consumers, err := f.consumers(mgr)
	if err != nil {
		return err
	}
	f.connect = consumers.Resolve
	roots, trustRoots, err := f.trustRoots(mgr)
	if err != nil {
		return fmt.Errorf("follow the TrustRoots: %w", err)
	}
	versions := objects.NewVersions(mgr.GetRESTMapper())
	releases := releaseindex.New(mgr.GetConfig(), mgr.GetHTTPClient(), versions)
	if err := mgr.Add(releases); err != nil {
		return fmt.Errorf("follow the HelmReleases: %w", err)
	}
	engine, err := f.build(policies, objects.NewReader(mgr.GetAPIReader(), versions, releases), roots,
		source.Options{ArtifactWriters: f.artifactWriters, ReleaseWriters: f.releaseWriters, ArgoUsers: f.argoUsers, TrustRequests: f.required()})
	if err != nil {
		return err
	}
	hooks := &hooks{flags: f, manager: mgr, engine: engine, policies: policies, trustRoots: trustRoots, registerer: metrics.Registry}
	if err := hooks.start(); err != nil {
		return err
	}
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("policies", policies.Ready),
		mgr.AddReadyzCheck("releases", releases.Ready),
		mgr.AddReadyzCheck("webhook", hooks.ready),
	)
}

// countRequests counts what registries are asked, for the cost of the gate.
func countRequests(registerer prometheus.Registerer) (func(http.RoundTripper) http.RoundTripper, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chartgate_registry_requests_total",
		Help: "Requests to OCI registries, by HTTP status code.",
	}, []string{"code"})
	if err := registerer.Register(counter); err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper {
		return promhttp.InstrumentRoundTripperCounter(counter, next)
	}, nil
}
