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
	"github.com/chartgate/chartgate/test/env/cluster"
)

// TestSchema: what the schema refuses, in its own words.
func TestSchema(t *testing.T) {
	t.Parallel()
	identity := func(rest string) string { return `identities: [{name: a, charts: ["oci://r.corp/**"], ` + rest + `}]` }
	refuses(t, map[string]string{
		// Unknown, at every depth.
		`failurePolicy: Ignore`:                       "failurePolicy",
		`webhook: {failurePolicy: Ignore}`:            "failurePolicy",
		`webhook: {namespaceSelector: {}}`:            "namespaceSelector",
		`metrics: {serviceMonitor: {enable: true}}`:   "enable",
		`certManager: {issuerRef: {nam: x}}`:          "nam",
		`imagePullSecrets: [{nam: x}]`:                "nam",
		identity(`key: {pem: x, tlog: false}`):        "tlog",
		identity(`keyless: {issuers: a, subject: b}`): "issuers",
		// Of the wrong type, or none of the choices.
		`mode: warn`:                          "'Enforce', 'Warn'",
		`mode: Audit`:                         "'Enforce', 'Warn'",
		`mode: null`:                          "mode",
		`replicas: "2"`:                       "got string, want integer",
		`webhook: {timeoutSeconds: 10s}`:      "got string, want integer",
		`image: {tag: 0.1}`:                   "got number, want string",
		`maxConcurrent: 0`:                    "minimum: got 0, want 1",
		`argoGitSources: allow`:               "'Allow', 'Deny'",
		`logLevel: trace`:                     "'debug', 'info', 'error'",
		`plainHTTP: localhost`:                "got string, want array",
		`artifactWriters: a,b`:                "got string, want array",
		`env: {HTTPS_PROXY: x}`:               "got object, want array",
		`nodeSelector: {a: true}`:             "got boolean, want string",
		`podDisruptionBudget: {enabled: "y"}`: "got string, want boolean",
		`secrets: {access: All}`:              "'Cluster', 'Namespaces', 'None'",
		`registryIdentity: [oracle]`:          "'aws', 'azure', 'gcp'",
		`registryIdentity: aws`:               "got string, want array",
		`registry: {mirrors: ["a=b"]}`:        "got array, want object",
		`registry: {mirrors: {ghcr.io: {}}}`:  "got object, want string",
		`networkPolicy: {webhookFrom: x}`:     "got string, want array",
		`topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]`: "topologyKey",
		`audit: {interval: hourly}`: "'/audit/interval': 'hourly'",
		`audit: {interval: -1h}`:    "'/audit/interval': '-1h'",
		`audit: {interval: 1}`:      "'/audit/interval': got number, want string",
		`reports: {enabled: "no"}`:  "'/reports/enabled': got string, want boolean",
		// Removed, so that a template would render nonsense.
		`argoGitSources: null`:    "argoGitSources",
		`webhook: null`:           "webhook",
		`resources: null`:         "resources",
		`registry: {proxy: null}`: "proxy",
		// Identities.
		`identities: {}`:    "got object, want array",
		`identities: [{}]`:  "'name', 'charts'",
		identity(`key: {}`): "pem",
		identity(`key: {pem: x, transparencyLog: Optional}`):                     "'Required', 'NotRequired'",
		identity(`keyless: {issuer: a, subject: b, claims: {repository: x}}`):    "'sourceRepositoryURI'",
		identity(`keyless: {issuer: a, subject: b, claims: {buildTrigger: ""}}`): "minLength",
	})
}

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
	for name, values := range installations {
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

// TestSeveralMistakes are told together, and nothing else is.
func TestSeveralMistakes(t *testing.T) {
	t.Parallel()
	_, err := cluster.Helm(t.Context(), `{replicas: 0, argoUsers: [argocd]}`, "template", chartDir, "--values", "-")
	if err == nil {
		t.Fatal("accepted")
	}
	want := `chartgate cannot work with these values:
- image.repository is empty, because this chart is from a checkout: install the released chart, which names its image, or set image.repository to an image of your own, as in registry.corp.example/chartgate
- argoUsers[0] is "argocd": write system:serviceaccount:NAMESPACE:NAME, as in system:serviceaccount:argocd:argocd-application-controller
- replicas is 0: write at least 1, better 2; without pods every write that changes a chart is denied. To open the gate, uninstall the release
`
	_, got, _ := strings.Cut(err.Error(), "\n\n")
	if _, after, found := strings.Cut(err.Error(), "chartgate cannot work"); found {
		got = "chartgate cannot work" + after
	}
	if !strings.HasPrefix(strings.TrimSpace(got)+"\n", want) {
		t.Error(cmp.Diff(want, got))
	}
}

// As a dependency, the chart gets a value "global" from Helm.
func TestAcceptedAsADependency(t *testing.T) {
	t.Parallel()
	template(t, `global: {region: eu}`)
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
