package credentials_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

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

func TestArgoLogin(t *testing.T) {
	t.Parallel()
	none := answer{Lacking: "Unauthorized: no repository Secret in namespace argocd is for this URL"}
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
				Error: `Invalid: the Secrets argocd/a, argocd/b are all for repoURL "ghcr.io/acme/charts", and Argo CD takes any one of them`, Next: "keep one of them",
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
				Error: `Invalid: the Secrets argocd/a, argocd/b are all for repoURL "ghcr.io/acme/charts", and Argo CD takes any one of them`, Next: "keep one of them",
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
			want: answer{Client: "pair", Origin: "Secret argocd/repo", Lacking: "Unauthorized: Secret argocd/repo holds no user name and password"},
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
			want:    answer{Lacking: "Unauthorized: Secret argocd/creds is for another host, although its URL begins like one at ghcr.io.attacker.example, so it is not sent there"},
		},
	})
}

func elsewhere(secret *corev1.Secret) *corev1.Secret {
	secret.Namespace = "apps"
	return secret
}

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
			want: answer{CAs: "ca", Lacking: "Unauthorized: no repository Secret in namespace argocd is for this URL"},
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

// TestAProjectsSecretChoosesNoChart: attacks by whoever may create repositories in an
// Argo CD project.
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

// TestWithoutArgoNamespace: nobody said where to look.
func TestWithoutArgoNamespace(t *testing.T) {
	t.Parallel()
	want := answer{Lacking: "Unauthorized: chartgate has not been told where Argo CD keeps its repository Secrets (chart value argoNamespace)"}
	if diff := cmp.Diff(want, ask(t, connectorWithoutArgo(), argoSource(helmURL), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManySecrets: they come in pages, up to a limit.
func TestManySecrets(t *testing.T) {
	t.Parallel()
	for sentence, r := range map[string]struct {
		pages int
		want  answer
	}{
		"several pages":        {3, answer{Login: "u:p", Origin: "Secret argocd/last"}},
		"as many as there may": {10, answer{Login: "u:p", Origin: "Secret argocd/last"}},
		"more than there may":  {11, answer{Error: "LimitExceeded: namespace argocd has more than 5000 repository Secrets, and chartgate reads no more"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(r.want, ask(t, connectorOf(t, paged(r.pages)), argoSource(helmURL), "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// paged serves so many pages of 500 Secrets, the last of which holds the one for helmURL.
func paged(pages int) client.Reader {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			asked := (&client.ListOptions{}).ApplyOptions(options)
			page := 1
			if asked.Continue != "" {
				if _, err := fmt.Sscan(asked.Continue, &page); err != nil {
					return err
				}
			}
			secrets := list.(*corev1.SecretList)
			for i := range int(asked.Limit) - 1 {
				secrets.Items = append(secrets.Items, *repository(fmt.Sprint("other-", page, "-", i), fmt.Sprint("quay.io/", i), nil))
			}
			if secrets.Continue = fmt.Sprint(page + 1); page == pages {
				secrets.Items, secrets.Continue = append(secrets.Items, *repository("last", helmURL, login("u"))), ""
			} else {
				secrets.Items = append(secrets.Items, *repository(fmt.Sprint("other-", page), "quay.io/x", nil))
			}
			return nil
		},
	}).Build()
}

// TestCallersShareAList: callers that ask while a list is running share it. Nothing is kept: a
// later caller gets another one, and so does a caller that comes after one that has given up.
func TestCallersShareAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lists atomic.Int64
		release := make(chan struct{})
		reader := fake.NewClientBuilder().WithObjects(repository("repo", helmURL, login("u"))).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				lists.Add(1)
				<-release
				if err := ctx.Err(); err != nil {
					return err // as a real API server's client does
				}
				return c.List(ctx, list, options...)
			},
		}).Build()
		c := connectorOf(t, reader)
		var group sync.WaitGroup
		start := func() {
			group.Go(func() {
				if got := ask(t, c, argoSource(helmURL), ""); got.Login != "u:p" {
					t.Errorf("got %+v", got)
				}
			})
			synctest.Wait()
		}
		start()
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := c.Connect(ctx, argoSource(helmURL), at(t, "ghcr.io/acme/charts/podinfo"))
			gaveUp <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; err == nil {
			t.Error("a caller that gave up got an answer")
		}
		for range 5 {
			start()
		}
		close(release)
		group.Wait()
		if lists.Load() != 2 {
			t.Errorf("%d lists, want one for the first two callers and one for the others", lists.Load())
		}
		if got := ask(t, c, argoSource(helmURL), ""); got.Login != "u:p" || lists.Load() != 3 {
			t.Errorf("a later caller did not ask the API server: %+v", got)
		}
	})
}

// TestPanicOfTheAPIClient: a panic while the Secrets are listed denies; it does not end the process.
func TestPanicOfTheAPIClient(t *testing.T) {
	t.Parallel()
	reader := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			panic("injected")
		},
	}).Build()
	want := answer{Error: "Internal: the repository Secrets in namespace argocd could not be read"}
	if diff := cmp.Diff(want, ask(t, connectorOf(t, reader), argoSource(helmURL), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
