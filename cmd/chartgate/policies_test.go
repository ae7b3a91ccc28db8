package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
)

func TestLoadPolicies(t *testing.T) {
	const broken = "\napiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: broken}\nspec: {match: {charts: [\"oci://ghcr.io/broken/**\"]}, require: [{anyOf: [absent]}]}\n"
	for _, c := range []struct {
		sentence string
		files    map[string]string
		matching map[string]int // policies by repository of a chart
		warns    string
		fails    string
	}{
		{"policies and identities in two files", map[string]string{"a.yaml": acmePolicy, "b.yml": releaseIdentity}, map[string]int{"acme": 1, "other": 0}, "", ""},
		{"policies as JSON", map[string]string{"a.json": `{"apiVersion":"chartgate.dev/v1alpha1","kind":"ChartPolicy","metadata":{"name":"acme"},"spec":{"match":{"charts":["oci://ghcr.io/acme/**"]},"require":[{"anyOf":["release"]}]}}`, "b.yaml": releaseIdentity},
			map[string]int{"acme": 1}, "", ""},
		{"other files of a directory are left alone", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity), "README.md": "x", "c.yaml.bak": "x"}, map[string]int{"acme": 1}, "", ""},
		{"subdirectories are read", map[string]string{"identities/a.yaml": releaseIdentity, "policies/team/b.yaml": acmePolicy}, map[string]int{"acme": 1}, "", ""},
		{"what is not a Kubernetes object is passed over, and told", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity), "values.yaml": "a: b"}, map[string]int{"acme": 1}, "values.yaml: document 1: not a Kubernetes object", ""},
		{"what cannot be read and mentions a policy fails", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity), "b.yaml": "kind: ChartPolicy\nspec: {{ .Values.x }}"}, nil, "", "b.yaml: document 1: "},
		{"another ConfigMap is passed over, and told", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity, "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n")}, map[string]int{"acme": 1}, "ConfigMap x has no key", ""},
		{"a Secret that SOPS has encrypted is passed over, and told", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity, "\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: \"ENC[AES256_GCM]\"}\nsops: {}\n")}, map[string]int{"acme": 1}, "encrypted by SOPS", ""},
		{"kustomization.yaml is left alone", map[string]string{"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n", "a.yaml": documentsOf(acmePolicy, releaseIdentity)}, map[string]int{"acme": 1}, "", ""},
		{"a ConfigMap", map[string]string{"a.yaml": identityList}, map[string]int{"acme": 1, "other": 0}, "", ""},
		{"a ConfigMap beside policies", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity, identityList)}, map[string]int{"acme": 2}, "", ""},
		{"an empty directory holds no policies", nil, nil, "", "no policies found in "},
		{"identities without a policy", map[string]string{"a.yaml": releaseIdentity}, nil, "", "no policies found in "},
		{"a policy that is invalid denies what it matches, and is told", map[string]string{"a.yaml": broken}, map[string]int{"broken": 1, "acme": 0}, ": ChartPolicy broken is invalid and denies what it matches: spec", ""},
		{"an identity that is invalid is told", map[string]string{"a.yaml": acmePolicy + "---" + strings.Replace(releaseIdentity, "subject: release", "subjects: release", 1)}, nil, "", `unknown field`},
		{"an identity that is nobody is told", map[string]string{"a.yaml": acmePolicy + "---" + releaseIdentity[:strings.Index(releaseIdentity, "spec")] + "spec: {}\n"}, nil, ": TrustedIdentity release is invalid: spec: exactly one of keyless and key must be set\n", ""},
		{"an invalid ConfigMap denies every chart, and is told", map[string]string{"a.yaml": strings.Replace(identityList, "charts", "chart", 1)}, map[string]int{"acme": 1, "other": 1}, "warning: the identities ConfigMap is invalid and denies every chart: ", ""},
		{"two ConfigMaps", map[string]string{"a.yaml": identityList, "b.yaml": identityList}, nil, "", "there are two identities ConfigMaps"},
		{"a ConfigMap without the key", map[string]string{"a.yaml": strings.Replace(identityList, "identities.yaml", "identities.yml", 1)}, nil, "", "has no key identities.yaml"},
		{"an unknown field of a policy", map[string]string{"a.yaml": strings.Replace(acmePolicy, "require", "requires", 1)}, nil, "", `unknown field`},
		{"a field in the wrong case", map[string]string{"a.yaml": strings.Replace(acmePolicy, "require", "Require", 1)}, nil, "", `unknown field`},
		{"a field that is given twice", map[string]string{"a.yaml": strings.Replace(acmePolicy, "spec:", "spec: {}\nspec:", 1)}, nil, "", "a.yaml: document 1: "},
		{"a kind that is no policy is passed over, and told", map[string]string{"a.yaml": documentsOf(acmePolicy, releaseIdentity, acmeRepository)}, map[string]int{"acme": 1}, "kind HelmRepository is not a policy", ""},
		{"a version that does not exist", map[string]string{"a.yaml": strings.Replace(acmePolicy, "v1alpha1", "v1", 1), "b.yaml": releaseIdentity}, nil, "",
			"a.yaml: document 1: apiVersion chartgate.dev/v1 does not exist: write apiVersion: chartgate.dev/v1alpha1 for the ChartPolicy"},
		{"another version that does not exist, of an identity", map[string]string{"a.yaml": acmePolicy, "b.yaml": strings.Replace(releaseIdentity, "v1alpha1", "v1beta1", 1)}, nil, "",
			"b.yaml: document 1: apiVersion chartgate.dev/v1beta1 does not exist"},
		{"policies of nothing but a version that does not exist", map[string]string{"a.yaml": strings.Replace(acmePolicy, "v1alpha1", "v1", 1)}, nil, "", "apiVersion chartgate.dev/v1 does not exist"},
		{"policies of nothing but another group", map[string]string{"a.yaml": strings.Replace(acmePolicy, "chartgate.dev/", "evil.example/", 1)}, nil, "",
			"a.yaml: document 1: kind ChartPolicy is not a policy with apiVersion evil.example/v1alpha1: write apiVersion: chartgate.dev/v1alpha1"},
		{"policies of nothing but a kind that does not exist", map[string]string{"a.yaml": strings.Replace(acmePolicy, "ChartPolicy", "ChartPolicies", 1)}, nil, "",
			"kind ChartPolicies is not a policy: the kinds of chartgate.dev are ChartPolicy, TrustedIdentity, TrustRoot"},
		{"a policy without a name", map[string]string{"a.yaml": strings.Replace(acmePolicy, "name: acme", "", 1)}, nil, "", "a.yaml: document 1: the ChartPolicy has no metadata.name"},
		{"a policy whose name cannot be stored", map[string]string{"a.yaml": strings.Replace(acmePolicy, "name: acme", "name: Acme_1", 1)}, nil, "",
			`a.yaml: document 1: ChartPolicy "Acme_1": metadata.name must consist of lower-case letters`},
		{"an identity whose name cannot be stored", map[string]string{"a.yaml": acmePolicy, "b.yaml": strings.Replace(releaseIdentity, "name: release", "name: re lease", 1)}, nil, "",
			`b.yaml: document 1: TrustedIdentity "re lease": metadata.name must consist of`},
		{"two policies of one name", map[string]string{"a.yaml": acmePolicy, "b.yaml": releaseIdentity, "c.yaml": strings.Replace(acmePolicy, "/acme/", "/other/", 1)}, nil, "",
			"c.yaml: document 1"},
		{"the same policy twice", map[string]string{"a.yaml": acmePolicy, "b.yaml": releaseIdentity, "c.yaml": acmePolicy}, map[string]int{"acme": 1}, "", ""},
		{"a ConfigMap of another name", map[string]string{"a.yaml": strings.Replace(identityList, "chartgate-identities", "mine", 1)}, map[string]int{"acme": 1},
			"a.yaml: document 1: ConfigMap mine is used as the identities ConfigMap; a cluster reads only chartgate-identities", ""},
		{"a number for a text", map[string]string{"a.yaml": strings.Replace(acmePolicy, "[release]", "[1]", 1)}, nil, "", "a.yaml: document 1: ChartPolicy acme: spec.require"},
		{"a text for a list", map[string]string{"a.yaml": strings.Replace(acmePolicy, `["oci://ghcr.io/acme/**"]`, "x", 1)}, nil, "", "spec.match.charts: must be a list, and is a text"},
		{"a kind of another group", map[string]string{"b.yaml": acmePolicy, "a.yaml": strings.Replace(acmePolicy, "chartgate.dev/", "evil.example/", 1)}, nil, "", "kind ChartPolicy is not a policy"},
		{"an unknown kind of our group", map[string]string{"b.yaml": acmePolicy, "a.yaml": strings.Replace(acmePolicy, "ChartPolicy", "TrustRing", 1)}, nil, "", "kind TrustRing is not a policy"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := (&shop{host: "ghcr.io"}).files(t, c.files)
			var warned strings.Builder
			loaded, err := (&policyFlags{paths: []string{dir}}).load(t.Context(), strings.NewReader(""), &warned)
			switch {
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Fatalf("want %q, got %v", c.fails, err)
			case c.fails != "":
				if strings.Contains(err.Error(), "Go ") {
					t.Errorf("it speaks of Go: %v", err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if (c.warns == "") != (warned.Len() == 0) || !strings.Contains(warned.String(), c.warns) {
				t.Errorf("warned of %q", warned.String())
			}
			got := map[string]int{}
			for repository := range c.matching {
				location, err := chart.ParseLocation("oci://ghcr.io/" + repository + "/x")
				if err != nil {
					t.Fatal(err)
				}
				got[repository] = len(loaded.Current().For(location).Policies())
			}
			if diff := cmp.Diff(c.matching, got); len(c.matching) > 0 && diff != "" {
				t.Error(diff)
			}
		})
	}
}
