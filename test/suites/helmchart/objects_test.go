package helmchart_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
)

func TestLint(t *testing.T) {
	t.Parallel()
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := cluster.Helm(t.Context(), values, "lint", "--strict", "--values", imageValues, "--values", "-", chartDir); err != nil {
				t.Error(err)
			}
		})
	}
}

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
			rendered := render(t, installations[name])
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

func TestIdentities(t *testing.T) {
	t.Parallel()
	for _, values := range []string{``, everything} {
		var want, got struct {
			Identities any `json:"identities"`
		}
		if err := yaml.Unmarshal([]byte("identities: []\n"), &want); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(values), &want); err != nil {
			t.Fatal(err)
		}
		text := get[corev1.ConfigMap](t, render(t, values), "ConfigMap/chartgate-identities").Data["identities.yaml"]
		if err := yaml.UnmarshalStrict([]byte(text), &got.Identities); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("identities.yaml (-want +got):\n%s", diff)
		}
	}
}

func TestTrustedRootIsCopiedVerbatim(t *testing.T) {
	t.Parallel()
	root := "{\n  \"mediaType\": \"application/vnd.dev.sigstore.trustedroot+json;version=0.1\", \"a\": \"{{ .Values }} # \\n\"\n}\n"
	values, err := yaml.Marshal(map[string]any{"trustedRoot": map[string]any{"json": root}})
	if err != nil {
		t.Fatal(err)
	}
	rendered := render(t, string(values))
	if diff := cmp.Diff(root, get[corev1.ConfigMap](t, rendered, "ConfigMap/chartgate-trusted-root").Data["trusted_root.json"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
