package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// serveFlags configure a replica. charts/chartgate sets them.
type serveFlags struct {
	engineFlags
	certificateFlags
	clientFlags
	observeFlags
	auditFlags
	mode          string
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
	// The users of the controllers: what they write about their own work is trusted; what other
	// users write about it must be proven.
	artifactWriters []string
	releaseWriters  []string
	argoUsers       []string
	argoNamespace   string
	loginHosts      []string
}

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
	f.observeFlags.register(flags)
	f.auditFlags.register(flags)
	flags.StringVar(&f.mode, "mode", webhook.Enforce.String(), "Enforce, or Warn: admit what would be denied, with a warning, whatever the reason; the webhook configuration must then have failurePolicy Ignore")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig `file`; the pod's service account if empty")
	flags.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "`namespace` that chartgate runs in")
	flags.StringVar(&f.configMap, "policy-configmap", "chartgate-identities", "`name` of the ConfigMap with trusted identities")
	flags.StringVar(&f.webhookHost, "webhook-host", "", "`address` that the webhook listens on; all addresses if empty")
	flags.IntVar(&f.webhookPort, "webhook-port", 9443, "`port` that the webhook listens on")
	flags.StringVar(&f.metricsAddr, "metrics-bind-address", ":8080", "`address` of /metrics; 0 turns it off")
	flags.StringVar(&f.probeAddr, "health-probe-bind-address", ":8081", "`address` of /healthz and /readyz")
	flags.BoolVar(&f.leaderElect, "leader-elect", false, "let one replica write status for all")
	flags.Int64Var(&f.maxConcurrent, "max-concurrent", 32, "`number` of writes for which other objects are read from the API server at the same time; further writes wait")
	flags.DurationVar(&f.keyRefresh, "key-refresh", keys.DefaultRefresh, "`interval` at which keys in a KMS are read again; a tenth of it after a failure")
	flags.StringSliceVar(&f.artifactWriters, "artifact-writers", []string{"system:serviceaccount:flux-system:source-controller"},
		"`users` that Flux's source-controller writes as")
	flags.StringSliceVar(&f.releaseWriters, "release-writers", []string{"system:serviceaccount:flux-system:helm-controller"},
		"`users` that Flux's helm-controller writes as; only they can record what a HelmRelease deploys")
	flags.StringSliceVar(&f.argoUsers, "argo-users", []string{"system:serviceaccount:argocd:argocd-application-controller"},
		"`users` that Argo CD's application controller writes as")
	flags.StringArrayVar(&f.loginHosts, "login-hosts", nil, "registry `host[:port]` to which logins of the charts' sources can be sent although policies name it only with a wildcard (repeatable); hosts of mirrors are included")
	flags.StringVar(&f.argoNamespace, "argo-namespace", "argocd", "`namespace` in which Argo CD keeps its repository Secrets; empty if Argo CD is not used")
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
	mode, err := webhook.ParseMode(f.mode)
	if err != nil {
		return fmt.Errorf("--mode: %w", err)
	}
	if err := errors.Join(f.clientFlags.check(), f.auditFlags.check()); err != nil {
		return err
	}
	log, err := newLogger(cmd.ErrOrStderr(), f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log) // of client-go
	mgr, err := f.manager(log)
	if err != nil {
		return err
	}
	if err := f.assemble(mgr, mode); err != nil {
		return err
	}
	log.Info("starting", "version", version(), "namespace", f.namespace, "mode", mode.String())
	if mode == webhook.Warn {
		log.Info("mode Warn: nothing is denied, unverified charts are deployed; helm upgrade --set mode=Enforce turns the gate on")
	}
	return mgr.Start(cmd.Context())
}

// minKeyRefresh bounds the requests to a KMS, which may charge for each.
const minKeyRefresh = time.Second
