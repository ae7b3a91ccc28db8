// Package flux_test runs the real source-, helm- and kustomize-controller in front of a real API
// server with the webhook configuration of chartgate's own chart and the real chartgate.
//
// What helm-controller 1.6.4 does, on which the gate on HelmRelease/status relies (seen in these
// tests, or read in its code where noted):
//
//   - It reads the source (HelmChart or OCIRepository) from its cache, downloads the artifact by
//     the URL and digest in it, and then sets in its own copy of the status
//     lastAttemptedGeneration, lastAttemptedRevision (the chart's version; for an OCIRepository
//     with "+" and twelve digits of the digest), lastAttemptedRevisionDigest (OCIRepository only)
//     and lastAttemptedConfigDigest (the values'). Nothing of it is written before there is an
//     action or the reconciliation ends.
//   - lastAttemptedRevisionDigest is what follows "@" in the artifact's revision where the tag is a
//     semantic version, and the whole revision otherwise: "sha256:…", "latest@sha256:…".
//   - Before every action (install, upgrade, rollback, uninstall after a failure, correction of
//     drift, unlock, test) it sends two patches of HelmRelease/status: first the conditions
//     (Reconciling says "Running 'install' action with timeout of 5m0s"), then the other fields
//     that differ from what it wrote last. Where either fails, the action does not run. Both are
//     sent again at the end of the reconciliation, and in every later one: about four denials a
//     try.
//   - A field that is as before is in neither patch. Only the conditions change before an install
//     because the storage Secret was deleted, before another try after a failure, and before a
//     forced upgrade (with lastHandledForceAt). Other values change lastAttemptedConfigDigest, and
//     lastAttemptedGeneration where they stand in the spec; another interval the latter alone, in
//     the write of observedGeneration. history, inventory and lastAttemptedReleaseAction are
//     written after the action, in a write of their own.
//   - All of it is written by the service account's user with the field manager helm-controller.
//   - Once the denial ends, it goes on without anyone's help, but for a forced upgrade: that
//     request is marked as handled by the patch at the end, which is admitted.
//   - After that patch it waits up to 10 s for its cache to show the history that it has in memory
//     (code): a denied change of status.history would hold one of its four workers for as long.
package flux_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/flux"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &sharedSite) }

// sharedSite is the one control plane, with one pair of controllers, of all tests. Each test has a
// namespace of its own.
var sharedSite harness.Shared[*site]

func theSite(t *testing.T) *site {
	t.Helper()
	return sharedSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx) })
}

// The users that write.
const (
	admin            = harness.Admin
	editor           = harness.Editor // of every namespace
	sourceController = harness.SourceController
	helmController   = harness.HelmController
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

	flux *flux.Flux
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
		Options: cluster.Options{CRDs: flux.CRDs(), Namespaces: []string{flux.Namespace}},
		Values: map[string]any{
			"plainHTTP":   []string{w.registry.Host(), w.foreign.Host()},
			"trustedRoot": map[string]any{"json": string(root)},
			// Some attacks act while chartgate waits for a registry: on a busy machine that needs
			// time.
			"webhook": map[string]any{"timeoutSeconds": 30},
		},
		Objects: roles + fmt.Sprintf(policies, harness.Indented(string(pem), 6), w.registry.Host(), w.registry.Host(), w.registry.Host()),
	})
	if err != nil {
		return w, err
	}
	w.flux, err = flux.Start(ctx, w.Cluster)
	return w, err
}

// Stop stops all that was started.
func (w *site) Stop() error {
	err := errors.Join(w.flux.Stop(), w.Site.Stop())
	w.registry.Close()
	w.foreign.Close()
	return err
}

// Log is what the programs have written, for a suite that failed.
func (w *site) Log() string {
	text := w.flux.Log()
	if w.Site != nil && w.Gate != nil {
		text += "== chartgate\n" + w.Gate.Log()
	}
	return text
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
---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: waived}
spec:
  match: {charts: ["oci://%s/waived/**"]}
  allowUnverified: {reason: a vendor without signatures, until: "2099-01-31"}
`

// roles: what the editor may do beside flux-edit is part of Kubernetes' own role edit.
const roles = harness.FluxEdit + `
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
