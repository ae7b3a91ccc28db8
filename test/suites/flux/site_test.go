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
)

// Who writes.
const (
	admin  = ""     // system:masters
	editor = "jane" // of every namespace
	// The controllers' service accounts.
	fluxNamespace    = "flux-system"
	sourceController = "system:serviceaccount:flux-system:source-controller"
	helmController   = "system:serviceaccount:flux-system:helm-controller"
)

// site is a cluster with chartgate and Flux in it, and two registries.
type site struct {
	*cluster.Cluster
	sigstore *sigstore.Sigstore
	key      *sigstore.Key
	// registry holds the charts that a policy is about, below charts/.
	registry *registrytest.Registry
	// foreign is a registry that no policy is about.
	foreign *registrytest.Registry

	install *cluster.Installation
	gate    *cluster.Process
	dir     string // of the controllers
	source  *process.Server
	helm    *process.Server
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
	if w.Cluster, err = cluster.Start(ctx, []string{"crds/flux"}, []string{fluxNamespace}); err != nil {
		return w, err
	}
	root, err := w.sigstore.TrustedRoot()
	if err != nil {
		return w, err
	}
	w.install, err = w.Install(ctx, map[string]any{
		"plainHTTP":   []string{w.registry.Host(), w.foreign.Host()},
		"trustedRoot": map[string]any{"json": string(root)},
		// Some attacks act while chartgate waits for a registry: on a busy machine that needs time.
		"webhook": map[string]any{"timeoutSeconds": 30},
	}, false)
	if err != nil {
		return w, err
	}
	// They are there before chartgate starts, so they are in force as soon as it is ready.
	if err := w.applyRolesAndPolicies(ctx); err != nil {
		return w, err
	}
	if w.gate, err = w.install.Run(ctx); err != nil {
		return w, err
	}
	return w, w.startFlux(ctx)
}

// stop stops all that was started. A failed test may want to know what the programs wrote.
func (w *site) stop(tellAll bool) error {
	var errs []error
	for name, s := range map[string]*process.Server{"source-controller": w.source, "helm-controller": w.helm} {
		if s == nil {
			continue
		}
		errs = append(errs, s.Kill())
		if tellAll {
			fmt.Fprintf(os.Stderr, "== %s\n%s\n", name, s.Log())
		}
	}
	if w.gate != nil {
		errs = append(errs, w.gate.Stop())
		if strings.Contains(w.gate.Log(), "is forbidden") {
			errs = append(errs, errors.New("the chart's RBAC does not allow what chartgate does"))
		}
		if tellAll {
			fmt.Fprintf(os.Stderr, "== chartgate\n%s\n", w.gate.Log())
		}
	}
	if w.Cluster != nil {
		errs = append(errs, w.Stop())
	}
	w.registry.Close()
	w.foreign.Close()
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

func (w *site) applyRolesAndPolicies(ctx context.Context) error {
	pem, err := w.key.PEM()
	if err != nil {
		return err
	}
	indented := strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n      ")
	objects, err := cluster.Objects(roles + fmt.Sprintf(policies, indented, w.registry.Host(), w.registry.Host()))
	if err != nil {
		return err
	}
	return w.Apply(ctx, objects...)
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
      %s
---
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

// roles: flux-edit is Flux's own, word for word. The rest of the editor's is of Kubernetes' own
// role edit.
const roles = `
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
metadata: {name: flux-edit}
rules:
- apiGroups: [notification.toolkit.fluxcd.io, source.toolkit.fluxcd.io, source.extensions.fluxcd.io, helm.toolkit.fluxcd.io, image.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io]
  resources: ["*"]
  verbs: [create, delete, deletecollection, patch, update]
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
