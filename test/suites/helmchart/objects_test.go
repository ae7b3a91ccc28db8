package helmchart_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/chartgate/chartgate/test/env/cluster"
)

func TestLint(t *testing.T) {
	t.Parallel()
	for name, values := range installations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := cluster.Helm(t.Context(), values, "lint", "--strict", "--values", imageValues, "--values", "-", chartDir); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestObjects: these objects and no others are rendered, each in its namespace. A test of helm-unittest
// sees one template, and not what the whole chart renders.
func TestObjects(t *testing.T) {
	t.Parallel()
	common := []string{
		"ClusterRole/chartgate", "ClusterRole/chartgate-view", "ClusterRoleBinding/chartgate", "Role/chartgate", "RoleBinding/chartgate",
		"Deployment/chartgate", "Service/chartgate", "ValidatingWebhookConfiguration/chartgate",
	}
	crds := []string{
		"CustomResourceDefinition/chartpolicies.chartgate.dev", "CustomResourceDefinition/trustedidentities.chartgate.dev",
		"CustomResourceDefinition/trustroots.chartgate.dev",
	}
	// Rights to read Secrets: everywhere, or in listed namespaces and Argo CD's.
	everywhere := []string{"ClusterRole/chartgate-secrets", "ClusterRoleBinding/chartgate-secrets"}
	full := slices.Concat(common, crds, []string{
		"ClusterRole/chartgate-secrets", "RoleBinding/chartgate-secrets", "Role/chartgate-argocd", "RoleBinding/chartgate-argocd",
		"ConfigMap/chartgate-dashboard", "ConfigMap/chartgate-identities", "ConfigMap/chartgate-trusted-root", "NetworkPolicy/chartgate",
		"PodDisruptionBudget/chartgate", "PrometheusRule/chartgate", "Service/chartgate-metrics", "ServiceAccount/other", "ServiceMonitor/chartgate",
	})
	of := installations(t)
	for name, want := range map[string][]string{
		"the defaults": slices.Concat(common, crds, everywhere, []string{
			"ConfigMap/chartgate-identities", "PodDisruptionBudget/chartgate", "Secret/chartgate-certificate", "ServiceAccount/chartgate",
		}),
		"everything, with cert-manager": slices.Concat(full, []string{
			"Certificate/chartgate", "Certificate/chartgate-ca", "Issuer/chartgate-ca", "Issuer/chartgate-self-signed",
		}),
		"everything, with an existing certificate": full,
		"cert-manager with an issuer": slices.Concat(common, crds, everywhere, []string{
			"Certificate/chartgate", "ConfigMap/chartgate-identities", "PodDisruptionBudget/chartgate", "ServiceAccount/chartgate",
		}),
		"next to nothing": slices.Concat(common, []string{"Secret/chartgate-certificate"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slices.Sort(want)
			rendered := render(t, of[name])
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(rendered))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			for key, object := range rendered {
				want, others := map[string]string{
					"RoleBinding/chartgate-secrets": "apps", "Role/chartgate-argocd": "argo", "RoleBinding/chartgate-argocd": "argo",
				}[key]
				if !others {
					want = namespace
				}
				if ns := object.GetNamespace(); ns != "" && ns != want {
					t.Errorf("%s is in namespace %s", key, ns)
				}
			}
		})
	}
}

// TestGeneratedCopies: the chart's copies are what the generators wrote, and the rendered
// definitions only add the annotation "keep".
func TestGeneratedCopies(t *testing.T) {
	t.Parallel()
	originals, err := filepath.Glob("../../../config/crd/*.yaml")
	if err != nil || len(originals) == 0 {
		t.Fatalf("config/crd: %v, %v", originals, err)
	}
	copies, _ := filepath.Glob(chartDir + "/files/crds/*")
	if len(copies) != len(originals) {
		t.Errorf("%v are not the copies of %v: run `make generate`", copies, originals)
	}
	rendered := render(t, ``)
	for _, original := range originals {
		text := read(t, original)
		if diff := cmp.Diff(text, read(t, chartDir+"/files/crds/"+filepath.Base(original))); diff != "" {
			t.Errorf("%s: run `make generate` (-original +copy):\n%s", original, diff)
		}
		for key, crd := range parse(t, text) {
			annotations := crd.GetAnnotations()
			annotations["helm.sh/resource-policy"] = "keep"
			crd.SetAnnotations(annotations)
			if diff := cmp.Diff(crd, rendered[key]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", key, diff)
			}
		}
	}
	if diff := cmp.Diff(read(t, "../../../config/rbac/role.yaml"), read(t, chartDir+"/files/role.yaml")); diff != "" {
		t.Errorf("role.yaml: run `make generate` (-original +copy):\n%s", diff)
	}
}

// TestPackageHasNoTests: the chart's tests are no part of what helm packs and installs.
func TestPackageHasNoTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := cluster.Helm(t.Context(), "", "package", chartDir, "--destination", dir, "--version", "1.2.3"); err != nil {
		t.Fatal(err)
	}
	packed, err := loader.LoadFile(filepath.Join(dir, "chartgate-1.2.3.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range packed.Raw {
		first, _, _ := strings.Cut(file.Name, "/")
		got = append(got, first)
	}
	slices.Sort(got)
	want := []string{"Chart.yaml", "README.md", "files", "templates", "values.schema.json", "values.yaml"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("files and folders (-want +got):\n%s", diff)
	}
}
