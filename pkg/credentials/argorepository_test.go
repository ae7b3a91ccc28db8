package credentials_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/sourceauth"
)

func TestArgoLogin(t *testing.T) {
	t.Parallel()
	none := answer{CredentialError: "Unauthorized: no repository Secret in namespace argocd is for this URL"}
	by := func(user, secret string) answer { return answer{Login: user + ":p", Origin: "Secret argocd/" + secret} }
	check(t, []row{
		{sentence: "no Secrets", access: argoSource(helmURL), want: none},
		{sentence: "a repository Secret", access: argoSource(helmURL), objects: []client.Object{repository("repo", helmURL, login("u"))}, want: by("u", "repo")},
		{sentence: "a repository Secret for a native source", access: argoSource(nativeURL), objects: []client.Object{repository("repo", nativeURL, login("u"))}, want: by("u", "repo")},
		{sentence: "a repository Secret for another URL", access: argoSource(helmURL), objects: []client.Object{repository("repo", helmURL+"/more", login("u"))}, want: none},
		{
			sentence: "a Secret without the label", access: argoSource(helmURL),
			objects: []client.Object{secretIn("argocd", "repo", corev1.SecretTypeOpaque, with(login("u"), "url", helmURL))}, want: none,
		},
		{
			sentence: "a Secret with the label in another namespace", access: argoSource(helmURL),
			objects: []client.Object{elsewhere(repository("repo", helmURL, login("u")))}, want: none,
		},
		{
			sentence: "a Secret of the Application's project goes before one of no project", access: argoSource(helmURL),
			objects: []client.Object{repository("all", helmURL, login("all")), repository("own", helmURL, with(login("own"), "project", "shop"))},
			want:    by("own", "own"),
		},
		{
			sentence: "attack: a Secret of another project", access: argoSource(helmURL),
			objects: []client.Object{repository("other", helmURL, with(login("other"), "project", "billing"))}, want: none,
		},
		{
			sentence: "an Application without a project is of the project default", access: sourceauth.Auth{Consumer: sourceauth.ArgoCD, URL: helmURL},
			objects: []client.Object{repository("own", helmURL, with(login("own"), "project", "default"))}, want: by("own", "own"),
		},
		{
			sentence: "two Secrets in one scope", access: argoSource(helmURL),
			objects: []client.Object{repository("b", helmURL, login("b")), repository("a", helmURL, login("a"))},
			want: answer{
				Error: `Invalid: the Secrets argocd/a, argocd/b are all for repoURL "ghcr.io/acme/charts", and Argo CD takes any one of them`, Next: "keep one of the Secrets, and delete the others",
			},
		},
		{
			sentence: "two Secrets of no project beside one of the project", access: argoSource(helmURL),
			objects: []client.Object{
				repository("a", helmURL, login("a")), repository("b", helmURL, login("b")), repository("own", helmURL, with(login("own"), "project", "shop")),
			},
			want: by("own", "own"),
		},
		{
			sentence: "a credential template", access: argoSource(helmURL),
			objects: []client.Object{template("creds", "ghcr.io/acme", login("u"))}, want: by("u", "creds"),
		},
		{
			sentence: "the longest template", access: argoSource(helmURL),
			objects: []client.Object{
				template("host", "ghcr.io", login("host")), template("longest", "ghcr.io/acme/ch", login("longest")), template("short", "ghcr.io/acme", login("short")),
				template("longer", helmURL+"/more", login("longer")),
			},
			want: by("longest", "longest"),
		},
		{
			sentence: "two templates of one URL", access: argoSource(helmURL),
			objects: []client.Object{template("a", "ghcr.io/acme", login("a")), template("b", "ghcr.io/acme", login("b"))},
			want: answer{
				Error: `Invalid: the Secrets argocd/a, argocd/b are all for repoURL "ghcr.io/acme/charts", and Argo CD takes any one of them`, Next: "keep one of the Secrets, and delete the others",
			},
		},
		{
			sentence: "a template without a URL is for nothing", access: argoSource(helmURL), objects: []client.Object{template("creds", "", login("u"))}, want: none,
		},
		{
			sentence: "a template of the other form is for nothing", access: argoSource(nativeURL), objects: []client.Object{template("creds", "ghcr.io/acme", login("u"))}, want: none,
		},
		{
			sentence: "a repository Secret without a login inherits the template's", access: argoSource(helmURL),
			objects: []client.Object{repository("repo", helmURL, nil), template("creds", "ghcr.io/acme", login("u"))}, want: by("u", "creds"),
		},
		{
			sentence: "a repository Secret with credentials of any kind inherits nothing", access: argoSource(helmURL),
			objects: []client.Object{
				repository("repo", helmURL, map[string]string{"tlsClientCertData": pems["client"], "tlsClientCertKey": pems["client key"]}),
				template("creds", "ghcr.io/acme", login("u")),
			},
			want: answer{Client: "pair", Origin: "Secret argocd/repo", CredentialError: "Unauthorized: Secret argocd/repo holds no user name and password"},
		},
		{
			sentence: "half a login", access: argoSource(helmURL), objects: []client.Object{repository("repo", helmURL, map[string]string{"password": "p"})},
			want: answer{Error: "Unauthorized: Secret argocd/repo has a password but no username", Next: "correct Secret argocd/repo"},
		},
		{
			sentence: "half a client certificate", access: argoSource(helmURL), objects: []client.Object{repository("repo", helmURL, with(login("u"), "tlsClientCertKey", "x"))},
			want: answer{Error: "Unauthorized: Secret argocd/repo has a client key but no client certificate", Next: "correct Secret argocd/repo"},
		},
		{
			sentence: "a port in a native URL", access: argoSource("oci://registry.test:5000/acme/app"), host: "registry.test:5000",
			objects: []client.Object{template("creds", "oci://registry.test:5000/acme", login("u"))}, want: by("u", "creds"),
		},
		{
			sentence: "an address with a port and without a scheme, for which Argo CD finds no template", access: argoSource("10.0.0.1:5000/acme"), host: "10.0.0.1:5000",
			objects: []client.Object{template("creds", "10.0.0.1:5000", login("u"))}, want: none,
		},
		{
			sentence: "an address with a port and without a scheme, for which it finds a Secret", access: argoSource("10.0.0.1:5000/acme"), host: "10.0.0.1:5000",
			objects: []client.Object{repository("repo", "10.0.0.1:5000/acme", login("u"))}, want: by("u", "repo"),
		},
		{
			sentence: "attack: another host than the Application's is none of Argo CD's", access: argoSource(helmURL), host: "attacker.example",
			objects: []client.Object{repository("repo", helmURL, login("u"))},
		},
		{
			sentence: "attack: a host that begins like a template's URL", access: argoSource("ghcr.io.attacker.example/charts"), host: "ghcr.io.attacker.example",
			objects: []client.Object{template("creds", "ghcr.io", login("u"))},
			want:    answer{CredentialError: "Unauthorized: Secret argocd/creds is for another host, although its URL begins like one at ghcr.io.attacker.example, so it is not sent there"},
		},
	})
}

func elsewhere(secret *corev1.Secret) *corev1.Secret {
	secret.Namespace = "apps"
	return secret
}

// TestAProjectsSecretChoosesNoChart: attacks by anyone who can create repositories in an Argo CD
// project.
func TestAProjectsSecretChoosesNoChart(t *testing.T) {
	t.Parallel()
	insecure := answer{
		Error: "Invalid: Secret argocd/repo lets Argo CD connect without a check of the server's identity (insecure), so an attacker on the network can replace what it pulls from ghcr.io",
		Next: "remove insecure and insecureOCIForceHttp from Secret argocd/repo; a private CA goes into ConfigMap argocd-tls-certs-cm; " +
			"for a test registry, the admin names the host with --plain-http",
	}
	otherURL := answer{
		Error: "Invalid: the url in Secret argocd/repo is not written like the Application's repoURL; Argo CD takes the two for the same and pulls from the Secret's",
		Next:  "write the same URL in both, character by character",
	}
	proxy := answer{
		Error: `Invalid: Secret argocd/repo of project "shop" sends Argo CD through a proxy, and a Helm source is pulled by version, so the project's members decide what it gets`,
		Next:  "use a native source (repoURL: oci://…, without chart), which is pulled by digest, or let the admin set the proxy in a Secret without project",
	}
	own := func(url string, pairs ...string) []client.Object {
		return []client.Object{repository("repo", url, with(login("u"), append(pairs, "project", "shop")...))}
	}
	check(t, []row{
		{sentence: "attack: .git makes it another repository", access: argoSource(helmURL), objects: own(helmURL + ".git"), want: otherURL},
		{sentence: "attack: another case", access: argoSource(helmURL), objects: own("ghcr.io/ACME/charts"), want: otherURL},
		{sentence: "attack: a space behind it", access: argoSource(helmURL), objects: own(helmURL + " "), want: otherURL},
		{sentence: "attack: another scheme", access: argoSource(helmURL), objects: own("ssh://" + helmURL), want: otherURL},
		{sentence: "attack: .git in a native URL", access: argoSource(nativeURL), objects: own(nativeURL + ".git"), want: otherURL},
		{sentence: "attack: insecure", access: argoSource(helmURL), objects: own(helmURL, "insecure", "true"), want: insecure},
		{sentence: "attack: insecure as Go reads it", access: argoSource(helmURL), objects: own(helmURL, "insecure", "T"), want: insecure},
		{sentence: "attack: plain HTTP", access: argoSource(nativeURL), objects: own(nativeURL, "insecureOCIForceHttp", "1"), want: insecure},
		{sentence: "attack: a proxy", access: argoSource(helmURL), objects: own(helmURL, "proxy", "http://attacker.example:3128"), want: proxy},
		{sentence: "attack: a proxy that noProxy excludes for now", access: argoSource(helmURL), objects: own(helmURL, "proxy", "http://attacker.example:3128", "noProxy", "*"), want: proxy},
		{
			sentence: "a proxy for a native source, which is pulled by digest", access: argoSource(nativeURL), objects: own(nativeURL, "proxy", "http://proxy.shop:3128"),
			want: answer{Login: "u:p", Origin: "Secret argocd/repo", Proxy: "http://proxy.shop:3128"},
		},
		{
			sentence: "insecure of no project is denied as well", access: argoSource(helmURL),
			objects: []client.Object{repository("repo", helmURL, with(login("u"), "insecure", "true"))}, want: insecure,
		},
		{
			sentence: "insecure of a template", access: argoSource(helmURL),
			objects: []client.Object{template("repo", "ghcr.io", with(login("u"), "insecure", "true"))}, want: insecure,
		},
	})
}
