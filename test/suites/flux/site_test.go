package flux_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// Who writes.
const (
	admin            = harness.Admin
	editor           = harness.Editor // of every namespace
	sourceController = harness.SourceController
	helmController   = harness.HelmController

	fluxNamespace = "flux-system"
)

// site is a cluster with chartgate and Flux in it, and two registries.
type site struct {
	*harness.Site
	sigstore *sigstore.Sigstore
	key      *sigstore.Key
	// registry holds the charts that a policy is about, below charts/.
	registry *registrytest.Registry
	// foreign is a registry that no policy is about.
	foreign *registrytest.Registry

	dir    string // of the controllers
	source *process.Server
	helm   *process.Server
}

func openSite(ctx context.Context) (*site, error) {
	w := &site{registry: registrytest.New(registrytest.Options{}), foreign: registrytest.New(registrytest.Options{})}
	var err error
	if w.sigstore, err = sigstore.New(nil); err != nil {
		return w, err
	}
	if w.key, err = sigstore.NewKey(); err != nil {
		return w, err
	}
	root, err := w.sigstore.TrustedRoot()
	if err != nil {
		return w, err
	}
	pem, err := w.key.PEM()
	if err != nil {
		return w, err
	}
	w.Site, err = harness.Open(ctx, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{fluxNamespace}},
		Values: map[string]any{
			"plainHTTP":   []string{w.registry.Host(), w.foreign.Host()},
			"trustedRoot": map[string]any{"json": string(root)},
			// Some attacks act while chartgate waits for a registry: on a busy machine that needs time.
			"webhook": map[string]any{"timeoutSeconds": 30},
		},
		Objects: roles + fmt.Sprintf(policies, harness.Indented(string(pem), 6), w.registry.Host(), w.registry.Host()),
	})
	if err != nil {
		return w, err
	}
	return w, w.startFlux(ctx)
}

// Stop stops all that was started.
func (w *site) Stop() error {
	var errs []error
	for _, s := range []*process.Server{w.source, w.helm} {
		if s != nil {
			errs = append(errs, s.Kill())
		}
	}
	errs = append(errs, w.Site.Stop())
	w.registry.Close()
	w.foreign.Close()
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// Log is what the programs have written, for a suite that failed.
func (w *site) Log() string {
	var text strings.Builder
	for name, s := range map[string]*process.Server{"source-controller": w.source, "helm-controller": w.helm, "chartgate": w.gate()} {
		if s != nil {
			fmt.Fprintf(&text, "== %s\n%s\n", name, s.Log())
		}
	}
	return text.String()
}

func (w *site) gate() *process.Server {
	if w.Site == nil || w.Gate == nil {
		return nil
	}
	return w.Gate.Server
}

const policies = `
---
apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme}
spec:
  key:
    transparencyLog: NotRequired
    pem: |
      %s---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: charts}
spec:
  match: {charts: ["oci://%s/charts/**"]}
  require: [{anyOf: [acme]}]
---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: floating}
spec:
  match: {charts: ["oci://%s/floating/**"]}
  require: [{anyOf: [acme]}]
  pinning: Floating
`

// roles: what the editor may do beside flux-edit is part of Kubernetes' own role edit.
const roles = harness.FluxEdit + `
apiVersion: v1
kind: ServiceAccount
metadata: {name: source-controller, namespace: flux-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: helm-controller, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: flux}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: source-controller, namespace: flux-system}
- {kind: ServiceAccount, name: helm-controller, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: team}
rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [create, delete, patch, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: edit-flux}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flux-edit}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: team}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
`
