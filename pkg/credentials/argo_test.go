package credentials_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/sourceauth"
)

func argoSource(url string) sourceauth.Auth {
	return sourceauth.Auth{Consumer: sourceauth.ArgoCD, URL: url, Project: "shop"}
}

// repository is a repository Secret, template a credential template.
func repository(name, url string, more map[string]string) *corev1.Secret {
	return argoSecret("repository", name, url, more)
}

func template(name, url string, more map[string]string) *corev1.Secret {
	return argoSecret("repo-creds", name, url, more)
}

func argoSecret(kind, name, url string, more map[string]string) *corev1.Secret {
	data := map[string]string{"url": url, "type": "helm"}
	maps.Copy(data, more)
	made := secretIn("argocd", name, corev1.SecretTypeOpaque, data)
	made.Labels = map[string]string{"argocd.argoproj.io/secret-type": kind}
	return made
}

func login(user string) map[string]string {
	return map[string]string{"username": user, "password": "p"}
}

func with(data map[string]string, pairs ...string) map[string]string {
	all := maps.Clone(data)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}

const (
	helmURL   = "ghcr.io/acme/charts"
	nativeURL = "oci://ghcr.io/acme/charts/podinfo"
)

func TestArgoTransport(t *testing.T) {
	t.Parallel()
	repo := func(pairs ...string) []client.Object {
		return []client.Object{repository("repo", helmURL, with(login("u"), pairs...))}
	}
	cas := func(host, text string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "argocd-tls-certs-cm"}, Data: map[string]string{host: text}}
	}
	logged := answer{Login: "u:p", Origin: "Secret argocd/repo"}
	proxied := logged
	proxied.Proxy = "http://proxy.corp:3128"
	trusting := logged
	trusting.CAs = "ca"
	check(t, []row{
		{sentence: "a CA for the host is trusted instead of the system's", access: argoSource(helmURL), objects: objects(repo(), []client.Object{cas("ghcr.io", pems["ca"])}), want: trusting},
		{sentence: "a CA for another host", access: argoSource(helmURL), objects: objects(repo(), []client.Object{cas("quay.io", pems["ca"])}), want: logged},
		{sentence: "a CA that is none counts for nothing, as in Argo CD", access: argoSource(helmURL), objects: objects(repo(), []client.Object{cas("ghcr.io", "x")}), want: logged},
		{
			sentence: "a CA for a host with a port goes by the host's name", access: argoSource("oci://registry.test:5000/app"), host: "registry.test:5000",
			objects: []client.Object{repository("repo", "oci://registry.test:5000/app", login("u")), cas("registry.test", pems["ca"])}, want: trusting,
		},
		{
			sentence: "a CA alone", access: argoSource(helmURL), objects: []client.Object{cas("ghcr.io", pems["ca"])},
			want: answer{CAs: "ca", CredentialError: "Unauthorized: no repository Secret in namespace argocd is for this URL"},
		},
		{sentence: "the admin's proxy", access: argoSource(helmURL), objects: repo("proxy", "http://proxy.corp:3128"), want: proxied},
		{sentence: "a proxy that noProxy excludes", access: argoSource(helmURL), objects: repo("proxy", "http://proxy.corp:3128", "noProxy", ".corp,ghcr.io"), want: logged},
		{
			sentence: "a proxy that is none", access: argoSource(helmURL), objects: repo("proxy", "ftp://u:hunter2@proxy"),
			want: answer{Error: "Unauthorized: Secret argocd/repo does not hold a valid proxy address (http://, https:// or socks5://)", Next: "correct Secret argocd/repo"},
		},
		{
			sentence: "a proxy of a template, in a repository of a project", access: argoSource(helmURL),
			objects: []client.Object{
				repository("repo", helmURL, map[string]string{"project": "shop"}),
				template("creds", "ghcr.io/acme", with(login("u"), "proxy", "http://proxy.corp:3128")),
			},
			want: answer{Login: "u:p", Origin: "Secret argocd/creds", Proxy: "http://proxy.corp:3128"},
		},
		{
			sentence: "a field that is neither true nor false", access: argoSource(helmURL), objects: repo("insecure", "maybe"),
			want: answer{Error: "Unauthorized: Secret argocd/repo has a field insecure that is neither true nor false", Next: "correct Secret argocd/repo"},
		},
		{sentence: "insecure on a host that the admin named", access: argoSource("oci://registry.test:5000/app"), host: "registry.test:5000",
			objects: []client.Object{repository("repo", "oci://registry.test:5000/app", with(login("u"), "insecureOCIForceHttp", "true"))}, want: logged},
		{sentence: "insecure that is false", access: argoSource(helmURL), objects: repo("insecure", "false"), want: logged},
		{
			sentence: "Azure's identity for a host that is not Azure's", access: argoSource(helmURL), objects: repo("useAzureWorkloadIdentity", "true"),
			want: answer{Error: "Unauthorized: ghcr.io is not a registry of azure, so no azure identity is sent to it", Next: "correct the URL, or set provider to generic"},
		},
	})
}

// TestWithoutArgoNamespace: the namespace of Argo CD is not configured.
func TestWithoutArgoNamespace(t *testing.T) {
	t.Parallel()
	want := answer{CredentialError: "Unauthorized: chartgate has not been told where Argo CD keeps its repository Secrets (chart value argoNamespace)"}
	if diff := cmp.Diff(want, ask(t, resolverWithoutArgo(), argoSource(helmURL), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
