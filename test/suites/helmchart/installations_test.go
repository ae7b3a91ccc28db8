package helmchart_test

import "strings"

// installations are values of several installations. Each is linted, and given to a real API
// server.
var installations = map[string]string{
	"the defaults": ``,
	"a first installation": `
mode: Warn
`,
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
audit: {interval: "0"}
reports: {enabled: false}
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
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEehsSQWlNNN9XO5UNZw2/AO8Ful8t
      d9rA2khzn8NsaVuDY8PHooNiijd9c7A2JozrY5w2mFNx8lFrfDSyDvaBRQ==
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
tracing: {otlpEndpoint: "http://collector.monitoring:4318"}
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
extraArgs: ["--key-refresh=1h"]
env: [{name: NO_PROXY, value: 10.0.0.1}]
extraVolumes: [{name: ca, configMap: {name: corp-ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/corp-ca}]
metrics: {pprof: true, dashboard: {enabled: true}, rules: {enabled: true, labels: {prometheus: main}}, serviceMonitor: {enabled: true, interval: 30s, labels: {prometheus: main}}}
networkPolicy: {enabled: true, egress: [{ports: [{port: 443}]}]}
`

const someDigest = "e5565c0d0d0b5b0a8a5c9c1f3c3c1fba1d5a3a1b2c3d4e5f60718293a4b5c6d7"

const someCertificate = `-----BEGIN CERTIFICATE-----
MIIBbjCCARSgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDEwdjb3JwLWNh
-----END CERTIFICATE-----`
