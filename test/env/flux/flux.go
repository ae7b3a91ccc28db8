// Package flux runs Flux's own controllers as programs, with the flags and the rights of their own
// deployments. Each writes as its service account.
package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

// Namespace is where the controllers belong.
const Namespace = "flux-system"

// CRDs are the directories of the definitions that the controllers need.
func CRDs() []string { return []string{"crds/flux", "crds/kustomize"} }

// Flux is source-controller, helm-controller and kustomize-controller.
type Flux struct {
	cluster *cluster.Cluster
	dir     string
	env     []string
	servers map[string]*process.Server
}

// Start starts the controllers on 127.0.0.1, without an election, and waits until they are ready.
// The environment is added to theirs. Stop stops them, also after an error.
func Start(ctx context.Context, c *cluster.Cluster, env ...string) (*Flux, error) {
	f := &Flux{cluster: c, env: env, servers: map[string]*process.Server{}}
	objects, err := cluster.Objects(rights)
	if err != nil {
		return f, err
	}
	if err := c.Apply(ctx, objects...); err != nil {
		return f, err
	}
	if f.dir, err = os.MkdirTemp("", "chartgate-flux-"); err != nil {
		return f, err
	}
	storage, err := process.FreePort()
	if err != nil {
		return f, err
	}
	address, artifacts := fmt.Sprintf("127.0.0.1:%d", storage), filepath.Join(f.dir, "artifacts")
	if err := os.Mkdir(artifacts, 0o700); err != nil {
		return f, err
	}
	err = errors.Join(
		f.launch(ctx, "source-controller", "--storage-path="+artifacts, "--storage-addr="+address, "--storage-adv-addr="+address),
		f.launch(ctx, "helm-controller"),
		f.launch(ctx, "kustomize-controller"),
	)
	for _, server := range f.servers {
		err = errors.Join(err, server.WaitReady(ctx))
	}
	return f, err
}

func (f *Flux) launch(ctx context.Context, name string, args ...string) error {
	binary, err := cluster.Tool(name)
	if err != nil {
		return err
	}
	health, err := process.FreePort()
	if err != nil {
		return err
	}
	dir := filepath.Join(f.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := f.cluster.WriteKubeconfig(ctx, kubeconfig, Namespace, name); err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", health)
	server, err := process.Program{
		Binary: binary, Dir: dir, Probe: "http://" + address + "/readyz",
		Env: append([]string{"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + Namespace}, f.env...),
		Args: append(args, "--watch-all-namespaces", "--log-level=debug", "--log-encoding=json",
			"--health-addr="+address, "--metrics-addr=0",
			// By default the time between attempts doubles up to 15 minutes.
			"--max-retry-delay=5s"),
	}.Start()
	if err != nil {
		return err
	}
	f.servers[name] = server
	return nil
}

// Stop ends the controllers. It is an error if one has ended by itself.
func (f *Flux) Stop() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, server := range f.servers {
		errs = append(errs, server.Kill())
	}
	if f.dir != "" {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	return errors.Join(errs...)
}

// Log is what the controllers have written.
func (f *Flux) Log() string {
	if f == nil {
		return ""
	}
	var text strings.Builder
	for name, server := range f.servers {
		fmt.Fprintf(&text, "== %s\n%s\n", name, server.Log())
	}
	return text.String()
}

// rights are those of Flux's own installation: https://github.com/fluxcd/flux2/tree/main/manifests/rbac
const rights = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: source-controller, namespace: flux-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: helm-controller, namespace: flux-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kustomize-controller, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: crd-controller-flux-system}
rules:
- apiGroups: [source.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io, helm.toolkit.fluxcd.io, notification.toolkit.fluxcd.io, image.toolkit.fluxcd.io, source.extensions.fluxcd.io]
  resources: ["*"]
  verbs: ["*"]
- apiGroups: [""]
  resources: [namespaces, secrets, configmaps, serviceaccounts]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [""]
  resources: [configmaps, configmaps/status]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: crd-controller-flux-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: crd-controller-flux-system}
subjects:
- {kind: ServiceAccount, name: source-controller, namespace: flux-system}
- {kind: ServiceAccount, name: helm-controller, namespace: flux-system}
- {kind: ServiceAccount, name: kustomize-controller, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: cluster-reconciler-flux-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: helm-controller, namespace: flux-system}
- {kind: ServiceAccount, name: kustomize-controller, namespace: flux-system}
`
