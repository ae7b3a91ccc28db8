package helmchart_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestRefusedValues(t *testing.T) {
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
		// Of the wrong type or out of range.
		`mode: warn`:                                  "mode",
		`mode: Audit`:                                 "mode",
		`mode: null`:                                  "mode",
		`replicas: "2"`:                               "replicas",
		`replicas: 0`:                                 "replicas",
		`webhook: {timeoutSeconds: 0}`:                "timeoutSeconds",
		`webhook: {timeoutSeconds: 31}`:               "timeoutSeconds",
		`maxConcurrent: 0`:                            "maxConcurrent",
		`argoGitSources: allow`:                       "argoGitSources",
		`logLevel: trace`:                             "logLevel",
		`plainHTTP: localhost`:                        "plainHTTP",
		`plainHTTP: ["http://localhost"]`:             "plainHTTP",
		`image: {digest: e5565c}`:                     "digest",
		`env: {HTTPS_PROXY: x}`:                       "env",
		`extraArgs: [serve]`:                          "extraArgs",
		`nodeSelector: {a: true}`:                     "nodeSelector",
		`podDisruptionBudget: {enabled: "y"}`:         "enabled",
		`secrets: {access: All}`:                      "access",
		`secrets: {access: Namespaces}`:               "secrets",
		`secrets: {namespaces: [apps]}`:               "secrets",
		`secrets: {access: None, namespaces: [apps]}`: "secrets",
		`argoNamespace: "*"`:                          "argoNamespace",
		`registryIdentity: [oracle]`:                  "registryIdentity",
		`registryIdentity: aws`:                       "registryIdentity",
		// Removed, so that a template would render nonsense.
		`argoGitSources: null`: "argoGitSources",
		`webhook: null`:        "webhook",
		`resources: null`:      "resources",
		// Identities that no signature can satisfy.
		`identities: {}`:        "identities",
		`identities: [{}]`:      "name",
		identity(`charts: []`):  "charts",
		identity(`x: y`):        "oneOf",
		identity(`keyless: {}`): "issuer",
		identity(`key: {}`):     "pem",
		identity(`keyless: {issuer: a, issuerRegExp: a, subject: b}`):         "oneOf",
		identity(`keyless: {issuer: a, subject: b}, key: {pem: x}`):           "oneOf",
		`identities: [{name: a, charts: ["ghcr.io/acme/**"], key: {pem: x}}]`: "charts",
		identity(`key: {pem: x, transparencyLog: Optional}`):                  "transparencyLog",
		identity(`keyless: {issuer: a, subject: b, transparencyLog: None}`):   "transparencyLog",
		// Combinations.
		`trustedRoot: {json: "{}", existingConfigMap: x}`:                                                            "trustedRoot",
		`certificates: {existingSecret: x}`:                                                                          "caBundle",
		`certificates: {caBundle: "-----BEGIN CERTIFICATE-----"}`:                                                    "existingSecret",
		`{certManager: {enabled: true}, certificates: {existingSecret: x, caBundle: "-----BEGIN CERTIFICATE-----"}}`: "existingSecret",
	})
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
