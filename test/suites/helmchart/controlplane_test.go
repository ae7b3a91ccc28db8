package helmchart_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops the control plane.
func TestMain(m *testing.M) { harness.Main(m, &shared) }

var shared harness.Shared[*cluster.Cluster]

// controlPlane is an API server that admits, validates and authorizes, without a node. All tests
// share it, one after the other; no test runs in parallel.
type controlPlane struct {
	*cluster.Cluster
	t *testing.T
}

// theControlPlane has the definitions of an older Flux, which serves old versions too, of Argo CD,
// cert-manager and Prometheus, and a "restricted" release namespace in which nothing is installed.
func theControlPlane(t *testing.T) *controlPlane {
	t.Helper()
	c := &controlPlane{t: t, Cluster: shared.Get(t, startControlPlane)}
	t.Cleanup(c.clean)
	return c
}

func startControlPlane(ctx context.Context) (*cluster.Cluster, error) {
	others, err := filepath.Abs("testdata/crds")
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{
		CRDs: []string{"crds/flux-old", "crds/argo", others}, Namespaces: []string{"apps", "argo", "argocd", "flux-system"},
	})
	if err != nil {
		return c, err
	}
	_, err = c.Kubectl(ctx, "", "label", "namespace", namespace,
		"pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
	return c, err
}

// clean removes what a test has left behind: the release, chartgate's own definitions, which helm
// keeps, and everything in the namespaces.
func (c *controlPlane) clean() {
	ctx := context.Background() // the test's is over by now
	_, err := cluster.Helm(ctx, "", "uninstall", "chartgate", "--ignore-not-found", "--kubeconfig", c.Kubeconfig, "--namespace", namespace)
	if err != nil {
		c.t.Error(err)
	}
	const own = "chartpolicies.chartgate.dev,trustedidentities.chartgate.dev,trustroots.chartgate.dev"
	commands := [][]string{
		{"delete", "validatingwebhookconfiguration", "chartgate"},
		append([]string{"delete", "crd"}, strings.Split(own, ",")...),
		{"label", "namespace", "apps", "chartgate.dev/skip-", "control-plane-"},
	}
	const kinds = "secrets,configmaps,leases,serviceaccounts,helmreleases,helmrepositories,helmcharts,ocirepositories,gitrepositories,applications"
	for _, in := range []string{namespace, "apps", "argo", "argocd", "flux-system"} {
		commands = append(commands, []string{"delete", kinds, "--all", "--namespace", in})
	}
	for _, command := range commands {
		if command[0] == "delete" {
			command = append(command, "--ignore-not-found")
		}
		if _, err := c.Kubectl(ctx, "", command...); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *controlPlane) create(object client.Object) {
	c.t.Helper()
	if err := c.Client.Create(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

func (c *controlPlane) get(name string, object client.Object) {
	c.t.Helper()
	if err := c.Client.Get(c.t.Context(), c.key(name, object), object); err != nil {
		c.t.Fatal(err)
	}
}

func (c *controlPlane) gone(name string, object client.Object) bool {
	c.t.Helper()
	err := c.Client.Get(c.t.Context(), c.key(name, object), object)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	return apierrors.IsNotFound(err)
}

func (c *controlPlane) key(name string, object client.Object) types.NamespacedName {
	c.t.Helper()
	namespaced, err := c.Client.IsObjectNamespaced(object)
	if err != nil {
		c.t.Fatal(err)
	}
	if namespaced {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	return types.NamespacedName{Name: name}
}

// helm runs helm on the release namespace, and returns what it prints.
func (c *controlPlane) helm(values string, args ...string) (stdout string) {
	c.t.Helper()
	out, err := c.tryHelm(values, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Stdout
}

// tryHelm is helm for what may fail.
func (c *controlPlane) tryHelm(values string, args ...string) (cluster.Output, error) {
	c.t.Helper()
	if args[0] != "uninstall" {
		args = slices.Insert(args, 1, "--values", imageValues)
	}
	return cluster.Helm(c.t.Context(), values, append(args, "--kubeconfig", c.Kubeconfig, "--namespace", namespace)...)
}

// kubectl runs kubectl as the admin, and returns its warnings.
func (c *controlPlane) kubectl(stdin string, args ...string) (stderr string) {
	c.t.Helper()
	out, err := c.Kubectl(c.t.Context(), stdin, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Stderr
}

func (c *controlPlane) policy(name string) *unstructured.Unstructured {
	return object("chartgate.dev/v1alpha1", "ChartPolicy", "", name, map[string]any{
		"match":           map[string]any{"charts": []any{"oci://**"}},
		"allowUnverified": map[string]any{"reason": "test", "until": "2027-01-31"},
	})
}

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	result := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	result.SetNamespace(namespace)
	result.SetName(name)
	if spec != nil {
		result.Object["spec"] = spec
	}
	return result
}
