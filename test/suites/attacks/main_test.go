// Package attacks_test is the attack corpus: one table for each family of attacks, one row for each
// attack, with what the attacker does and the expected denial. README.md names the check without
// which each row fails.
//
// Signatures and registries are attacked in process, through the real gate, registry client and
// verifier. Objects are attacked through a real kube-apiserver with the webhook configuration of
// charts/chartgate and the real binary. Rows with the word "control" show that the honest case next
// to an attack is admitted.
package attacks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops the clusters that tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &currentSite, &oldSite, &warningSite) }

var currentSite, oldSite, warningSite harness.Shared[*site]

// theSite is a cluster of today's Flux and Argo CD.
func theSite(t *testing.T) *site {
	t.Helper()
	return currentSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, "Enforce", []string{"crds/flux", "crds/argo"})
	})
}

// theWarningSite is the same with an installation in mode Warn.
func theWarningSite(t *testing.T) *site {
	t.Helper()
	return warningSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, "Warn", []string{"crds/flux", "crds/argo"})
	})
}

// theOldSite is a cluster of a Flux that still serves old versions.
func theOldSite(t *testing.T) *site {
	t.Helper()
	return oldSite.Get(t, func(ctx context.Context) (*site, error) { return openSite(ctx, "Enforce", []string{"crds/flux-old"}) })
}

// More users than those of the harness.
const (
	admin            = harness.Admin
	editor           = harness.Editor
	tenant           = "bob" // of the namespace team-b
	sourceController = harness.SourceController
	helmController   = harness.HelmController
	argoController   = harness.ArgoController
	argoServer       = harness.ArgoServer
	applicationSets  = "system:serviceaccount:argocd:argocd-applicationset-controller"
	// Service accounts that a tenant created in their own namespace.
	falseSourceController = "system:serviceaccount:apps:source-controller"
	falseArgoController   = "system:serviceaccount:apps:argocd-application-controller"
)

// site is a cluster with chartgate in it, and a registry.
type site struct {
	*harness.Site
	*people
	registry *registrytest.Registry
	names    *strings.Replacer // of rows → of this machine
	public   *strings.Replacer // and back
}

func openSite(ctx context.Context, mode string, crds []string) (*site, error) {
	w := &site{registry: registrytest.New(registrytest.Options{})}
	var err error
	if w.people, err = thePeople(); err != nil {
		return w, err
	}
	if err := w.publish(); err != nil {
		return w, err
	}
	policies, err := w.policies()
	if err != nil {
		return w, err
	}
	root, err := w.TrustedRoot()
	if err != nil {
		return w, err
	}
	w.Site, err = harness.Open(ctx, harness.Setup{
		Options: cluster.Options{CRDs: crds, Namespaces: []string{"apps", "argocd", "team-b", "flux-system"}},
		Prepare: addLaterFields,
		Values: map[string]any{
			"mode":          mode,
			"argoNamespace": "argocd",
			"plainHTTP":     []string{w.registry.Host()},
			"trustedRoot":   map[string]any{"json": string(root)},
		},
		Objects: roles + policies, Local: w.names.Replace, Public: w.public.Replace,
	})
	return w, err
}

// addLaterFields adds to the definition of Applications, which is of Argo CD 2.14 in bin/, the field
// retry.refresh of 3.1 and the hydrator's syncSource.repoURL of 3.5.
func addLaterFields(ctx context.Context, c *cluster.Cluster) error {
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	err := c.Client.Get(ctx, client.ObjectKey{Name: "applications.argoproj.io"}, definition)
	if apierrors.IsNotFound(err) {
		return nil // a cluster without Argo CD
	}
	if err != nil {
		return err
	}
	const schema = "/spec/versions/0/schema/openAPIV3Schema/properties"
	var changes []string
	for _, field := range []struct{ path, typ string }{
		{"/operation/properties/retry/properties/refresh", "boolean"},
		{"/status/properties/operationState/properties/operation/properties/retry/properties/refresh", "boolean"},
		{"/spec/properties/sourceHydrator/properties/syncSource/properties/repoURL", "string"},
	} {
		changes = append(changes, fmt.Sprintf(`{"op":"add","path":%q,"value":{"type":%q}}`, schema+field.path, field.typ))
	}
	return c.Client.Patch(ctx, definition, client.RawPatch(types.JSONPatchType, []byte("["+strings.Join(changes, ",")+"]")))
}

// Stop stops the cluster and the registry.
func (w *site) Stop() error {
	err := w.Site.Stop()
	w.registry.Close()
	return err
}

// policies are those of policies_test.go as YAML.
func (w *site) policies() (string, error) {
	pem, err := w.key.PEM()
	if err != nil {
		return "", err
	}
	in := policies(w.registry.Host(), string(pem))
	var text strings.Builder
	for _, identity := range in.Identities {
		spec, err := json.Marshal(identity.Spec)
		if err != nil {
			return "", err
		}
		text.WriteString(harness.Identity(identity.Name, string(spec)))
	}
	for _, policy := range in.Policies {
		spec, err := json.Marshal(policy.Spec)
		if err != nil {
			return "", err
		}
		text.WriteString(harness.Policy(policy.Name, string(spec)))
	}
	return text.String(), nil
}

// published are the charts that rows name, and whether they are signed. In YAML,
// digest(charts/podinfo:1.0.0) and layer(charts/podinfo:1.0.0) are those of a chart, and
// short(charts/podinfo:1.0.0) is how helm-controller shortens the digest. What source-controller
// makes of the layer where it extracts it has the digest extracted(charts/podinfo:1.0.0).
func published() map[string]sigstore.Signer {
	return map[string]sigstore.Signer{
		"charts/podinfo:1.0.0": acme(), "charts/podinfo:1.1.0": acme(), "charts/podinfo:0.9.0": nil, "charts/podinfo:2.0.0": nil,
		"charts/other:1.0.0": acme(), "charts/other:1.1.0": nil, "charts/unsigned:1.0.0": nil, "charts/stranger:1.0.0": mallory(),
		"mirror/podinfo:1.0.0": nil, "mirror/other:1.0.0": acme(), "floating/app:1.0.0": acme(), "floating/app:2.0.0": nil,
		"charts/moved:1.0.0": acme(), "digest/app:1.0.0": acme(), "waived/app:1.0.0": nil, "trial/app:1.0.0": nil, "evil/podinfo:1.0.0": nil,
	}
}

func (w *site) publish() error {
	names := []string{"ghcr.io", w.registry.Host()}
	public := []string{w.registry.Host(), "ghcr.io"}
	for place, by := range published() {
		digest, layer, err := w.push(place, place)
		if err != nil {
			return err
		}
		extracted, err := extractedDigest(place)
		if err != nil {
			return err
		}
		names = append(names, "digest("+place+")", digest, "layer("+place+")", layer, "extracted("+place+")", extracted, "short("+place+")", digest[7:19])
		public = append(public, digest, "digest("+place+")", layer, "layer("+place+")", extracted, "extracted("+place+")")
		if by == nil {
			continue
		}
		repo, _, _ := strings.Cut(place, ":")
		signing := harness.Signing{Sigstore: w.Sigstore, By: by, Registry: w.registry}
		if err := signing.Bundle(repo, digest); err != nil {
			return err
		}
	}
	for _, repo := range []string{"charts/manifests", "charts/raw", "evil/manifests"} {
		digest, err := w.registry.PushFluxArtifact(repo, "1.0.0", []byte(repo))
		if err != nil {
			return err
		}
		names = append(names, "digest("+repo+":1.0.0)", digest)
		if repo != "charts/manifests" {
			continue // these stay unsigned
		}
		signing := harness.Signing{Sigstore: w.Sigstore, By: acme(), Registry: w.registry}
		if err := signing.Bundle(repo, digest); err != nil {
			return err
		}
	}
	w.names, w.public = strings.NewReplacer(names...), strings.NewReplacer(public...)
	return nil
}

// push pushes a chart whose content the message decides.
func (w *site) push(place, message string) (digest, layer string, err error) {
	repo, tag, _ := strings.Cut(place, ":")
	archive, err := chartAt(place, message)
	if err != nil {
		return "", "", err
	}
	return w.registry.PushChart(repo, tag, archive)
}

// chartAt is the archive of a chart whose content the message decides.
func chartAt(place, message string) ([]byte, error) {
	repo, tag, _ := strings.Cut(place, ":")
	return charts.Archive(path.Base(repo), tag, charts.File{Name: "values.yaml", Body: "message: " + message + "\n"})
}

// extractedDigest is that of what source-controller makes of the chart at a place.
func extractedDigest(place string) (string, error) {
	layer, err := chartAt(place, place)
	if err != nil {
		return "", err
	}
	digest, err := archive.Extracted(context.Background(), layer, "")
	return digest.String(), err
}

// repush moves a tag to another chart, which is not signed.
func (w *site) repush(t *testing.T, place string) {
	t.Helper()
	if _, _, err := w.push(place, "mallory"); err != nil {
		t.Fatal(err)
	}
}

// roles: everyone who edits a namespace has flux-edit.
const roles = harness.FluxEdit + `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: view-and-applications}
rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [applications]
  verbs: [create, delete, patch, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit, namespace: apps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flux-edit}
subjects:
- {kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: source-controller, namespace: apps}
- {kind: ServiceAccount, name: argocd-application-controller, namespace: apps}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit, namespace: team-b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flux-edit}
subjects:
- {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: view-and-applications}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view-and-applications}
subjects:
- {kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}
- {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: source-controller, namespace: apps}
- {kind: ServiceAccount, name: argocd-application-controller, namespace: apps}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controllers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: source-controller, namespace: flux-system}
- {kind: ServiceAccount, name: helm-controller, namespace: flux-system}
- {kind: ServiceAccount, name: argocd-application-controller, namespace: argocd}
- {kind: ServiceAccount, name: argocd-server, namespace: argocd}
- {kind: ServiceAccount, name: argocd-applicationset-controller, namespace: argocd}
`
