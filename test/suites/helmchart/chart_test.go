// Package chart_test holds the Helm chart to its promises: what it renders, what it refuses, and how it behaves when
// helm installs, upgrades and uninstalls it on a real API server.
package helmchart_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../../charts/chartgate"
	namespace = "chartgate-system"
)

// tool is a program that `make tools` builds. Without it nothing is tested, which is a failure.
func tool(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run `make tools`", err)
	}
	return path
}

// env is an environment variable or its default.
func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func helmBinary(t *testing.T) string {
	t.Helper()
	return tool(t, env("HELM", "../../../bin/helm"))
}

// run returns standard output; standard error comes back as the error's text, or by itself.
func run(stdin, name string, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

// template renders the chart with values, as YAML text.
func template(t *testing.T, values string) string {
	t.Helper()
	stdout, stderr, err := run(values, helmBinary(t), "template", "chartgate", chartDir, "--namespace", namespace, "--values", "-")
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, stderr)
	}
	return stdout
}

// manifests are rendered objects by "Kind/name".
type manifests map[string]*unstructured.Unstructured

func render(t *testing.T, values string) manifests {
	t.Helper()
	return parse(t, template(t, values))
}

func parse(t *testing.T, text string) manifests {
	t.Helper()
	result := manifests{}
	for _, object := range parseAll(t, text) {
		key := object.GetKind() + "/" + object.GetName()
		if result[key] != nil {
			t.Fatalf("%s is rendered twice", key)
		}
		result[key] = object
	}
	return result
}

// parseAll returns rendered objects in order.
func parseAll(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var result []*unstructured.Unstructured
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.Object != nil {
			result = append(result, object)
		}
	}
	return result
}

// get converts a rendered object to its Go type, strictly.
func get[T any](t *testing.T, m manifests, key string) T {
	t.Helper()
	var typed T
	if m[key] == nil {
		t.Fatalf("%s is not rendered", key)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(m[key].Object, &typed, true); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return typed
}

// Values of several installations. Each is linted, and given to a real API server.
var installations = map[string]string{
	"the defaults": ``,
	"everything, with cert-manager": `
certManager: {enabled: true}
` + everything,
	"everything, with an existing certificate": `
certificates:
  existingSecret: my-certificate
  caBundle: |
    ` + strings.ReplaceAll(someCertificate, "\n", "\n    ") + `
` + everything,
	"cert-manager with an issuer": `
certManager: {enabled: true, issuerRef: {name: corp, kind: ClusterIssuer}}
`,
	"next to nothing": `
identitiesConfigMap: {create: false}
trustedRoot: {existingConfigMap: corp-root}
serviceAccount: {create: false, name: other}
resources: {limits: null}
priorityClassName: ""
podDisruptionBudget: {enabled: false}
crds: {install: false}
secrets: {access: None}
argoNamespace: argocd
`,
}

const everything = `
identities:
- name: acme-release
  charts: ["oci://ghcr.io/acme/charts/**"]
  keyless:
    issuer: https://token.actions.githubusercontent.com
    subjectRegExp: 'https://github\.com/acme/.*'
    claims: {sourceRepositoryURI: "https://github.com/acme/charts"}
- name: acme-key
  charts: ["oci://ghcr.io/acme/other"]
  key:
    transparencyLog: NotRequired
    pem: |
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
      -----END PUBLIC KEY-----
trustedRoot:
  json: |
    {
      "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    }
argoGitSources: Deny
argoNamespace: argo
secrets: {access: Namespaces, namespaces: [apps]}
registryIdentity: [aws, gcp]
plainHTTP: ["localhost:5000", registry.test]
maxConcurrent: 8
logLevel: debug
webhook: {timeoutSeconds: 30}
replicas: 3
image: {repository: registry.corp/chartgate, digest: "sha256:` + someDigest + `", pullPolicy: Always}
imagePullSecrets: [{name: pull}]
serviceAccount: {name: other, annotations: {cloud/role: chartgate}}
resources: {limits: {cpu: 2}}
podDisruptionBudget: {maxUnavailable: 50%}
topologySpreadConstraints:
- {topologyKey: rack, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app.kubernetes.io/name: chartgate}}}
nodeSelector: {pool: system}
tolerations: [{operator: Exists}]
affinity: {podAntiAffinity: {}}
podLabels: {team: platform}
podAnnotations: {note: "true"}
extraArgs: ["--missing-source=Deny"]
env: [{name: NO_PROXY, value: 10.0.0.1}]
extraVolumes: [{name: ca, configMap: {name: corp-ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/corp-ca}]
metrics: {serviceMonitor: {enabled: true, interval: 30s, labels: {prometheus: main}}}
networkPolicy: {enabled: true, egress: [{ports: [{port: 443}]}]}
`

const someDigest = "e5565c0d0d0b5b0a8a5c9c1f3c3c1fba1d5a3a1b2c3d4e5f60718293a4b5c6d7"

const someCertificate = `-----BEGIN CERTIFICATE-----
MIIBbjCCARSgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDEwdjb3JwLWNh
-----END CERTIFICATE-----`
