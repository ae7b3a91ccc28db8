package helmchart_test

import (
	"strings"
	"testing"
)

// TestMistakes: values that cannot work are refused at installation, with a sentence that says what
// to write instead.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const charts = `charts: ["oci://r.corp/**"]`
	identity := func(rest string) string { return `identities: [{name: a, ` + charts + `, ` + rest + `}]` }
	keyless := func(fields string) string { return identity(`keyless: {` + fields + `}`) }
	pattern := func(text string) string {
		return `identities: [{name: a, charts: ["` + text + `"], keyless: {issuer: "https://i.corp", subject: s}}]`
	}
	const incomplete = "it must begin with -----BEGIN CERTIFICATE----- and end with -----END CERTIFICATE-----"
	for _, c := range []struct{ sentence, values, want string }{
		{"an image that is not named", `image: {repository: ""}`, `image.repository is empty, because this chart is from a checkout: install the released chart, which names its image, or set image.repository to an image of your own`},
		{"an image with a scheme", `image: {repository: "https://r.corp/c"}`, `image.repository is "https://r.corp/c": write it without "https://"`},
		{"an image with its tag", `image: {repository: "r.corp/c:0.1.0"}`, `image.repository is "r.corp/c:0.1.0": write what follows the last colon into image.tag`},
		{"an image with its digest", `image: {repository: "r.corp/c@sha256:1"}`, `write what follows @ into image.digest`},
		{"an image in capitals", `image: {repository: r.corp/Chartgate}`, `write REGISTRY/PATH in lower-case letters`},
		{"a digest as tag", `image: {tag: "sha256:e5565c"}`, `image.tag is "sha256:e5565c": write a tag alone, as in 0.1.0, and a digest into image.digest`},
		{"half a digest", `image: {digest: e5565c}`, `image.digest is "e5565c": write sha256: and 64 hexadecimal digits`},

		{"a writer as namespace and name", `artifactWriters: [flux-system/source-controller]`, `artifactWriters[0] is "flux-system/source-controller": write system:serviceaccount:NAMESPACE:NAME, as in system:serviceaccount:flux-system:source-controller`},
		{"a writer without namespace", `releaseWriters: ["system:serviceaccount:helm-controller"]`, `releaseWriters[0] is "system:serviceaccount:helm-controller": write system:serviceaccount:NAMESPACE:NAME`},
		{"a name alone", `argoUsers: [argocd-application-controller]`, `argoUsers[0] is "argocd-application-controller": write system:serviceaccount:NAMESPACE:NAME`},
		{"several users in one text", `argoUsers: ["system:serviceaccount:a:b,system:serviceaccount:c:d"]`, `argoUsers[0] is "system:serviceaccount:a:b,system:serviceaccount:c:d": write system:serviceaccount:NAMESPACE:NAME`},
		{"Argo CD's API server", `argoUsers: ["system:serviceaccount:argocd:argocd-server"]`, `name the application controller instead; argocd-server writes what its users send`},

		{"no list of namespaces", `secrets: {access: Namespaces}`, `secrets.access is "Namespaces", and secrets.namespaces is empty: list the namespaces of your Flux sources, or write access: None`},
		{"a list of namespaces that has no effect", `secrets: {namespaces: [apps]}`, `secrets.namespaces has no effect with secrets.access: Cluster; write access: Namespaces, or remove the list`},
		{"the same with None", `secrets: {access: None, namespaces: [apps]}`, `secrets.namespaces has no effect with secrets.access: None`},
		{"a wildcard for namespaces", `secrets: {access: Namespaces, namespaces: ["team-*"]}`, `"team-*" under secrets.namespaces or argoNamespace is no name of a namespace: write one name, without wildcards`},
		{"a wildcard for Argo CD's", `argoNamespace: "*"`, `"*" under secrets.namespaces or argoNamespace is no name of a namespace`},

		{"a trust root that is a path", `trustedRoot: {json: ./trusted_root.json}`, `trustedRoot.json is not JSON: set the content of the file, as with --set-file trustedRoot.json=trusted_root.json`},
		{"TUF's root", `trustedRoot: {json: '{"signed": {}, "signatures": []}'}`, `trustedRoot.json is JSON, but no trust root: it needs a trusted_root.json`},
		{"two trust roots", `trustedRoot: {json: '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}', existingConfigMap: x}`, `trustedRoot.json and trustedRoot.existingConfigMap are both set: remove one`},

		{"a mirror of a scheme", `registry: {mirrors: {"oci://ghcr.io": registry.corp}}`, `registry.mirrors names "oci://ghcr.io": write it without "oci://"`},
		{"a mirror with a scheme", `registry: {mirrors: {ghcr.io: "https://registry.corp"}}`, `registry.mirrors names "https://registry.corp": write it without "https://"`},
		{"a mirror with a slash at its end", `registry: {mirrors: {ghcr.io: registry.corp/}}`, `registry.mirrors names "registry.corp/": write HOST or HOST/PATH, in lower-case letters, without a slash at the end`},
		{"a mirror in capitals", `registry: {mirrors: {GHCR.io: registry.corp}}`, `registry.mirrors names "GHCR.io": write HOST or HOST/PATH, in lower-case letters`},
		{"a mirror of itself", `registry: {mirrors: {ghcr.io: ghcr.io}}`, `registry.mirrors reads "ghcr.io" from itself`},
		{"a login host with a wildcard", `registry: {loginHosts: ["*.corp"]}`, `registry.loginHosts[0] is "*.corp": write HOST or HOST:PORT, in lower-case letters, without wildcards`},
		{"a login host with a scheme", `registry: {loginHosts: ["https://ghcr.io"]}`, `registry.loginHosts[0] is "https://ghcr.io": write it without "https://"`},
		{"a login host with a path", `registry: {loginHosts: [ghcr.io/acme]}`, `registry.loginHosts[0] is "ghcr.io/acme": write the host without a path, ghcr.io`},
		{"plain HTTP with a scheme", `plainHTTP: ["http://localhost:5000"]`, `plainHTTP[0] is "http://localhost:5000": write it without "http://"`},
		{"plain HTTP with a path", `plainHTTP: ["localhost:5000/charts"]`, `plainHTTP[0] is "localhost:5000/charts": write the host without a path, localhost:5000`},
		{"CAs that are no PEM", `registry: {caBundle: hunter2}`, `registry.caBundle holds no complete certificate in PEM: ` + incomplete},
		{"half a certificate", `registry: {caBundle: "-----BEGIN CERTIFICATE-----\nMIIB"}`, `registry.caBundle holds no complete certificate in PEM`},
		{"a CA with its key", `registry: {caBundle: "-----BEGIN EC PRIVATE KEY-----"}`, `registry.caBundle holds a private key: write only certificates, and replace the key`},
		{"two places of CAs", `registry: {caBundle: x, existingCAConfigMap: corp-ca}`, `registry.caBundle and registry.existingCAConfigMap are both set: remove one`},

		{"a proxy without scheme", `registry: {proxy: {url: "proxy.corp:3128"}}`, `registry.proxy.url is "proxy.corp:3128": write the scheme too, http://proxy.corp:3128`},
		{"a proxy with a login", `registry: {proxy: {url: "http://user:hunter2@proxy.corp"}}`, `registry.proxy.url holds a login: set HTTPS_PROXY under env instead, from a Secret`},
		{"a proxy of another kind", `registry: {proxy: {url: "socks5://proxy.corp"}}`, `registry.proxy.url is "socks5://proxy.corp": write http://HOST:PORT or https://HOST:PORT`},
		{"exceptions with spaces", `registry: {proxy: {url: "http://p.corp", noProxy: "a, b"}}`, `registry.proxy.noProxy is "a, b": separate hosts by commas, without spaces`},
		{"exceptions without a proxy", `registry: {proxy: {noProxy: a}}`, `registry.proxy.noProxy has no effect without registry.proxy.url`},

		{"no time to decide", `webhook: {timeoutSeconds: 0}`, `webhook.timeoutSeconds is 0: write 1 to 30; Kubernetes allows no more`},
		{"too much time to decide", `webhook: {timeoutSeconds: 31}`, `webhook.timeoutSeconds is 31: write 1 to 30`},
		{"two CAs of clients", `webhook: {clientCA: {caBundle: x, existingConfigMap: corp-ca}}`, `webhook.clientCA.caBundle and webhook.clientCA.existingConfigMap are both set: remove one`},
		{"a CA of clients that is no PEM", `webhook: {clientCA: {caBundle: hunter2}}`, `webhook.clientCA.caBundle holds no complete certificate in PEM`},
		{"several names of clients in one text", `webhook: {clientCA: {existingConfigMap: x, names: ["a,b"]}}`, `webhook.clientCA.names[0] is "a,b": write one name in an item, without commas and spaces`},
		{"no key of the CAs of clients", `webhook: {clientCA: {existingConfigMap: x, key: ""}}`, `webhook.clientCA.key is "": write the key of the ConfigMap that holds the CAs, as in ca.crt`},
		{"names of clients without a CA", `webhook: {clientCA: {names: [front-proxy-client]}}`, `webhook.clientCA.names has no effect without the CA of these certificates`},

		{"two ways to a certificate", `{certManager: {enabled: true}, certificates: {existingSecret: x, caBundle: x}}`, `choose one of the two ways to get a certificate`},
		{"a certificate without its CA", `certificates: {existingSecret: x}`, `certificates.existingSecret is set without certificates.caBundle`},
		{"a CA without its certificate", `certificates: {caBundle: x}`, `certificates.caBundle is set without certificates.existingSecret`},
		{"an issuer without a name", `certManager: {enabled: true, issuerRef: {kind: ClusterIssuer}}`, `certManager.issuerRef has no name: write {name, kind, group} of an issuer`},
		{"an issuer of an unknown kind", `certManager: {enabled: true, issuerRef: {name: corp, kind: clusterissuer}}`, `certManager.issuerRef.kind is "clusterissuer": cert-manager has Issuer and ClusterIssuer`},
		{"an issuer without cert-manager", `certManager: {issuerRef: {name: corp}}`, `certManager.issuerRef has no effect without certManager.enabled: true`},

		{"no pods", `replicas: 0`, `replicas is 0: write at least 1, better 2`},
		{"no eviction", `podDisruptionBudget: {maxUnavailable: 0}`, `podDisruptionBudget.maxUnavailable is "0": write a number from 1 or a percentage from 1%; with 0, no node with a pod of chartgate can be drained`},
		{"no eviction in percent", `podDisruptionBudget: {maxUnavailable: "0%"}`, `podDisruptionBudget.maxUnavailable is "0%"`},
		{"a flag that is a command", `extraArgs: [serve]`, `extraArgs[0] is "serve": write --flag=value in one item`},
		{"a flag with a space", `extraArgs: ["--key-refresh 1h"]`, `extraArgs[0] is "--key-refresh 1h": write --flag=value in one item`},
		{"a flag that the chart sets", `extraArgs: ["--log-level=debug"]`, `extraArgs[0] repeats --log-level, which the chart sets: remove it, and set the value for it if there is one`},
		{"a flag that the chart sets, without value", `extraArgs: [--leader-elect]`, `extraArgs[0] repeats --leader-elect`},
		{"a variable that the chart sets", `env: [{name: HOME, value: /root}]`, `env[0] sets HOME, which the chart sets itself: remove it`},
		{"two proxies", `{env: [{name: HTTPS_PROXY, value: "http://p"}], registry: {proxy: {url: "http://p.corp"}}}`, `env[0] sets HTTPS_PROXY, and registry.proxy.url is set too: use one of the two`},
		{"memory in bytes", `resources: {limits: {memory: 512}}`, `resources.limits.memory is "512": write a number with the unit Mi or Gi, as in 512Mi`},
		{"memory in thousandths of a byte", `resources: {requests: {memory: 128m}}`, `resources.requests.memory is "128m": write a number with the unit Mi or Gi`},
		{"memory in a unit that does not exist", `resources: {limits: {memory: 512MB}}`, `resources.limits.memory is "512MB"`},
		{"more memory requested than allowed", `resources: {requests: {memory: 1Gi}}`, `resources.requests.memory is 1Gi, more than resources.limits.memory, 512Mi: write no more than the limit`},
		{"a label that the Service selects by", `podLabels: {app.kubernetes.io/name: gate}`, `podLabels sets app.kubernetes.io/name, by which the Service finds the pods: remove it`},
		{"a mount without its volume", `{extraVolumes: [{name: ca}], extraVolumeMounts: [{name: cas, mountPath: /ca}]}`, `extraVolumeMounts[0] mounts "cas", which extraVolumes does not have: add the volume, or fix the name`},
		{"a collector without scheme", `tracing: {otlpEndpoint: "collector:4318"}`, `tracing.otlpEndpoint is "collector:4318": write the URL of OTLP over HTTP, http://collector:4318`},
		{"an interval without unit", `metrics: {serviceMonitor: {interval: "30"}}`, `metrics.serviceMonitor.interval is "30": write a number with a unit, as in 30s`},

		{"a Secret of another namespace", `registryConfig: {existingSecrets: [flux-system/pull]}`, `registryConfig.existingSecrets[0] is "flux-system/pull": write the name alone; the object must be in the namespace of the release`},
		{"a ConfigMap in capitals", `trustedRoot: {existingConfigMap: Corp}`, `trustedRoot.existingConfigMap is "Corp": names consist of lower-case letters, digits, - and .`},
		{"no service account", `serviceAccount: {name: ""}`, `serviceAccount.name is empty: write a name, as in chartgate`},

		{"an address for a network", `networkPolicy: {enabled: true, webhookFrom: [10.0.0.1]}`, `networkPolicy.webhookFrom[0] is "10.0.0.1": write a network as ADDRESS/BITS, as in 10.0.0.0/24, or 10.0.0.5/32 for one address`},
		{"too long a prefix", `networkPolicy: {enabled: true, webhookFrom: [10.0.0.0/33]}`, `networkPolicy.webhookFrom[0] is "10.0.0.0/33"`},
		{"a byte above 255", `networkPolicy: {enabled: true, webhookFrom: [10.0.0.256/32]}`, `networkPolicy.webhookFrom[0] is "10.0.0.256/32"`},
		{"networks without a policy", `networkPolicy: {webhookFrom: [10.0.0.0/24]}`, `networkPolicy.webhookFrom and networkPolicy.egress have no effect without networkPolicy.enabled: true`},

		{"identities that are not written", `{identitiesConfigMap: {create: false}, ` + identity(`keyless: {issuer: "https://i.corp", subject: s}`) + `}`, `identities has no effect with identitiesConfigMap.create: false; write true, or put the list into your own ConfigMap chartgate-identities`},
		{"an identity without signer", `identities: [{name: a, ` + charts + `}]`, `identities[0] says not who signs: write keyless (issuer and subject of a certificate) or key (pem)`},
		{"two signers in one identity", identity(`keyless: {issuer: "https://i.corp", subject: s}, key: {pem: x}`), `identities[0] has keyless and key: write one of them, and another entry for the other`},
		{"a name that is a sentence", `identities: [{name: "ACME release", ` + charts + `, key: {pem: x}}]`, `identities[0].name is "ACME release": names consist of lower-case letters, digits, - and .`},
		{"a name that occurs twice", `identities: [{name: a, ` + charts + `, key: {pem: x}}, {name: a, ` + charts + `, key: {pem: x}}]`, `identities[1].name is "a", as that of another entry: give each its own name`},
		{"no charts", `identities: [{name: a, charts: [], key: {pem: x}}]`, `identities[0].charts is empty: list patterns, as in oci://ghcr.io/acme/charts/**`},
		{"a pattern without scheme", pattern("ghcr.io/acme/**"), `identities[0].charts[0] is "ghcr.io/acme/**": write the scheme too, oci://ghcr.io/acme/**`},
		{"a pattern of a classic repository", pattern("https://charts.corp/**"), `charts from there carry no signature, so every one of them would be denied; publish them as oci://, or waive them with a ChartPolicy (allowUnverified)`},
		{"a pattern of a Git repository", pattern("git://github.com/acme/apps//**"), `identities[0].charts[0] is "git://github.com/acme/apps//**": charts from there carry no signature`},
		{"a pattern of a registry alone", pattern("oci://ghcr.io"), `identities[0].charts[0] is "oci://ghcr.io", a registry without charts: write oci://ghcr.io/** for all of them`},
		{"a pattern with a slash at its end", pattern("oci://ghcr.io/acme/"), `write it without the slash at the end, or with /** for everything below`},
		{"a pattern with a version", pattern("oci://ghcr.io/acme/web:1.0.0"), `write it without a version or digest; a policy is for all versions`},
		{"a pattern with a digest", pattern("oci://ghcr.io/acme/web@sha256:aa"), `write it without a version or digest`},
		{"two stars in a name", pattern("oci://ghcr.io/acme/web**"), `** stands alone between slashes; use one * inside of a name`},
		{"a pattern in capitals", pattern("oci://ghcr.io/ACME/**"), `write oci://HOST/PATH in lower-case letters, with * for a part of a name and ** for any depth`},
		{"nothing about a certificate", keyless(``), `identities[0].keyless has no issuer: write issuer: https://token.actions.githubusercontent.com, or issuerRegExp`},
		{"no subject", keyless(`issuer: "https://i.corp"`), `identities[0].keyless has no subject: write subject: https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, or subjectRegExp`},
		{"two issuers", keyless(`issuer: "https://i.corp", issuerRegExp: "https://i[.]corp", subject: s`), `identities[0].keyless has issuer and issuerRegExp: write one of them`},
		{"two subjects", keyless(`issuer: "https://i.corp", subject: s, subjectRegExp: s`), `identities[0].keyless has subject and subjectRegExp: write one of them`},
		{"an issuer without scheme", keyless(`issuer: accounts.google.com, subject: s`), `identities[0].keyless.issuer is "accounts.google.com": write its whole URL, https://accounts.google.com`},
		{"an issuer with a slash at its end", keyless(`issuer: "https://gitlab.com/", subject: s`), `identities[0].keyless.issuer is "https://gitlab.com/": certificates spell this issuer https://gitlab.com; write that`},
		{"a star in an exact subject", keyless(`issuer: "https://i.corp", subject: "https://github.com/acme/*"`), `identities[0].keyless.subject is "https://github.com/acme/*", an exact text: for several subjects, write subjectRegExp with .* in place of *`},
		{"an expression that does not compile", keyless(`issuer: "https://i.corp", subjectRegExp: "https://(github"`), `identities[0].keyless.subjectRegExp is "https://(github", no valid regular expression`},
		{"one that compiles in brackets only", keyless(`issuer: "https://i.corp", subjectRegExp: "a)|(b"`), `identities[0].keyless.subjectRegExp is "a)|(b", no valid regular expression`},
		{"one that matches nothing at all", keyless(`issuer: "https://i.corp", subjectRegExp: ".*"`), `identities[0].keyless.subjectRegExp is ".*", which matches an empty text too: write more of what the certificate says`},
		{"a private key", identity(`key: {pem: "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"}`), `identities[0].key.pem is a private key: write the public one (cosign public-key --key cosign.key), and replace this key, because helm stores values in the cluster`},
		{"a certificate as key", identity(`key: {pem: "-----BEGIN CERTIFICATE-----"}`), `identities[0].key.pem is a certificate: write its public key (openssl x509 -in cert.pem -pubkey -noout)`},
		{"a path as key", identity(`key: {pem: cosign.pub}`), `identities[0].key.pem is no public key in PEM: it begins with -----BEGIN PUBLIC KEY----- and ends with -----END PUBLIC KEY-----, as cosign.pub does`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			stderr := refused(t, c.values)
			if !strings.Contains(stderr, "cannot work with these values:\n- ") || !strings.Contains(stderr, c.want) {
				t.Errorf("want %s, got\n%s", c.want, stderr)
			}
			if strings.Contains(stderr, "hunter2") && !strings.Contains(c.want, "hunter2") {
				t.Errorf("a secret is repeated:\n%s", stderr)
			}
		})
	}
}

// TestNoMistakes: what looks like a mistake, and is none.
func TestNoMistakes(t *testing.T) {
	t.Parallel()
	for sentence, values := range map[string]string{
		"an image at an address with a port":    `image: {repository: "[fd00::1]:5000/platform/chart_gate"}`,
		"an image of an organization with _":    `image: {repository: my_org/chartgate}`,
		"memory in bytes":                       `resources: {limits: {memory: 536870912}}`,
		"memory in bytes, as text":              `resources: {limits: {memory: "536870912"}}`,
		"half a gibibyte":                       `resources: {limits: {memory: 0.5Gi}}`,
		"GOMEMLIMIT without a limit of memory":  `{resources: {limits: null}, env: [{name: GOMEMLIMIT, value: 1GiB}]}`,
		"everything of all registries":          `identities: [{name: a, charts: ["oci://**"], keyless: {issuer: "https://i.corp", subject: s}}]`,
		"a registry at an address":              `identities: [{name: a, charts: ["oci://[fd00::1]:5000/**"], keyless: {issuer: "https://i.corp", subject: s}}]`,
		"a part of a host":                      `identities: [{name: a, charts: ["oci://*.corp:5000/a/web-*"], keyless: {issuer: "https://i.corp", subject: s}}]`,
		"an issuer of Auth0":                    `identities: [{name: a, charts: ["oci://r.corp/**"], keyless: {issuer: "https://corp.eu.auth0.com/", subject: s}}]`,
		"an issuer that may have a slash":       `identities: [{name: a, charts: ["oci://r.corp/**"], keyless: {issuer: "https://login.corp/", subject: s}}]`,
		"an issuer with a slash, as expression": `identities: [{name: a, charts: ["oci://r.corp/**"], keyless: {issuerRegExp: 'https://corp\.auth0\.com/', subject: s}}]`,
		"all networks":                          `networkPolicy: {enabled: true, webhookFrom: [0.0.0.0/0, "::/0"]}`,
		"a flag that the chart leaves alone":    `extraArgs: ["--key-refresh=1h", --client-ca=/etc/ca.crt]`,
		"no budget of disruptions":              `podDisruptionBudget: {enabled: false}`,
		"a proxy with a path of /":              `registry: {proxy: {url: "http://proxy.corp:3128/"}}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			template(t, values)
		})
	}
}
