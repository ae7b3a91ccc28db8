package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
)

// What charts/chartgate calls its objects: the names are fixed.
const (
	defaultNamespace     = "chartgate-system"
	webhookConfiguration = "chartgate"
	trustedRootConfigMap = "chartgate-trusted-root"
	deploymentName       = "chartgate"
)

// clusterPolicies reads the policies of a cluster, as far as the user may read them. What is
// missing never makes a verdict milder: it is an error, or what depends on it denies.
type clusterPolicies struct {
	*cluster
	// namespace is chartgate's own.
	namespace string
	// guessed is set where nothing tells that chartgate runs in namespace.
	guessed bool
	// warn tells the user what could not be read, and what follows.
	warn func(format string, args ...any)
}

// errForbidden is for what the user may not read.
var errForbidden = errors.New("the user may not read it")

// findChartgate finds out where chartgate runs: in the namespace of the flag, else where the webhook
// configuration leads to, else where the documentation installs it.
func (c *cluster) findChartgate(ctx context.Context, namespace string, warn func(string, ...any)) (*clusterPolicies, error) {
	p := &clusterPolicies{cluster: c, namespace: namespace, warn: warn}
	if namespace != "" {
		return p, nil
	}
	p.namespace, p.guessed = defaultNamespace, true
	configuration, err := c.get(ctx, schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"}, "", webhookConfiguration)
	switch {
	case errors.Is(err, errForbidden), apierrors.IsNotFound(err):
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("find chartgate's namespace in %s: %w", c.name, err)
	}
	webhooks, _, _ := unstructured.NestedSlice(configuration.object.Object, "webhooks")
	for _, webhook := range webhooks {
		fields, _ := webhook.(map[string]any)
		if found, _, _ := unstructured.NestedString(fields, "clientConfig", "service", "namespace"); found != "" {
			p.namespace, p.guessed = found, false
			break
		}
	}
	return p, nil
}

// documents returns chartgate's resources and the identities ConfigMap. Those that files give, too,
// are left out: the files replace them.
func (c *clusterPolicies) documents(ctx context.Context, files []document) ([]document, error) {
	policies, err := c.list(ctx, "ChartPolicy")
	if err != nil {
		return nil, fmt.Errorf("read the ChartPolicies of %s: %w", c.name, err)
	}
	identities, err := c.list(ctx, "TrustedIdentity")
	switch {
	case errors.Is(err, errForbidden):
		c.warn("%s: the TrustedIdentities cannot be read: %v; a ChartPolicy that names one is invalid and denies what it matches", c.name, err)
	case err != nil:
		return nil, fmt.Errorf("read the TrustedIdentities of %s: %w", c.name, err)
	}
	found := append(policies, identities...)
	if !slices.ContainsFunc(files, document.isIdentities) {
		list, err := c.identities(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	roots, err := c.trustRoots(ctx, append(slices.Clone(files), found...))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(append(found, roots...), func(d document) bool {
		replaces := func(f document) bool {
			return f.isKind(d.object.GetKind()) && f.object.GetName() == d.object.GetName()
		}
		return slices.ContainsFunc(files, replaces)
	}), nil
}

// identities returns the identities ConfigMap. It is a policy, too: without it, charts would be
// admitted that the cluster denies.
func (c *clusterPolicies) identities(ctx context.Context) ([]document, error) {
	d, err := c.get(ctx, coreKind("ConfigMap"), c.namespace, identitiesName)
	switch {
	case apierrors.IsNotFound(err) && c.guessed:
		c.warn("%s: there is no ConfigMap %s in %s, where chartgate runs by default; if it runs elsewhere, name its namespace: --chartgate-namespace NAMESPACE", c.name, identitiesName, c.namespace)
		return nil, nil
	case apierrors.IsNotFound(err):
		return nil, nil
	case errors.Is(err, errForbidden):
		return nil, fmt.Errorf("read ConfigMap %s/%s of %s: %w; its identities may deny further charts: ask the cluster's admin for the right to get it, or give it as a file beside the cluster: --policy cluster --policy FILE", c.namespace, identitiesName, c.name, err)
	case err != nil:
		return nil, fmt.Errorf("read ConfigMap %s/%s of %s: %w", c.namespace, identitiesName, c.name, err)
	case !d.hasIdentities(): // a cluster ignores it
		return nil, nil
	}
	return []document{d}, nil
}

// trustRoots returns the TrustRoots. In place of those that cannot be read there are some that prove
// nothing, so that Sigstore's own does not take the place of "default".
func (c *clusterPolicies) trustRoots(ctx context.Context, documents []document) ([]document, error) {
	found, err := c.list(ctx, "TrustRoot")
	switch {
	case errors.Is(err, errForbidden):
		c.warn("%s: the TrustRoots cannot be read: %v; certificates and log entries prove nothing, so keyless signatures are denied", c.name, err)
	case err != nil:
		return nil, fmt.Errorf("read the TrustRoots of %s: %w", c.name, err)
	default:
		return found, nil
	}
	names := []string{evidence.DefaultTrustRoot}
	for _, d := range documents {
		if name, _, _ := unstructured.NestedString(d.object.Object, "spec", "trustRoot"); name != "" && d.isKind("TrustedIdentity") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		found = append(found, document{where: c.name, unread: errors.New("the user may not read the TrustRoots of " + c.name), object: unstructured.Unstructured{Object: map[string]any{
			"apiVersion": v1alpha1.GroupVersion().String(), "kind": "TrustRoot", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"configMapRef": map[string]any{"name": "unread"}},
		}}})
	}
	return found, nil
}

// trustedRoot returns the trust root that the installation gave to chartgate, nil without one.
func (c *clusterPolicies) trustedRoot(ctx context.Context) (*signature.Root, error) {
	name := trustedRootConfigMap
	deployment, err := c.get(ctx, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, c.namespace, deploymentName)
	known := err == nil
	switch {
	case errors.Is(err, errForbidden):
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Deployment %s/%s of %s: %w", c.namespace, deploymentName, c.name, err)
	default:
		if name = trustedRootOf(deployment); name == "" {
			return nil, nil
		}
	}
	d, err := c.get(ctx, coreKind("ConfigMap"), c.namespace, name)
	switch {
	case err != nil && !errors.Is(err, errForbidden) && !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("read ConfigMap %s/%s of %s: %w", c.namespace, name, c.name, err)
	case err != nil && known:
		return nil, fmt.Errorf("read ConfigMap %s/%s of %s, the trust root that chartgate was installed with: %w; give it as a file: --trusted-root FILE", c.namespace, name, c.name, err)
	case err != nil:
		c.warn("%s: whether chartgate was installed with a trust root of its own cannot be read; if so, give it: --trusted-root FILE", c.name)
		return nil, nil
	}
	text, _, _ := unstructured.NestedString(d.object.Object, "data", "trusted_root.json")
	root, err := signature.ParseRoot([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s of %s: trusted_root.json: %w", c.namespace, name, c.name, err)
	}
	return &root, nil
}

// trustedRootOf returns the ConfigMap with the trust root that chartgate's Deployment mounts; "" if
// there is none.
func trustedRootOf(deployment document) string {
	volumes, _, _ := unstructured.NestedSlice(deployment.object.Object, "spec", "template", "spec", "volumes")
	for _, volume := range volumes {
		fields, _ := volume.(map[string]any)
		if fields["name"] == "trusted-root" {
			name, _, _ := unstructured.NestedString(fields, "configMap", "name")
			return name
		}
	}
	return ""
}

// lookup reads what policies refer to from chartgate's namespace, live.
func (c *clusterPolicies) lookup(ctx context.Context, kind, name string) (document, error) {
	d, err := c.get(ctx, coreKind(kind), c.namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return document{}, fmt.Errorf("there is no such %s in namespace %s of %s", kind, c.namespace, c.name)
	case errors.Is(err, errForbidden):
		return document{}, fmt.Errorf("the user may not read %ss in namespace %s of %s", kind, c.namespace, c.name)
	case err != nil:
		return document{}, fmt.Errorf("the %s cannot be read from namespace %s of %s", kind, c.namespace, c.name)
	}
	return d, nil
}

func coreKind(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Version: "v1", Kind: kind}
}

// list returns all objects of a kind of chartgate.dev.
func (c *cluster) list(ctx context.Context, kind string) ([]document, error) {
	var found unstructured.UnstructuredList
	found.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(kind + "List"))
	err := c.kube.List(ctx, &found)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the cluster has no kind %s in %s: chartgate is not installed there", kind, v1alpha1.GroupVersion())
	}
	if err != nil {
		return nil, plain(err)
	}
	var documents []document
	for _, object := range found.Items {
		documents = append(documents, document{where: c.name, object: object})
	}
	return documents, nil
}

// get returns one object. apierrors.IsNotFound tells that it does not exist.
func (c *cluster) get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (document, error) {
	object := unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	if err := c.kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &object); err != nil {
		return document{}, plain(err)
	}
	return document{where: c.name, object: object}, nil
}

// plain wraps errForbidden where the user has not the right, and leaves out what the API server says
// beside that.
func plain(err error) error {
	if apierrors.IsForbidden(err) {
		_, says, _ := strings.Cut(err.Error(), "is forbidden: ")
		return fmt.Errorf("%w (%s)", errForbidden, says)
	}
	return err
}
