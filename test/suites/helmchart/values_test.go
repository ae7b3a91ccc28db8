package helmchart_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/policy"
)

// TestClaims: the schema knows exactly the claims that chartgate knows.
func TestClaims(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(t, chartDir+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"properties", "identities", "items", "properties", "keyless", "properties", "claims", "propertyNames"} {
		schema, _ = schema[name].(map[string]any)
	}
	claims := schema["enum"].([]any)
	err := policy.CheckConfigMap(`[{name: a, charts: ["oci://r.corp/**"], keyless: {issuer: "https://i", subject: s, claims: {x: z}}}]`).ToAggregate()
	if err == nil {
		t.Fatal("chartgate knows a claim x")
	}
	known := regexp.MustCompile(`"[a-zA-Z]+"`).FindAllString(err.Error()[strings.LastIndex(err.Error(), "supported values"):], -1)
	if len(known) != len(claims) {
		t.Errorf("chartgate knows %v, the schema %v", known, claims)
	}
	for _, claim := range claims {
		if !strings.Contains(err.Error(), `"`+claim.(string)+`"`) {
			t.Errorf("chartgate does not know the claim %s", claim)
		}
	}
}

// TestIdentitiesCompile: chartgate reads what the chart renders from good values.
func TestIdentitiesCompile(t *testing.T) {
	t.Parallel()
	for name, values := range installations(t) {
		rendered := render(t, values)
		if rendered["ConfigMap/chartgate-identities"] == nil {
			continue
		}
		text := get[corev1.ConfigMap](t, rendered, "ConfigMap/chartgate-identities").Data[policy.IdentitiesKey]
		if err := policy.CheckConfigMap(text).ToAggregate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadme: the README's table has exactly the values of values.yaml, with their defaults.
func TestReadme(t *testing.T) {
	t.Parallel()
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, chartDir+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]*)` \\| .+ \\|$").FindAllStringSubmatch(read(t, chartDir+"/README.md"), -1) {
		got[row[1]] = row[2]
	}
	if diff := cmp.Diff(leaves(t, "", values), got); diff != "" {
		t.Errorf("README.md (-values.yaml +README.md):\n%s", diff)
	}
}

// leaves are the values by path, as JSON. An empty map is a leaf.
func leaves(t *testing.T, path string, value any) map[string]string {
	t.Helper()
	result := map[string]string{}
	if fields, ok := value.(map[string]any); ok && len(fields) > 0 {
		for name, field := range fields {
			maps.Copy(result, leaves(t, strings.TrimPrefix(path+"."+name, "."), field))
		}
		return result
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	result[path] = string(text)
	return result
}
