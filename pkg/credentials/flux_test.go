package credentials_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/sourceauth"
)

var flux = sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps"}

func withSecret(name string) sourceauth.Auth {
	access := flux
	access.Secret = name
	return access
}

func withAccount(name, provider string) sourceauth.Auth {
	access := flux
	access.ServiceAccount, access.Provider = name, provider
	return access
}

func withCertificates(name string) sourceauth.Auth {
	access := flux
	access.Certificates = name
	return access
}

func withProxy(name string) sourceauth.Auth {
	access := flux
	access.Proxy = name
	return access
}

func TestFluxLogin(t *testing.T) {
	t.Parallel()
	check(t, []row{
		{sentence: "without a consumer, the connection is chartgate's default"},
		{sentence: "a source that names nothing is chartgate's own way", access: flux},
		{sentence: "a source of provider generic names nothing", access: withAccount("", "generic")},
		{
			sentence: "a user name and password", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"username": "u", "password": "p:%/ä"})},
			want:    answer{Login: "u:p:%/ä", Origin: "Secret apps/login"},
		},
		{
			sentence: "a user name and password of type basic-auth", access: withSecret("login"),
			objects: []client.Object{secretIn("apps", "login", corev1.SecretTypeBasicAuth, map[string]string{"username": "u", "password": "p"})},
			want:    answer{Login: "u:p", Origin: "Secret apps/login"},
		},
		{
			sentence: "a user name without a password", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"username": "u"})},
			want:    answer{Error: "Unauthorized: Secret apps/login has a username but no password", Next: "correct Secret apps/login"},
		},
		{
			sentence: "a password without a user name", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"password": "p"})},
			want:    answer{Error: "Unauthorized: Secret apps/login has a password but no username", Next: "correct Secret apps/login"},
		},
		{
			sentence: "a Secret with nothing of use", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"token": "t"})},
			want:    answer{CredentialError: "Unauthorized: Secret apps/login holds no login for ghcr.io"},
		},
		{
			sentence: "a Docker configuration", access: withSecret("regcred"),
			objects: []client.Object{docker("regcred", `{"auths": {"ghcr.io": {"auth": "`+encoded("u:p")+`"}}}`)},
			want:    answer{Login: "u:p", Origin: "Secret apps/regcred"},
		},
		{
			sentence: "the imagePullSecrets of a service account", access: withAccount("puller", ""),
			objects: []client.Object{
				serviceAccount("puller", "other", "regcred"),
				docker("other", `{"auths": {"quay.io": {"username": "x", "password": "y"}}}`),
				docker("regcred", `{"auths": {"ghcr.io": {"username": "u", "password": "p"}}}`),
			},
			want: answer{Login: "u:p", Origin: "Secret apps/regcred"},
		},
		{
			sentence: "a source's own Secret goes before its service account's", access: sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "own", ServiceAccount: "puller"},
			objects: []client.Object{
				serviceAccount("puller", "regcred"),
				docker("own", `{"auths": {"ghcr.io": {"username": "own", "password": "p"}}}`),
				docker("regcred", `{"auths": {"ghcr.io": {"username": "account", "password": "p"}}}`),
			},
			want: answer{Login: "own:p", Origin: "Secret apps/own"},
		},
		{
			sentence: "a service account without imagePullSecrets", access: withAccount("puller", ""),
			objects: []client.Object{serviceAccount("puller")},
		},
		{
			sentence: "a service account with more imagePullSecrets than chartgate reads", access: withAccount("puller", ""),
			objects: []client.Object{serviceAccount("puller", strings.Split(strings.Repeat("x ", 16)+"x", " ")...)},
			want:    answer{Error: "LimitExceeded: ServiceAccount apps/puller has 17 imagePullSecrets; chartgate reads 16"},
		},
		{
			sentence: "the default service account counts only if it is named", access: flux,
			objects: []client.Object{
				serviceAccount("default", "regcred"),
				docker("regcred", `{"auths": {"ghcr.io": {"username": "u", "password": "p"}}}`),
			},
		},
	})
}

func TestFluxLacksALogin(t *testing.T) {
	t.Parallel()
	check(t, []row{
		{
			sentence: "a Secret that does not exist", access: withSecret("regcred"),
			want: answer{CredentialError: "SourceNotFound: Secret apps/regcred does not exist"},
		},
		{
			sentence: "a service account that does not exist", access: withAccount("puller", ""),
			want: answer{CredentialError: "SourceNotFound: ServiceAccount apps/puller does not exist"},
		},
		{
			sentence: "an imagePullSecret that does not exist leaves none of the others", access: withAccount("puller", ""),
			objects: []client.Object{
				serviceAccount("puller", "regcred", "gone"),
				docker("regcred", `{"auths": {"ghcr.io": {"username": "u", "password": "p"}}}`),
			},
			want: answer{CredentialError: "SourceNotFound: Secret apps/gone does not exist"},
		},
		{
			sentence: "neither those before nor those behind it", access: withAccount("puller", ""),
			objects: []client.Object{
				serviceAccount("puller", "gone", "regcred"),
				docker("regcred", `{"auths": {"ghcr.io": {"username": "u", "password": "p"}}}`),
			},
			want: answer{CredentialError: "SourceNotFound: Secret apps/gone does not exist"},
		},
		{
			sentence: "attack: a Secret that exists in another namespace only", access: withSecret("regcred"),
			objects: []client.Object{secretIn("team-b", "regcred", corev1.SecretTypeOpaque, map[string]string{"username": "u", "password": "p"})},
			want:    answer{CredentialError: "SourceNotFound: Secret apps/regcred does not exist"},
		},
		{
			sentence: "attack: a name that leads elsewhere", access: withSecret("../../team-b/secrets/regcred"),
			objects: []client.Object{secretIn("team-b", "regcred", corev1.SecretTypeOpaque, map[string]string{"username": "u", "password": "p"})},
			want:    answer{CredentialError: `SourceNotFound: Secret apps/"../../team-b/secrets/regcred" does not exist`},
		},
	})
}

// TestDockerConfiguration: which entry of one is for a host.
func TestDockerConfiguration(t *testing.T) {
	t.Parallel()
	login := func(user string) answer { return answer{Login: user + ":p", Origin: "Secret apps/regcred"} }
	none := func(host string) answer {
		return answer{CredentialError: "Unauthorized: Secret apps/regcred holds no login for " + host}
	}
	entry := func(place, user string) string {
		return `"` + place + `": {"username": "` + user + `", "password": "p"}`
	}
	broken := func(what string) answer {
		return answer{Error: "Unauthorized: Secret apps/regcred " + what, Next: "correct Secret apps/regcred"}
	}
	for _, r := range []struct {
		sentence, host, auths string
		want                  answer
	}{
		{"the host", "ghcr.io", entry("ghcr.io", "u"), login("u")},
		{"the host as a URL", "ghcr.io", entry("https://ghcr.io/v2/", "u"), login("u")},
		{"the host with the default port", "ghcr.io", entry("ghcr.io:443", "u"), login("u")},
		{"the host with a port", "registry.test:5000", entry("registry.test:5000", "u"), login("u")},
		{"another port is another host", "registry.test:5000", entry("registry.test", "u") + "," + entry("registry.test:5001", "v"), none("registry.test:5000")},
		{"Docker Hub by the name that docker login writes", "docker.io", entry("https://index.docker.io/v1/", "u"), login("u")},
		{"attack: a login for another host is not sent", "attacker.example", entry("ghcr.io", "u"), none("attacker.example")},
		{"attack: a host that begins alike", "ghcr.io.attacker.example", entry("ghcr.io", "u"), none("ghcr.io.attacker.example")},
		{"attack: a host that ends alike", "attacker-ghcr.io", entry("ghcr.io", "u"), none("attacker-ghcr.io")},
		{"a wildcard for a label", "acme.azurecr.io", entry("*.azurecr.io", "u"), login("u")},
		{"a wildcard never crosses a dot", "a.b.azurecr.io", entry("*.azurecr.io", "u"), none("a.b.azurecr.io")},
		{"a wildcard with a port", "a.test:5000", entry("*.test:5000", "u"), login("u")},
		{"a wildcard without the port", "a.test:5000", entry("*.test", "u"), none("a.test:5000")},
		{"the host goes before a wildcard", "acme.azurecr.io", entry("*.azurecr.io", "wild") + "," + entry("acme.azurecr.io", "u"), login("u")},
		{"a path that the chart is below", "ghcr.io", entry("ghcr.io/acme", "u"), login("u")},
		{"the chart's own path", "ghcr.io", entry("ghcr.io/acme/charts/podinfo", "u"), login("u")},
		{"a path goes before the host", "ghcr.io", entry("ghcr.io/acme", "u") + "," + entry("ghcr.io", "host"), login("u")},
		{"the longest of several paths", "ghcr.io", entry("ghcr.io/acme", "v") + "," + entry("ghcr.io/acme/charts", "u") + "," + entry("ghcr.io/acme/charts/other", "w"), login("u")},
		{"a path as a URL with the API's version and a slash", "ghcr.io", entry("https://ghcr.io/v2/acme/", "u") + "," + entry("ghcr.io", "host"), login("u")},
		{"the host goes before a path that it only begins like", "ghcr.io", entry("ghcr.io/ac", "v") + "," + entry("ghcr.io", "u"), login("u")},
		{"a path that it only begins like, as in go-containerregistry", "ghcr.io", entry("ghcr.io/ac", "u") + "," + entry("ghcr.io/other", "v"), login("u")},
		{"the host goes before the path of a wildcard", "ghcr.io", entry("*.io/acme", "v") + "," + entry("ghcr.io", "u"), login("u")},
		{"a wildcard with a path", "ghcr.io", entry("*.io/acme", "u") + "," + entry("*.io", "v"), login("u")},
		{"the only login for the host, as HelmRepository takes it", "ghcr.io", entry("ghcr.io/other", "u"), login("u")},
		{"several paths with one login", "ghcr.io", entry("ghcr.io/team", "u") + "," + entry("ghcr.io/other", "u"), login("u")},
		{"several other paths with several logins are none", "ghcr.io", entry("ghcr.io/team", "u") + "," + entry("ghcr.io/other", "v"), none("ghcr.io")},
		{"two spellings of a host", "ghcr.io", entry("https://ghcr.io", "v") + "," + entry("ghcr.io", "u") + "," + entry("http://ghcr.io/v1/", "w"), login("u")},
		{"no entry at all", "ghcr.io", "", none("ghcr.io")},
		{"auth goes before its parts", "ghcr.io", `"ghcr.io": {"username": "x", "password": "y", "auth": "` + encoded("u:p") + `"}`, login("u")},
		{"auth with a colon in the password", "ghcr.io", `"ghcr.io": {"auth": "` + encoded("u:p:q") + `"}`, answer{Login: "u:p:q", Origin: "Secret apps/regcred"}},
		{"auth without padding", "ghcr.io", `"ghcr.io": {"auth": "` + strings.TrimRight(encoded("u:pp"), "=") + `"}`, answer{Login: "u:pp", Origin: "Secret apps/regcred"}},
		{"auth that is not base64", "ghcr.io", `"ghcr.io": {"auth": "%%%"}`, broken("is not a valid Docker configuration: an auth is not base64 of user:password")},
		{"auth without a colon", "ghcr.io", `"ghcr.io": {"auth": "` + encoded("hunter2") + `"}`, broken("is not a valid Docker configuration: an auth is not base64 of user:password")},
		{"half a login", "ghcr.io", `"ghcr.io": {"username": "u"}`, broken("has a username but no password")},
		{"an identity token", "ghcr.io", `"ghcr.io": {"identitytoken": "t"}`, answer{Login: "<token>:t", Origin: "Secret apps/regcred"}},
		{"a registry token", "ghcr.io", `"ghcr.io": {"registrytoken": "t"}`, broken("holds a registry token, which chartgate cannot use, instead of a user name and password")},
		{"an entry of another type", "ghcr.io", `"ghcr.io": "hunter2"`, broken("is not a valid Docker configuration")},
		{"malformed JSON", "ghcr.io", `hunter2`, broken("is not a valid Docker configuration")},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			json := docker("regcred", `{"auths": {`+r.auths+`}}`)
			old := secretIn("apps", "regcred", corev1.SecretTypeDockercfg, map[string]string{".dockercfg": `{` + r.auths + `}`})
			for _, object := range []client.Object{json, old} {
				got := ask(t, resolverFor(t, []client.Object{object}), withSecret("regcred"), r.host)
				if diff := cmp.Diff(r.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFluxTransport(t *testing.T) {
	t.Parallel()
	broken := func(what string) answer {
		return answer{Error: "Unauthorized: Secret apps/tls " + what, Next: "correct Secret apps/tls"}
	}
	badProxy := answer{
		Error: "Unauthorized: Secret apps/proxy does not hold a valid proxy address (http://, https:// or socks5://)", Next: "correct Secret apps/proxy",
	}
	proxy := func(data map[string]string) []client.Object { return []client.Object{secret("proxy", data)} }
	tls := func(data map[string]string) []client.Object { return []client.Object{secret("tls", data)} }
	check(t, []row{
		{
			sentence: "a CA is trusted beside the admin's", access: withCertificates("tls"),
			objects: tls(map[string]string{"ca.crt": pems["ca"]}),
			want:    answer{CAs: "+ca", Origin: "Secret apps/tls"},
		},
		{
			sentence: "a client certificate", access: withCertificates("tls"),
			objects: tls(map[string]string{"tls.crt": pems["client"], "tls.key": pems["client key"]}),
			want:    answer{Client: "pair", Origin: "Secret apps/tls"},
		},
		{
			sentence: "the old names of the keys", access: withCertificates("tls"),
			objects: tls(map[string]string{"caFile": pems["ca"], "certFile": pems["client"], "keyFile": pems["client key"]}),
			want:    answer{CAs: "+ca", Client: "pair", Origin: "Secret apps/tls"},
		},
		{
			sentence: "the new names go before the old", access: withCertificates("tls"),
			objects: tls(map[string]string{"ca.crt": pems["ca"], "caFile": pems["other"]}),
			want:    answer{CAs: "+ca", Origin: "Secret apps/tls"},
		},
		{sentence: "no certificate at all", access: withCertificates("tls"), objects: tls(nil), want: broken("holds neither ca.crt nor tls.crt with tls.key")},
		{sentence: "a client certificate without its key", access: withCertificates("tls"), objects: tls(map[string]string{"tls.crt": pems["client"]}), want: broken("has a client certificate but no client key")},
		{sentence: "a client key without its certificate", access: withCertificates("tls"), objects: tls(map[string]string{"tls.key": pems["client key"]}), want: broken("has a client key but no client certificate")},
		{
			sentence: "a client certificate with another key", access: withCertificates("tls"),
			objects: tls(map[string]string{"tls.crt": pems["client"], "tls.key": pems["other key"]}),
			want:    broken("has a client certificate and a client key that do not fit together"),
		},
		{sentence: "a CA that is none", access: withCertificates("tls"), objects: tls(map[string]string{"ca.crt": "hunter2"}), want: broken("holds no certificate in ca.crt")},
		{
			sentence: "a Secret of certificates that does not exist is an error at once", access: withCertificates("tls"),
			want: answer{Error: "SourceNotFound: Secret apps/tls does not exist", Next: "create it, or correct the reference to it"},
		},
		{
			sentence: "certificates beside a login, which Flux still takes", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"username": "u", "password": "p", "caFile": pems["ca"]})},
			want:    answer{Login: "u:p", CAs: "+ca", Origin: "Secret apps/login"},
		},
		{
			sentence: "half a client certificate beside a login is none", access: withSecret("login"),
			objects: []client.Object{secret("login", map[string]string{"username": "u", "password": "p", "certFile": pems["client"]})},
			want:    answer{Login: "u:p", Origin: "Secret apps/login"},
		},
		{
			sentence: "certSecretRef goes before certificates beside a login",
			access:   sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login", Certificates: "tls"},
			objects: []client.Object{
				secret("login", map[string]string{"username": "u", "password": "p", "ca.crt": pems["other"]}),
				secret("tls", map[string]string{"ca.crt": pems["ca"]}),
			},
			want: answer{Login: "u:p", CAs: "+ca", Origin: "Secret apps/login"},
		},
		{
			sentence: "a proxy", access: withProxy("proxy"), objects: proxy(map[string]string{"address": "http://proxy.corp:3128"}),
			want: answer{Proxy: "http://proxy.corp:3128"},
		},
		{
			sentence: "a proxy with a login", access: withProxy("proxy"),
			objects: proxy(map[string]string{"address": "https://proxy.corp", "username": "u", "password": "p@"}),
			want:    answer{Proxy: "https://u:p%40@proxy.corp"},
		},
		{
			sentence: "a proxy with a user name alone", access: withProxy("proxy"),
			objects: proxy(map[string]string{"address": "socks5://proxy.corp:1080", "username": "u"}),
			want:    answer{Proxy: "socks5://u@proxy.corp:1080"},
		},
		{
			sentence: "a proxy without an address", access: withProxy("proxy"), objects: proxy(nil),
			want: answer{Error: "Unauthorized: Secret apps/proxy holds no proxy address", Next: "correct Secret apps/proxy"},
		},
		{sentence: "a proxy of an unknown scheme", access: withProxy("proxy"), objects: proxy(map[string]string{"address": "ftp://hunter2@proxy.corp"}), want: badProxy},
		{sentence: "a proxy without a host", access: withProxy("proxy"), objects: proxy(map[string]string{"address": "http://"}), want: badProxy},
		{sentence: "a proxy that is no URL", access: withProxy("proxy"), objects: proxy(map[string]string{"address": "http://hunter2%zz@proxy.corp"}), want: badProxy},
		{sentence: "a proxy's address that is too long", access: withProxy("proxy"), objects: proxy(map[string]string{"address": "http://" + strings.Repeat("x", 2042)}), want: badProxy},
		{
			sentence: "a Secret of a proxy that does not exist is an error at once", access: withProxy("proxy"),
			want: answer{Error: "SourceNotFound: Secret apps/proxy does not exist", Next: "create it, or correct the reference to it"},
		},
	})
}

// TestErrorsOfTheAPIServer: only what a registry that wants no login would not miss may
// wait.
func TestErrorsOfTheAPIServer(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	forbidden := apierrors.NewForbidden(secrets, "x", errors.New("RBAC says no"))
	outage := apierrors.NewGenericServerResponse(http.StatusInternalServerError, "get", secrets, "x", "hunter2", 0, true)
	const next = "let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)"
	for _, r := range []struct {
		sentence string
		access   sourceauth.Auth
		err      error
		want     answer
	}{
		{"a Secret that RBAC forbids", withSecret("x"), forbidden, answer{CredentialError: "Unauthorized: chartgate may not read Secret apps/x"}},
		{"a service account that RBAC forbids", withAccount("x", ""), forbidden, answer{CredentialError: "Unauthorized: chartgate may not read ServiceAccount apps/x"}},
		{"certificates that RBAC forbids", withCertificates("x"), forbidden, answer{Error: "Unauthorized: chartgate may not read Secret apps/x", Next: next}},
		{"a proxy that RBAC forbids", withProxy("x"), forbidden, answer{Error: "Unauthorized: chartgate may not read Secret apps/x", Next: next}},
		{"repository Secrets that RBAC forbids", argoSource("ghcr.io/acme/charts"), forbidden,
			answer{CredentialError: "Unauthorized: chartgate may not read the repository Secrets in namespace argocd"}},
		{"an API server with an error of its own", withSecret("x"), outage, answer{Error: "Internal: Secret apps/x could not be read"}},
		{"an API server with an error of its own, asked for repository Secrets", argoSource("ghcr.io/acme/charts"), outage,
			answer{Error: "Internal: the repository Secrets in namespace argocd could not be read"}},
		{"an API server that takes too long", withSecret("x"), context.DeadlineExceeded, answer{Error: "Timeout: reading Secret apps/x took too long", Next: "try again"}},
		{"an API server that says so", withSecret("x"), apierrors.NewTimeoutError("busy", 1), answer{Error: "Timeout: reading Secret apps/x took too long", Next: "try again"}},
		{"an answer that is no Secret", withSecret("x"), errors.New("unexpected kind"), answer{Error: "Internal: Secret apps/x could not be read"}},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			got := ask(t, resolverOf(t, failing(r.err)), r.access, "")
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownConsumer: an unknown consumer is an error.
func TestUnknownConsumer(t *testing.T) {
	t.Parallel()
	want := answer{Error: "Internal: chartgate does not know how this consumer reaches ghcr.io"}
	for sentence, access := range map[string]sourceauth.Auth{
		"a consumer of another kind":  {Consumer: 99, Namespace: "apps"},
		"names without a consumer":    {Secret: "x"},
		"Flux without a namespace":    {Consumer: sourceauth.Flux, Secret: "x"},
		"Argo CD without a URL":       {Consumer: sourceauth.ArgoCD, Project: "x"},
		"a namespace and no consumer": {Namespace: "apps"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, ask(t, resolverFor(t, nil), access, "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
