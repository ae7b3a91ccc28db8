package e2e_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

func opaque(name string, pairs ...string) string { return typed("apps", name, "Opaque", pairs...) }

func typed(namespace, name, kind string, pairs ...string) string {
	text := fmt.Sprintf("---\n{apiVersion: v1, kind: Secret, metadata: {name: %s, namespace: %s}, type: %s, stringData: {", name, namespace, kind)
	for i := 0; i < len(pairs); i += 2 {
		text += fmt.Sprintf("%q: %q, ", pairs[i], pairs[i+1])
	}
	return text + "}}\n"
}

// dockerLogin is a Docker configuration with one login.
func dockerLogin(name, host, username, password string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return typed("apps", name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", fmt.Sprintf(`{"auths": {"%s": {"auth": "%s"}}}`, host, auth))
}

// argoSecret is one of Argo CD's Secrets, of kind repository or repo-creds.
func argoSecret(kind, name, url string, pairs ...string) string {
	text := typed("argocd", name, "Opaque", append([]string{"url", url}, pairs...)...)
	return strings.Replace(text, "namespace: argocd", "namespace: argocd, labels: {argocd.argoproj.io/secret-type: "+kind+"}", 1)
}

// privately is a HelmRepository at a host, with more in its spec.
func privately(host, more string) string {
	return helmRepository("private", fmt.Sprintf("{type: oci, url: 'oci://%s/acme/charts', %s}", host, more))
}

// privateOCI is an OCIRepository of the chart at a host, with more in its spec.
func privateOCI(host, more string) string {
	return ociRepository("app", fmt.Sprintf("{interval: 10m, url: 'oci://%s/acme/charts/podinfo', ref: {tag: 6.7.1}, "+
		"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}, %s}", host, more))
}

// privateRelease takes the chart from the HelmRepository "private".
func privateRelease() string { return releaseFrom("private", "podinfo", "6.7.1") }

// certificates is the Secret that quay.io needs.
func (v *vip) certificates() string {
	return opaque("tls", "ca.crt", string(v.fallback.CA()), "tls.crt", string(v.client.Certificate), "tls.key", string(v.client.Key))
}

const privateWants = "private requires a signature by release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, " +
	"issuer https://token.actions.githubusercontent.com)"

// unauthorized is the denial of something by a registry.
func unauthorized(object, field, summary, next string) harness.Answer {
	return harness.Denied("RegistryUnauthorized "+field, object+" denied (RegistryUnauthorized): "+summary+
		"\n  where:    "+field+"\n  policy:   "+privateWants+"\n  next:     "+next)
}

// later is the answer to a release that is admitted because its source has not pulled anything yet.
func later(why string) harness.Answer {
	return harness.Admitted("not verified yet: " + why + "; the chart will be verified when it is pulled")
}

func pullerLogin(name string) string {
	return opaque(name, "username", "puller", "password", pullerPassword)
}

// TestPrivateCharts: every way in which Flux and Argo CD reach a private registry.
func TestPrivateCharts(t *testing.T) {
	v := theVIPs(t)
	v.checkAll(t, []row{
		{
			sentence: "a HelmRepository with a user name and password",
			given:    pullerLogin("login") + privately("ghcr.io", "secretRef: {name: login}"),
			object:   privateRelease(),
		},
		{
			sentence: "a HelmRepository with a Docker configuration",
			given:    dockerLogin("regcred", "ghcr.io", "puller", pullerPassword) + privately("ghcr.io", "secretRef: {name: regcred}"),
			object:   privateRelease(),
		},
		{
			sentence: "a HelmRepository in another namespace, with the Secret of its own",
			given:    pullerLogin("login") + privately("ghcr.io", "secretRef: {name: login}"),
			object: strings.Replace(helmRelease("app", "{interval: 10m, chart: {spec: {chart: podinfo, version: 6.7.1, "+
				"sourceRef: {kind: HelmRepository, name: private, namespace: apps}}}}"), "namespace: apps}, spec", "namespace: team-b}, spec", 1),
		},
		{
			sentence: "an OCIRepository with a Docker configuration",
			given:    dockerLogin("regcred", "ghcr.io", "puller", pullerPassword),
			object:   privateOCI("ghcr.io", "secretRef: {name: regcred}"),
		},
		{
			sentence: "an OCIRepository with the imagePullSecrets of a service account",
			given: dockerLogin("regcred", "ghcr.io", "puller", pullerPassword) +
				"---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: puller, namespace: apps}, imagePullSecrets: [{name: regcred}]}\n",
			object: privateOCI("ghcr.io", "serviceAccountName: puller"),
		},
		{
			sentence: "a private CA, a client certificate and a login",
			given:    v.certificates() + pullerLogin("login") + privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"),
			object:   privateRelease(),
		},
		{
			sentence: "the same through a proxy",
			given: v.certificates() + dockerLogin("regcred", "quay.io", "puller", pullerPassword) +
				opaque("proxy", "address", "http://proxy.example", "username", "proxy", "password", proxyPassword),
			object: privateOCI("quay.io", "secretRef: {name: regcred}, certSecretRef: {name: tls}, proxySecretRef: {name: proxy}"),
			want: later("quay.io does not let chartgate read acme/charts/podinfo (it requires a client certificate, and chartgate has no certificate for it), and the client certificate of Secret apps/tls " +
				"is not sent to quay.io before an object that names both is stored"),
		},
		{
			sentence: "no login but chartgate's own",
			given:    privately("home.example", ""),
			object:   privateRelease(),
		},
		{
			sentence: "an Argo CD repository",
			given:    argoSecret("repository", "repo", "ghcr.io/acme/charts", "type", "helm", "enableOCI", "true", "username", "puller", "password", pullerPassword),
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"),
		},
		{
			sentence: "an Argo CD repository of the Application's project",
			given: argoSecret("repository", "other", "oci://ghcr.io/acme/charts/podinfo", "project", "other", "username", "puller", "password", "wrong-canary") +
				argoSecret("repository", "all", "oci://ghcr.io/acme/charts/podinfo", "username", "puller", "password", "wrong-canary") +
				argoSecret("repository", "own", "oci://ghcr.io/acme/charts/podinfo", "project", "default", "username", "puller", "password", pullerPassword),
			object: applicationOf("oci://ghcr.io/acme/charts/podinfo", "", "6.7.1"),
		},
		{
			sentence: "an Argo CD credential template, of which the longest counts",
			given: argoSecret("repo-creds", "short", "oci://ghcr.io", "username", "puller", "password", "wrong-canary") +
				argoSecret("repo-creds", "long", "oci://ghcr.io/acme", "username", "puller", "password", pullerPassword),
			object: applicationOf("oci://ghcr.io/acme/charts/podinfo", "", "6.7.1"),
		},
		{
			sentence: "an Argo CD repository with a client certificate, a CA and the admin's proxy",
			given: argoSecret("repository", "repo", "oci://quay.io/acme/charts/podinfo", "username", "puller", "password", pullerPassword,
				"tlsClientCertData", string(v.client.Certificate), "tlsClientCertKey", string(v.client.Key), "proxy", "http://proxy:"+proxyPassword+"@proxy.example") +
				fmt.Sprintf("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-tls-certs-cm, namespace: argocd}, data: {127.0.0.1: %q}}\n", v.fallback.CA()),
			object: applicationOf("oci://quay.io/acme/charts/podinfo", "", "6.7.1"),
		},
	})
}

// TestPrivateChartsDenied: each mistake has its own message, which names the host and the Secret.
func TestPrivateChartsDenied(t *testing.T) {
	forgetDryRuns(t)
	v := theVIPs(t)
	release := func(summary, next string) harness.Answer {
		return unauthorized("HelmRelease apps/app", "spec.chart.spec", summary, next)
	}
	application := func(summary, next string) harness.Answer {
		return unauthorized("Application apps/app", "spec.source", summary, next)
	}
	const closed = "ghcr.io does not let chartgate read acme/charts/podinfo"
	v.checkAll(t, []row{
		{
			sentence: "a wrong password",
			given:    opaque("login", "username", "puller", "password", "wrong-canary") + privately("ghcr.io", "secretRef: {name: login}"),
			object:   privateRelease(),
			want: release(closed+" with the credentials of Secret apps/login: its token service answered 401 Unauthorized",
				"let Secret apps/login hold credentials that can pull acme/charts/podinfo from ghcr.io; if it should be public, check the name: registries give the same answer for repositories that do not exist"),
		},
		{
			sentence: "half a login",
			given:    opaque("login", "password", pullerPassword) + privately("ghcr.io", "secretRef: {name: login}"),
			object:   privateRelease(),
			want:     release("Secret apps/login has a password but no username", "correct Secret apps/login"),
		},
		{
			sentence: "a Docker configuration without the host",
			given:    dockerLogin("regcred", "quay.io", "puller", pullerPassword) + privately("ghcr.io", "secretRef: {name: regcred}"),
			object:   privateRelease(),
			want: release(closed+" (its token service answered 401 Unauthorized), and Secret apps/regcred holds no login for ghcr.io",
				"add a login for ghcr.io to Secret apps/regcred"),
		},
		{
			sentence: "a Secret that does not exist, which defers where nothing is pulled yet",
			given:    privately("ghcr.io", "secretRef: {name: regcred}"),
			object:   privateRelease(),
			want:     later(closed + " (its token service answered 401 Unauthorized), and Secret apps/regcred does not exist"),
		},
		{
			sentence: "certificates that do not exist",
			given:    pullerLogin("login") + privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"),
			object:   privateRelease(),
			want:     later("Secret apps/tls does not exist"),
		},
		{
			sentence: "a private CA that no setting names",
			given:    pullerLogin("login") + privately("quay.io", "secretRef: {name: login}"),
			object:   privateRelease(),
			want: harness.Denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://quay.io/acme/charts/podinfo:6.7.1 could not be read: the TLS certificate is signed by a CA that chartgate does not trust
  where:    spec.chart.spec
  policy:   `+privateWants+`
  next:     ask the cluster's admin to trust the CA of quay.io: --registry-ca FILE, or registry.caBundle among the values of chartgate's chart; or name it in the chart's source (certSecretRef)`),
		},
		{
			sentence: "attack: a Secret that exists in another namespace only",
			given: strings.Replace(pullerLogin("login"), "namespace: apps", "namespace: team-b", 1) +
				privately("ghcr.io", "secretRef: {name: login}"),
			object: privateOCI("ghcr.io", "secretRef: {name: login}"),
			want:   later(closed + " (its token service answered 401 Unauthorized), and Secret apps/login does not exist"),
		},
		{
			sentence: "an Application without a repository Secret",
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"),
			want: application(closed+" (its token service answered 401 Unauthorized), and no repository Secret in namespace argocd is for this URL",
				"give Argo CD a repository Secret with a login for ghcr.io"),
		},
		{
			sentence: "attack: a repository Secret of another project",
			given:    argoSecret("repository", "repo", "ghcr.io/acme/charts", "project", "billing", "username", "puller", "password", pullerPassword),
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"),
			want: application(closed+" (its token service answered 401 Unauthorized), and no repository Secret in namespace argocd is for this URL",
				"give Argo CD a repository Secret with a login for ghcr.io"),
		},
		{
			sentence: "attack: a repository Secret of the project that leads Argo CD to another repository",
			given:    argoSecret("repository", "repo", "oci://ghcr.io/acme/charts/podinfo.git", "project", "default", "username", "puller", "password", pullerPassword),
			object:   applicationOf("oci://ghcr.io/acme/charts/podinfo", "", "6.7.1"),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): the url in Secret argocd/repo is not written like the Application's repoURL; Argo CD takes the two for the same and pulls from the Secret's
  where:    spec.source
  policy:   `+privateWants+`
  next:     write the same URL in both, character by character`),
		},
		{
			sentence: "attack: a proxy of the project's members in front of a Helm source",
			given:    argoSecret("repository", "repo", "quay.io/acme/charts", "project", "default", "proxy", "http://proxy:"+proxyPassword+"@proxy.example"),
			object:   applicationOf("quay.io/acme/charts", "podinfo", "6.7.1"),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): Secret argocd/repo of project "default" sends Argo CD through a proxy, and a Helm source is pulled by version, so the project's members decide what it gets
  where:    spec.source
  policy:   `+privateWants+`
  next:     use a native source (repoURL: oci://…, without chart), which is pulled by digest, or let the admin set the proxy in a Secret without project`),
		},
	})
}

// TestPulledChartIsNotDeferred: once the source has pulled an artifact, no verdict is deferred.
func TestPulledChartIsNotDeferred(t *testing.T) {
	v := theVIPs(t)
	v.given(t, strings.Replace(privateOCI("ghcr.io", "secretRef: {name: regcred}"), "6.7.1", "6.8.0", 1))
	digest := v.digest("ghcr.io/acme/charts/podinfo:6.8.0")
	patch := fmt.Sprintf(`{"status": {"artifact": {"revision": "6.8.0@%s", "digest": "sha256:%064d", "path": "p", "url": "http://x/p", "lastUpdateTime": "2026-01-01T00:00:00Z"}}}`, digest, 0)
	got := v.patchStatus(t, v.Object(t, privateOCI("ghcr.io", "")), patch)
	want := harness.Denied("SourceNotFound status.artifact", `
OCIRepository apps/app denied (SourceNotFound): ghcr.io does not let chartgate read acme/charts/podinfo (its token service answered 401 Unauthorized), and Secret apps/regcred does not exist
  where:    status.artifact
  policy:   `+privateWants+`
  next:     create it, or correct the reference to it`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
	}
}

// TestRightsToReadSecrets: each value of secrets.access lets chartgate read exactly the Secrets
// that it promises.
func TestRightsToReadSecrets(t *testing.T) {
	v := theVIPs(t)
	v.given(t, pullerLogin("login")+privately("ghcr.io", "secretRef: {name: login}"))
	argo := argoSecret("repository", "repo", "ghcr.io/acme/charts", "username", "puller", "password", pullerPassword)
	v.given(t, argo)
	release, application := v.Object(t, privateRelease()), v.Object(t, applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"))

	const refused = "ghcr.io does not let chartgate read acme/charts/podinfo (its token service answered 401 Unauthorized), and chartgate may not read "
	noSecret := unauthorized("HelmRelease apps/app", "spec.chart.spec", refused+"Secret apps/login",
		"let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)")
	noArgo := unauthorized("Application apps/app", "spec.source", refused+"the repository Secrets in namespace argocd",
		"let chartgate read Argo CD's repository Secrets (chart values argoNamespace and secrets.access), or give chartgate credentials of its own (registryConfig.existingSecrets)")
	for _, mode := range []struct {
		sentence, values string
		flux, argo       harness.Answer
	}{
		{"the namespace of the source", "{secrets: {access: Namespaces, namespaces: [team-b, apps]}, argoNamespace: argocd}", harness.Answer{}, harness.Answer{}},
		{"other namespaces", "{secrets: {access: Namespaces, namespaces: [team-b]}, argoNamespace: argocd}", noSecret, harness.Answer{}},
		{"no namespace of Argo CD's", "{secrets: {access: Namespaces, namespaces: [apps]}}", harness.Answer{}, noArgo},
		{"none", "{secrets: {access: None}, argoNamespace: argocd}", noSecret, noArgo},
		{"the whole cluster", "{secrets: {access: Cluster}, argoNamespace: argocd}", harness.Answer{}, harness.Answer{}},
	} {
		t.Run(mode.sentence, func(t *testing.T) {
			v.grant(t, mode.values)
			v.becomes(t, release, mode.flux)
			v.becomes(t, application, mode.argo)
		})
	}
}

// TestLoginsAreSentToTheirHostOnly: attacks on credentials, by a user who may write sources in a
// namespace.
func TestLoginsAreSentToTheirHostOnly(t *testing.T) {
	v := theVIPs(t)
	for sentence, attack := range map[string]struct{ given, object string }{
		"attack: another tenant's Docker configuration, used for a host of the attacker's": {
			dockerLogin("regcred", "ghcr.io", "puller", pullerPassword) + opaque("tls", "ca.crt", string(v.proxy.ca.PEM())) +
				privately("attacker.example", "secretRef: {name: regcred}, certSecretRef: {name: tls}"),
			privateRelease(),
		},
		"attack: a CA and a proxy between chartgate and its own registry": {
			opaque("tls", "ca.crt", string(v.proxy.ca.PEM())) + opaque("proxy", "address", "http://proxy.example", "username", "proxy", "password", proxyPassword),
			privateOCI("home.example", "certSecretRef: {name: tls}, proxySecretRef: {name: proxy}"),
		},
		"attack: a CA and a proxy between chartgate and its own registry, for a Secret that does not exist": {
			opaque("tls", "ca.crt", string(v.proxy.ca.PEM())) + opaque("proxy", "address", "http://proxy.example", "username", "proxy", "password", proxyPassword),
			privateOCI("home.example", "secretRef: {name: gone}, certSecretRef: {name: tls}, proxySecretRef: {name: proxy}"),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			v.given(t, v.hosts(attack.given))
			object := v.Object(t, v.hosts(attack.object))
			var got harness.Answer
			_, told := v.proxy.during(func() { got = v.try(t, object, true) })
			if len(told) == 0 {
				t.Fatalf("the attacker was not asked, so this shows nothing: %+v", got)
			}
			if shown := strings.Join(told, "\n"); strings.Contains(shown, "Basic ") || strings.Contains(shown, "Bearer ") {
				t.Errorf("the attacker got a login:\n%s", shown)
			}
			if len(got.Causes) == 0 && len(got.Warnings) == 0 {
				t.Errorf("admitted: %+v", got)
			}
		})
	}
}
