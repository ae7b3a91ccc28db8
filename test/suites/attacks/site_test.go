package attacks_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// Who writes.
const (
	admin            = "" // system:masters
	editor           = "jane"
	tenant           = "bob" // of the namespace team-b
	sourceController = "system:serviceaccount:flux-system:source-controller"
	helmController   = "system:serviceaccount:flux-system:helm-controller"
	argoController   = "system:serviceaccount:argocd:argocd-application-controller"
	argoServer       = "system:serviceaccount:argocd:argocd-server"
	// Service accounts that a tenant made in a namespace of his own.
	falseSourceController = "system:serviceaccount:apps:source-controller"
	falseArgoController   = "system:serviceaccount:apps:argocd-application-controller"
)

// site is a cluster with chartgate in it, and a registry.
type site struct {
	*cluster.Cluster
	*people
	registry *registrytest.Registry
	gate     *cluster.Process
	names    *strings.Replacer // of rows → of this machine
	public   *strings.Replacer // and back
}

func openSite(ctx context.Context, crds []string) (*site, error) {
	w := &site{registry: registrytest.New(registrytest.Options{})}
	var err error
	if w.people, err = thePeople(); err != nil {
		return w, err
	}
	if err := w.publish(); err != nil {
		return w, err
	}
	if w.Cluster, err = cluster.Start(ctx, crds, []string{"apps", "argocd", "team-b", "flux-system"}); err != nil {
		return w, err
	}
	if err := w.teachRefresh(ctx); err != nil {
		return w, err
	}
	root, err := w.TrustedRoot()
	if err != nil {
		return w, err
	}
	install, err := w.Install(ctx, map[string]any{
		"plainHTTP":   []string{w.registry.Host()},
		"trustedRoot": map[string]any{"json": string(root)},
	}, false)
	if err != nil {
		return w, err
	}
	// They are there before chartgate starts, so they are in force as soon as it is ready.
	if err := w.applyRolesAndPolicies(ctx); err != nil {
		return w, err
	}
	w.gate, err = install.Run(ctx)
	return w, err
}

func (w *site) applyRolesAndPolicies(ctx context.Context) error {
	objects, err := cluster.Objects(roles)
	if err != nil {
		return err
	}
	policies, err := w.policies()
	if err != nil {
		return err
	}
	return w.Apply(ctx, append(objects, policies...)...)
}

// teachRefresh adds the field retry.refresh to the definition of Applications, which Argo CD has since 3.1; the one in
// bin/ is of 2.14.
func (w *site) teachRefresh(ctx context.Context) error {
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	err := w.Client.Get(ctx, client.ObjectKey{Name: "applications.argoproj.io"}, definition)
	if apierrors.IsNotFound(err) {
		return nil // a cluster without Argo CD
	}
	if err != nil {
		return err
	}
	const schema = "/spec/versions/0/schema/openAPIV3Schema/properties"
	var changes []string
	for _, operation := range []string{"/operation", "/status/properties/operationState/properties/operation"} {
		changes = append(changes, fmt.Sprintf(`{"op":"add","path":%q,"value":{"type":"boolean"}}`, schema+operation+"/properties/retry/properties/refresh"))
	}
	return w.Client.Patch(ctx, definition, client.RawPatch(types.JSONPatchType, []byte("["+strings.Join(changes, ",")+"]")))
}

// Stop stops chartgate, which must end well, and the cluster.
func (w *site) Stop() error {
	var errs []error
	if w.gate != nil {
		errs = append(errs, w.gate.Stop())
	}
	if w.Cluster != nil {
		errs = append(errs, w.Cluster.Stop())
	}
	w.registry.Close()
	return errors.Join(errs...)
}

// policies are those of policies_test.go as objects.
func (w *site) policies() ([]*unstructured.Unstructured, error) {
	pem, err := w.key.PEM()
	if err != nil {
		return nil, err
	}
	in := policies(w.registry.Host(), string(pem))
	var objects []*unstructured.Unstructured
	for i := range in.Identities {
		object, err := toObject("TrustedIdentity", &in.Identities[i])
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	for i := range in.Policies {
		object, err := toObject("ChartPolicy", &in.Policies[i])
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func toObject(kind string, typed any) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	o := &unstructured.Unstructured{Object: fields}
	o.SetAPIVersion(v1alpha1.Group + "/v1alpha1")
	o.SetKind(kind)
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	return o, nil
}

// published are the charts that rows name, and whether they are signed. In YAML, digest(charts/podinfo:1.0.0) and
// layer(charts/podinfo:1.0.0) are those of a chart.
func published() map[string]sigstore.Signer {
	return map[string]sigstore.Signer{
		"charts/podinfo:1.0.0": acme(), "charts/podinfo:1.1.0": acme(), "charts/podinfo:0.9.0": nil, "charts/podinfo:2.0.0": nil,
		"charts/other:1.0.0": acme(), "charts/other:1.1.0": nil, "charts/unsigned:1.0.0": nil, "charts/stranger:1.0.0": mallory(),
		"mirror/podinfo:1.0.0": nil, "mirror/other:1.0.0": acme(), "floating/app:1.0.0": acme(), "floating/app:2.0.0": nil,
		"charts/moved:1.0.0": acme(), "digest/app:1.0.0": acme(), "waived/app:1.0.0": nil, "evil/podinfo:1.0.0": nil,
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
		names = append(names, "digest("+place+")", digest, "layer("+place+")", layer)
		public = append(public, digest, "digest("+place+")", layer, "layer("+place+")")
		if by == nil {
			continue
		}
		bundle, err := w.Bundle(by, digest, sigstore.SignPredicateType, nil)
		if err != nil {
			return err
		}
		repo, _, _ := strings.Cut(place, ":")
		if _, err := w.registry.AttachBundle(repo, digest, bundle, nil); err != nil {
			return err
		}
	}
	for _, repo := range []string{"charts/manifests", "charts/raw", "evil/manifests"} {
		digest, err := w.publishManifests(repo)
		if err != nil {
			return err
		}
		names = append(names, "digest("+repo+":1.0.0)", digest)
		if repo != "charts/manifests" {
			continue // nobody has signed these
		}
		bundle, err := w.Bundle(acme(), digest, sigstore.SignPredicateType, nil)
		if err != nil {
			return err
		}
		if _, err := w.registry.AttachBundle(repo, digest, bundle, nil); err != nil {
			return err
		}
	}
	w.names, w.public = strings.NewReplacer(names...), strings.NewReplacer(public...)
	return nil
}

// push pushes a chart whose content the message decides.
func (w *site) push(place, message string) (digest, layer string, err error) {
	repo, tag, _ := strings.Cut(place, ":")
	archive, err := charts.Archive(path.Base(repo), tag, charts.File{Name: "values.yaml", Body: "message: " + message + "\n"})
	if err != nil {
		return "", "", err
	}
	return w.registry.PushChart(repo, tag, archive)
}

// repush moves a tag to another chart, which nobody has signed.
func (w *site) repush(t *testing.T, place string) {
	t.Helper()
	if _, _, err := w.push(place, "mallory"); err != nil {
		t.Fatal(err)
	}
}

// publishManifests pushes what `flux push artifact` does: Kubernetes manifests, and no chart.
func (w *site) publishManifests(repo string) (digest string, err error) {
	config, err := w.registry.PushBlob(repo, []byte("{}"))
	if err != nil {
		return "", err
	}
	layer, err := w.registry.PushBlob(repo, []byte(repo))
	if err != nil {
		return "", err
	}
	return w.registry.PushManifest(repo, "1.0.0", manifestType, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,
		"config":{"mediaType":"application/vnd.cncf.flux.config.v1+json","digest":%q,"size":2},
		"layers":[{"mediaType":"application/vnd.cncf.flux.content.v1.tar+gzip","digest":%q,"size":%d}]}`, manifestType, config, layer, len(repo)))
}

// as is a client that writes as a user.
func (w *site) as(user string, warnings *recorder) (dynamic.Interface, error) {
	config := rest.CopyConfig(w.Config)
	config.WarningHandlerWithContext = warnings
	if user != admin {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groupsOf(user)}
	}
	return dynamic.NewForConfig(config)
}

// groupsOf are those that the API server itself would give the user.
func groupsOf(user string) []string {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	return groups
}

// roles: flux-edit is Flux's own, word for word. Everybody who edits a namespace has it.
const roles = `
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
`
