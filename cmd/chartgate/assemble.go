package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/releaseindex"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/pkg/tracing"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/trustrootstore"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// Electing a leader, which records it as an Event.
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=chartgate-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=events,verbs=create;patch

// gracefulShutdown is longer than any admission may take, so that a rolling restart
// answers what it has accepted.
const gracefulShutdown = 32 * time.Second

// A leader that cannot renew its Lease ends, and its webhook with it. It tries for longer than a busy
// API server does not answer, or one that is replaced. In return, after a leader that was killed,
// status is written and charts are verified again a minute later.
const (
	leaseDuration = time.Minute
	renewDeadline = 45 * time.Second
)

func (f *serveFlags) manager(log logr.Logger) (manager.Manager, error) {
	config, err := f.apiServer()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	// The API server limits its clients by priority and fairness. A limit in this client would make
	// an admission wait, and deny it when its time is over.
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		MapperProvider:                objects.NewMapper,
		Logger:                        log,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              "chartgate", // charts/chartgate names this Lease, too
		LeaderElectionNamespace:       f.namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 new(leaseDuration),
		RenewDeadline:                 new(renewDeadline),
		HealthProbeBindAddress:        noAddress, // both: ports.go
		Metrics:                       metricsserver.Options{BindAddress: noAddress},
		GracefulShutdownTimeout:       new(gracefulShutdown),
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{f.namespace: {}}},
			// Only their metadata, to learn that they change. Their content is read live.
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{f.namespace: {}}},
		}},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
}

func (f *serveFlags) apiServer() (*rest.Config, error) {
	if f.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", f.kubeconfig)
}

// parts are what decides about charts in a cluster, with what it follows there.
type parts struct {
	engine     *engine
	policies   *policystore.Store
	roots      *trust.Roots
	trustRoots *trustrootstore.Store
	releases   *releaseindex.Index
	cluster    *inventory.Cluster
	registry   registry.Options
	traces     *tracing.Tracing
}

// assemble starts what asks the engine: the webhook and the background verification.
func (f *serveFlags) assemble(mgr manager.Manager, mode webhook.Mode) error {
	made, err := f.parts(mgr)
	if err != nil {
		return err
	}
	if err := f.audit(mgr, auditing{parts: made, registerer: metrics.Registry}); err != nil {
		return fmt.Errorf("verify in the background: %w", err)
	}
	hooks := &hooks{parts: made, flags: f, mode: mode, manager: mgr, registerer: metrics.Registry}
	if err := hooks.start(); err != nil {
		return err
	}
	return errors.Join(
		listen(mgr, "probes", f.probeAddr, probes(map[string]healthz.Checker{
			"policies": made.policies.Ready, "trustroots": made.trustRoots.Ready, "releases": made.releases.Ready, "webhook": hooks.ready,
		})),
		listen(mgr, "metrics", f.metricsAddr, f.observations(metrics.Registry)),
	)
}

// parts makes the engine, and what it reads: policies, trust roots, objects and registries.
func (f *serveFlags) parts(mgr manager.Manager) (parts, error) {
	made := parts{}
	var err error
	if made.policies, err = f.followPolicies(mgr); err != nil {
		return made, err
	}
	if made.traces, err = f.traces(mgr); err != nil {
		return made, err
	}
	consumers, err := f.consumers(mgr)
	if err != nil {
		return made, err
	}
	requests, err := f.measureRequests(metrics.Registry, made.policies)
	if err != nil {
		return made, err
	}
	made.registry = registry.Options{
		Instrument: func(next http.RoundTripper) http.RoundTripper {
			return made.traces.Transport(requests.measure(next))
		},
		Connect: consumers.Resolve,
	}
	if made.roots, made.trustRoots, err = f.trustRoots(mgr); err != nil {
		return made, fmt.Errorf("follow the TrustRoots: %w", err)
	}
	versions := objects.NewVersions(mgr.GetRESTMapper())
	made.releases = releaseindex.New(mgr.GetConfig(), mgr.GetHTTPClient(), versions)
	if err := mgr.Add(made.releases); err != nil {
		return made, fmt.Errorf("follow the HelmReleases: %w", err)
	}
	siblings := objects.NewReader(mgr.GetAPIReader(), versions, made.releases)
	made.cluster = &inventory.Cluster{Config: mgr.GetConfig(), HTTP: mgr.GetHTTPClient(), Versions: versions, Live: siblings}
	made.engine, err = f.build(inputs{
		policies: made.policies, siblings: siblings, roots: made.roots, registry: made.registry,
		source: source.Options{
			ArtifactWriters: f.artifactWriters, ReleaseWriters: f.releaseWriters, ArgoUsers: f.argoUsers, TrustRequests: f.required(),
		},
	})
	return made, err
}

// followPolicies keeps the policies in force equal to those of the cluster, and writes their status.
func (f *serveFlags) followPolicies(mgr manager.Manager) (*policystore.Store, error) {
	keyReader := f.keys(mgr.GetAPIReader())
	policies := policystore.New(mgr.GetClient(), types.NamespacedName{Namespace: f.namespace, Name: f.configMap}, keyReader)
	if err := policies.SetupWithManager(mgr); err != nil {
		return nil, fmt.Errorf("watch the policies: %w", err)
	}
	if err := status.NewPolicyWriter(mgr.GetClient(), policies, keyReader).SetupWithManager(mgr); err != nil {
		return nil, fmt.Errorf("write status: %w", err)
	}
	return policies, nil
}

// namedHosts are the hosts to which the admin lets logins of consumers go: those of --login-hosts,
// and the mirrors.
func (f *serveFlags) namedHosts() ([]string, error) {
	named, err := canonicalHosts("--login-hosts", f.loginHosts)
	if err != nil {
		return nil, err
	}
	mirrors, err := f.mirrors()
	if err != nil {
		return nil, err
	}
	return append(named, mirrors.Hosts()...), nil
}

// consumers finds the credentials of Flux and Argo CD.
func (f *serveFlags) consumers(mgr manager.Manager) (*credentials.Resolver, error) {
	clouds, err := credentials.NewClouds()
	if err != nil {
		return nil, err
	}
	named, err := f.namedHosts()
	if err != nil {
		return nil, err
	}
	watcher, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return nil, fmt.Errorf("watch Argo CD's repository Secrets: %w", err)
	}
	resolver := credentials.New(credentials.Options{
		Reader: mgr.GetAPIReader(), Watcher: watcher, ArgoNamespace: f.argoNamespace, PlainHTTP: f.plainHTTP,
		Clouds: clouds, LoginHosts: named, Identities: f.registryIdentities, Log: mgr.GetLogger(),
	})
	return resolver, mgr.Add(resolver)
}

// keys reads the keys that policies refer to, live.
func (f *serveFlags) keys(live client.Reader) *keys.Reader {
	return keys.NewReader(keys.Config{Secrets: live, Namespace: f.namespace, KMS: kms.NewReader(), Refresh: f.keyRefresh})
}

// trustRoots follows the TrustRoots of a cluster. They are never closed: admissions that were
// accepted before the end still need them.
func (f *serveFlags) trustRoots(mgr manager.Manager) (*trust.Roots, *trustrootstore.Store, error) {
	changes := status.NewChanges()
	roots, err := f.roots(trust.Options{Changed: changes.Notify, Log: mgr.GetLogger()})
	if err != nil {
		return nil, nil, err
	}
	store := trustrootstore.New(mgr.GetClient(), f.namespace, roots)
	return roots, store, errors.Join(
		store.SetupWithManager(mgr),
		status.NewTrustRootWriter(mgr.GetClient(), roots, changes).SetupWithManager(mgr),
	)
}
