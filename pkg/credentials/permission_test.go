package credentials_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// TestLoginsGoToNamedHostsOnly: no consumer's login goes to a host that is not named, and
// one that its Secret does not bind to a host only where the stored object sends it.
func TestLoginsGoToNamedHostsOnly(t *testing.T) {
	t.Parallel()
	const host = "registry.example"
	unnamed := func(what string) string {
		return "Unauthorized: " + what + " is not sent to registry.example, because no policy names this host literally"
	}
	unstored := func(what string) string {
		return "NotStored: " + what + " is not sent to registry.example before an object that names both is stored"
	}
	objects := []client.Object{
		secret("login", map[string]string{"username": "u", "password": "p"}),
		docker("regcred", `{"auths": {"registry.example": {"username": "u", "password": "p"}}}`),
		docker("wild", `{"auths": {"*.example": {"username": "u", "password": "p"}}}`),
		secret("tls", map[string]string{"ca.crt": pems["ca"], "tls.crt": pems["client"], "tls.key": pems["client key"]}),
		secret("both", map[string]string{"username": "u", "password": "p", "tls.crt": pems["client"], "tls.key": pems["client key"]}),
		secret("proxy", map[string]string{"address": "http://proxy.corp", "username": "u", "password": "p"}),
		serviceAccount("puller", "regcred"),
		serviceAccount("opaque", "login"),
		argoLogin("repository", "repo", "oci://registry.example/acme/charts/podinfo"),
		argoLogin("repo-creds", "template", "registry.example/acme"),
	}
	argo := func(url string) sourceauth.Auth { return sourceauth.Auth{Consumer: sourceauth.ArgoCD, URL: url} }
	for _, r := range []struct {
		sentence string
		access   sourceauth.Auth
		want     [4]answer // neither named nor stored, named, stored, both
	}{
		{"a user name and password", withSecret("login"), [4]answer{
			{CredentialError: unnamed("the login of Secret apps/login"), Origin: "Secret apps/login"}, {CredentialError: unstored("the login of Secret apps/login"), Origin: "Secret apps/login"},
			{CredentialError: unnamed("the login of Secret apps/login"), Origin: "Secret apps/login"}, {Login: "u:p", Origin: "Secret apps/login"},
		}},
		{"a Docker configuration, which names its host", withSecret("regcred"), bound("the login of Secret apps/regcred", "Secret apps/regcred", unnamed)},
		{"a Docker configuration with a wildcard", withSecret("wild"), bound("the login of Secret apps/wild", "Secret apps/wild", unnamed)},
		{"a service account's Docker configuration", withAccount("puller", ""), bound("the login of Secret apps/regcred", "Secret apps/regcred", unnamed)},
		{"a service account's user name and password", withAccount("opaque", ""), [4]answer{
			{CredentialError: unnamed("the login of Secret apps/login"), Origin: "Secret apps/login"}, {CredentialError: unstored("the login of Secret apps/login"), Origin: "Secret apps/login"},
			{CredentialError: unnamed("the login of Secret apps/login"), Origin: "Secret apps/login"}, {Login: "u:p", Origin: "Secret apps/login"},
		}},
		{"a client certificate, whose CA stays", withCertificates("tls"), [4]answer{
			{CAs: "+ca", CredentialError: unnamed("the client certificate of Secret apps/tls"), Origin: "Secret apps/tls"}, {CAs: "+ca", CredentialError: unstored("the client certificate of Secret apps/tls"), Origin: "Secret apps/tls"},
			{CAs: "+ca", CredentialError: unnamed("the client certificate of Secret apps/tls"), Origin: "Secret apps/tls"}, {CAs: "+ca", Client: "pair", Origin: "Secret apps/tls"},
		}},
		{"a client certificate beside a login", withSecret("both"), [4]answer{
			{CredentialError: unnamed("the login of Secret apps/both"), Origin: "Secret apps/both"}, {CredentialError: unstored("the login of Secret apps/both"), Origin: "Secret apps/both"},
			{CredentialError: unnamed("the login of Secret apps/both"), Origin: "Secret apps/both"}, {Login: "u:p", Client: "pair", Origin: "Secret apps/both"},
		}},
		{"a proxy's login goes to the proxy that its Secret names", withProxy("proxy"), [4]answer{
			{Proxy: "http://u:p@proxy.corp"}, {Proxy: "http://u:p@proxy.corp"}, {Proxy: "http://u:p@proxy.corp"}, {Proxy: "http://u:p@proxy.corp"},
		}},
		{"an Argo CD repository, which names its host", argo("oci://registry.example/acme/charts/podinfo"), bound("the login of Secret argocd/repo", "Secret argocd/repo", unnamed)},
		{"an Argo CD credential template", argo("registry.example/acme/charts"), bound("the login of Secret argocd/template", "Secret argocd/template", unnamed)},
	} {
		for i, want := range r.want {
			named, stored := i&1 != 0, i&2 != 0
			t.Run(fmt.Sprintf("%s, named %v, stored %v", r.sentence, named, stored), func(t *testing.T) {
				t.Parallel()
				access := r.access
				if named {
					access.NamedHost = host
				}
				if stored {
					access.StoredHost = host
				}
				if diff := cmp.Diff(want, connect(t, resolverFor(t, objects), access, host)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				// A policy that names another host does not name this one.
				access.NamedHost, access.StoredHost = "ghcr.io", "ghcr.io"
				if got := connect(t, resolverFor(t, objects), access, host); got.Login != "" || got.Client != "" {
					t.Errorf("sent to a host that is not named: %+v", got)
				}
			})
		}
	}
	t.Run("the admin's word counts like a policy's", func(t *testing.T) {
		t.Parallel()
		c := credentials.New(credentials.Options{Reader: fake.NewClientBuilder().WithObjects(objects...).Build(), LoginHosts: []string{host}})
		want := answer{Login: "u:p", Origin: "Secret apps/regcred"}
		if diff := cmp.Diff(want, connect(t, c, withSecret("regcred"), host)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// bound are the answers about a login whose Secret names the host.
func bound(what, origin string, unnamed func(string) string) [4]answer {
	no, yes := answer{CredentialError: unnamed(what), Origin: origin}, answer{Login: "u:p", Origin: origin}
	return [4]answer{no, yes, no, yes}
}

func argoLogin(kind, name, url string) *corev1.Secret {
	made := secretIn("argocd", name, corev1.SecretTypeOpaque, map[string]string{"url": url, "username": "u", "password": "p"})
	made.ObjectMeta = metav1.ObjectMeta{Namespace: "argocd", Name: name, Labels: map[string]string{"argocd.argoproj.io/secret-type": kind}}
	return made
}

// TestCloudIdentitiesGoToNamedHostsOnly: those of a source's provider, and chartgate's own.
func TestCloudIdentitiesGoToNamedHostsOnly(t *testing.T) {
	t.Parallel()
	const host = "attacker.azurecr.io"
	clouds, err := credentials.NewClouds()
	if err != nil {
		t.Fatal(err)
	}
	c := credentials.New(credentials.Options{Reader: fake.NewClientBuilder().Build(), Clouds: clouds, Identities: []string{"azure"}})
	const unnamed = "chartgate's own azure identity is not sent to attacker.azurecr.io, because no policy names this host literally"
	for _, r := range []struct {
		sentence        string
		access          sourceauth.Auth
		host            string
		login           bool
		identity        bool
		credentialError string
	}{
		{sentence: "a provider", access: withAccount("", "azure"), host: host, credentialError: unnamed},
		{sentence: "a provider at a host that is named", access: named(withAccount("", "azure"), host), host: host, login: true},
		{sentence: "chartgate's own identity", access: flux, host: host, credentialError: unnamed},
		{sentence: "chartgate's own identity at a host that is named", access: named(flux, host), host: host, identity: true},
		{sentence: "a host of no cloud", access: flux, host: "ghcr.io"},
		{sentence: "a user at a command line", access: sourceauth.Auth{}, host: host, identity: true},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			got, err := c.Resolve(t.Context(), r.access, at(t, r.host+"/acme/app"))
			if err != nil {
				t.Fatal(err)
			}
			credentialError := ""
			if got.CredentialError != nil {
				credentialError = got.CredentialError.Detail
			}
			if (got.Login != nil) != r.login || got.Identity != r.identity || credentialError != r.credentialError {
				t.Errorf("login %v, identity %v, credential error %q", got.Login != nil, got.Identity, credentialError)
			}
		})
	}
}

func named(access sourceauth.Auth, host string) sourceauth.Auth {
	access.NamedHost = host
	return access
}
