package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/chartgate/chartgate/test/env/process"
)

// Namespace is where chartgate is installed.
const Namespace = "chartgate-system"

// Cluster is a running control plane.
type Cluster struct {
	// Config is the admin's.
	Config *rest.Config
	// Client is the admin's, for objects of any kind.
	Client client.Client
	// Kubeconfig is the admin's, as a file.
	Kubeconfig string

	environment *envtest.Environment
	dir         string
	kubectl     string
}

// Connect returns a cluster that runs already, as the admin of a kubeconfig. Stop leaves it running.
func Connect(kubeconfig string) (*Cluster, error) {
	log.SetLogger(logr.Discard())
	binaries, err := assets()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Kubeconfig: kubeconfig, kubectl: filepath.Join(binaries, "kubectl")}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		return nil, err
	}
	return c, c.connect()
}

// connect makes the admin's client.
func (c *Cluster) connect() (err error) {
	c.Config.QPS = -1                           // tests that write at the same time really do so
	c.Config.WarningHandler = rest.NoWarnings{} // tests that want them record them
	// The kinds are asked for when they are needed: the API server may not answer yet.
	c.Client, err = client.New(c.Config, client.Options{})
	return err
}

// auditPolicy records who wrote what and the annotations of webhooks, without contents.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch]
  resources:
  - group: helm.toolkit.fluxcd.io
  - group: source.toolkit.fluxcd.io
  - group: argoproj.io
- level: None
`

// Options say what a control plane has.
type Options struct {
	// CRDs are directories with custom resource definitions: below bin/, such as "crds/flux", or
	// absolute.
	CRDs []string
	// Namespaces are created beside chartgate's own.
	Namespaces []string
	// APIServer holds more flags of the API server, such as "admission-control-config-file".
	APIServer map[string]string
}

// Start starts a control plane. Stop stops it, also after an error.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	log.SetLogger(logr.Discard()) // without any, controller-runtime complains after 30 seconds
	c := &Cluster{}
	if err := c.prepare(o.CRDs); err != nil {
		return c, err
	}
	var err error
	for name, value := range o.APIServer {
		c.environment.ControlPlane.GetAPIServer().Configure().Set(name, value)
	}
	if c.Config, err = c.environment.Start(); err != nil {
		return c, fmt.Errorf("start the control plane: %w", err)
	}
	if err := c.connect(); err != nil {
		return c, err
	}
	if err := os.WriteFile(c.Kubeconfig, c.environment.KubeConfig, 0o600); err != nil {
		return c, err
	}
	for _, name := range append([]string{Namespace}, o.Namespaces...) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := c.Client.Create(ctx, namespace); err != nil {
			return c, fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	return c, nil
}

func (c *Cluster) prepare(crds []string) error {
	binaries, err := assets()
	if err != nil {
		return err
	}
	if c.dir, err = os.MkdirTemp("", "chartgate-cluster-"); err != nil {
		return err
	}
	c.kubectl, c.Kubeconfig = filepath.Join(binaries, "kubectl"), filepath.Join(c.dir, "kubeconfig")
	c.environment = &envtest.Environment{
		BinaryAssetsDirectory: binaries, ErrorIfCRDPathMissing: true,
		// envtest's own waits of 10 and 20 seconds are too short on a busy machine.
		CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: process.Patience},
		ControlPlaneStartTimeout: process.Patience, ControlPlaneStopTimeout: process.Patience,
	}
	for _, name := range crds {
		path := name
		if !filepath.IsAbs(name) {
			if path, err = Tool(name); err != nil {
				return err
			}
		}
		c.environment.CRDDirectoryPaths = append(c.environment.CRDDirectoryPaths, path)
	}
	policy := filepath.Join(c.dir, "audit-policy.yaml")
	c.environment.ControlPlane.GetAPIServer().Configure().
		// A machine without a network has only the loopback address, which endpoints must not have.
		Set("advertise-address", "127.0.0.1").Set("endpoint-reconciler-type", "none").
		Set("audit-policy-file", policy).
		Set("audit-log-path", c.auditLog())
	return os.WriteFile(policy, []byte(auditPolicy), 0o600)
}

// Stop stops the control plane and removes its files.
func (c *Cluster) Stop() error {
	var errs []error
	if c.environment != nil {
		errs = append(errs, c.environment.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// Kubectl runs kubectl as the admin.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (Output, error) {
	return Command{Name: c.kubectl, Args: append([]string{"--kubeconfig", c.Kubeconfig}, args...), Stdin: stdin}.Run(ctx)
}
