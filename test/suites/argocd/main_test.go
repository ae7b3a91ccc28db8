// Package argocd_test runs the real application controller and repo-server of Argo CD in front of a
// real API server with the webhook configuration of chartgate's own chart and the real chartgate.
//
// What Argo CD 3.2.1 does, on which these tests and the gate on Applications rely (seen in these
// tests, or read in its code where noted):
//
//   - Every sync of its own, automated or for a person, is an update that sets operation with a source
//     and a revision, and removes status.operationState. For Helm-OCI the revision is a version, also
//     where spec names a range; for native sources it is a digest, also where spec names a tag.
//   - Where that update is denied, nothing is deployed, the condition SyncError holds the error as it
//     is, and each later refresh tries again. A user's annotation argocd.argoproj.io/refresh makes one.
//   - It keeps what it has pulled of a Helm-OCI version until a hard refresh.
//   - It resumes status.operationState.syncResult, and skips what stands in its resources as synced: a
//     forgery on top of an earlier result works only if it removes these.
//   - A missing ConfigMap leaves an Application Healthy; after a rollback it is OutOfSync Healthy, and
//     the operation's phase is Succeeded.
//   - After a repair it waits 2 s for the next one, then three times as long each time, up to five
//     minutes (code): test/env/argocd bounds that.
package argocd_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/test/env/argocd"
	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) {
	// Most of their time the tests wait for Argo CD, on however few processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	harness.Main(m, &sharedSite)
}

// sharedSite is the one control plane, with one Argo CD, of all tests. Each test has a namespace of
// its own.
var sharedSite harness.Shared[*site]

func theSite(t *testing.T) *site {
	t.Helper()
	return sharedSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx) })
}

// site is a cluster with chartgate and Argo CD in it, and a registry.
type site struct {
	*harness.Site
	sigstore *sigstore.Sigstore
	// acme signs as the policies require, mallory is nobody that they know.
	acme, mallory *sigstore.Key
	// registry serves HTTPS: Argo CD looks up the tags of a chart over nothing else.
	registry *registrytest.Registry

	argo *argocd.ArgoCD
}

func openSite(ctx context.Context) (*site, error) {
	w := &site{registry: registrytest.New(registrytest.Options{TLS: true})}
	var err error
	if w.sigstore, err = sigstore.New(nil); err != nil {
		return w, err
	}
	if w.acme, err = sigstore.NewKey(); err != nil {
		return w, err
	}
	if w.mallory, err = sigstore.NewKey(); err != nil {
		return w, err
	}
	root, err := w.sigstore.TrustedRoot()
	if err != nil {
		return w, err
	}
	pem, err := w.acme.PEM()
	if err != nil {
		return w, err
	}
	w.Site, err = harness.Open(ctx, harness.Setup{
		Options: cluster.Options{CRDs: argocd.CRDs(), Namespaces: []string{argocd.Namespace}},
		Values: map[string]any{
			"argoNamespace": argocd.Namespace,
			"trustedRoot":   map[string]any{"json": string(root)},
		},
		Objects: roles + fmt.Sprintf(policies, harness.Indented(string(pem), 6), w.registry.Host(), w.registry.Host()),
	})
	if err != nil {
		return w, err
	}
	w.argo, err = argocd.Start(ctx, w.Cluster, argocd.Options{CAs: map[string]string{"127.0.0.1": string(w.registry.CA())}})
	return w, err
}

// Stop stops all that was started.
func (w *site) Stop() error {
	err := errors.Join(w.argo.Stop(), w.Site.Stop())
	w.registry.Close()
	return err
}

// Log is what the programs have written, for a suite that failed.
func (w *site) Log() string {
	text := w.argo.Log()
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
`

// roles: the editor may write Applications in every namespace, and what they deploy.
const roles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: team}
rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [applications]
  verbs: [create, delete, patch, update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, delete, patch, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: team}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
`
