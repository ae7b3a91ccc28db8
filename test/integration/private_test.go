package integration_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/charts"
	"github.com/chartgate/chartgate/test/cluster"
	"github.com/chartgate/chartgate/test/registry"
	"github.com/chartgate/chartgate/test/sigstore"
)

// Logins that the registries of these tests want. Every secret holds the word that canary_test.go looks for.
const (
	pullerPassword = "puller-canary-password"
	proxyPassword  = "proxy-canary-password"
	ownPassword    = "own-canary-password"
)

// vip is a cluster whose charts are in private registries. ghcr.io wants a token, for the user "puller"; quay.io has a
// private CA, and wants a client certificate and a login. home.example is the admin's: chartgate has a login of its own.
type vip struct {
	*site
	own      *registry.Registry // home.example, behind front
	front    *httptest.Server
	home     *registry.Authority // of front
	clients  *registry.Authority // of quay.io's clients
	client   registry.Pair
	proxy    *recordingProxy
	stranger registry.Pair // a client whom quay.io does not know
}

// theVIPs is shared by the tests of this file and canary_test.go.
func theVIPs(t *testing.T) *vip {
	t.Helper()
	return shared.vips.get(t, openVIPs)
}

func openVIPs(ctx context.Context) (*vip, error) {
	clients, home := registry.NewAuthority(), registry.NewAuthority()
	v := &vip{
		clients: clients, client: clients.Client(), home: home, proxy: newRecordingProxy(),
		own: registry.New(registry.Options{Auth: registry.Basic, Username: "chartgate", Password: ownPassword}),
	}
	v.front = serveTLS(home, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: v.own.Host()}))
	s := &shop{
		registry:  registry.New(registry.Options{Auth: registry.Bearer, Username: "puller", Password: pullerPassword}),
		fallback:  registry.New(registry.Options{TLS: true, Clients: clients, Auth: registry.Basic, Username: "puller", Password: pullerPassword}),
		published: map[string]string{}, keys: map[string]keyPair{},
	}
	v.site = &site{shop: s}
	var err error
	if s.dir, err = os.MkdirTemp("", "chartgate-vips-"); err != nil {
		return v, err
	}
	if s.sigstore, err = sigstore.New(time.Now); err != nil {
		return v, err
	}
	if err := v.publishPrivately(ctx); err != nil {
		return v, err
	}
	return v, v.installWithOwnLogin(ctx)
}

// publishPrivately pushes a signed chart to each registry, and one more to ghcr.io.
func (v *vip) publishPrivately(ctx context.Context) error {
	for host, r := range map[string]*registry.Registry{"ghcr.io": v.registry, "quay.io": v.fallback, "home.example": v.own} {
		for _, version := range []string{"6.7.1", "6.8.0"} {
			chart, err := charts.Archive("podinfo", version)
			if err != nil {
				return err
			}
			digest, _, err := r.PushChart("acme/charts/podinfo", version, chart)
			if err != nil {
				return err
			}
			made, err := v.sigstore.Bundle(release(), digest, sigstore.SignPredicateType, nil)
			if err != nil {
				return err
			}
			if _, err := r.AttachBundle("acme/charts/podinfo", digest, made, nil); err != nil {
				return err
			}
			v.published[host+"/acme/charts/podinfo:"+version] = digest
		}
	}
	return ctx.Err()
}

// serveTLS starts a server with a certificate for 127.0.0.1.
func serveTLS(by *registry.Authority, handler http.Handler) *httptest.Server {
	pair := by.Server("127.0.0.1")
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		panic(err) // the authority made the two
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // some clients do not trust it
	server.StartTLS()
	return server
}

// installWithOwnLogin installs chartgate, with a login and a CA for home.example.
func (v *vip) installWithOwnLogin(ctx context.Context) error {
	var err error
	if v.Cluster, err = cluster.Start(ctx, []string{"crds/flux", "crds/argo"}, []string{"apps", "argocd", "team-b"}); err != nil {
		return err
	}
	root, err := v.sigstore.TrustedRoot()
	if err != nil {
		return err
	}
	values := map[string]any{
		"plainHTTP": []string{v.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)}, "logLevel": "debug",
		"argoNamespace": "argocd",
	}
	if v.install, err = v.Cluster.Install(ctx, values, false); err != nil {
		return err
	}
	text := identity("release", fmt.Sprintf("{keyless: {issuer: %q, subject: %q}}", release().Issuer, release().Subject)) + "\n---\n" +
		policy("private", `{match: {charts: ["oci://ghcr.io/**", "oci://quay.io/**", "oci://home.example/**", "oci://attacker.example/**", "oci://down.example/**"]}, require: [{anyOf: [release]}]}`)
	if err := v.applyText(ctx, v.hosts(text)); err != nil {
		return err
	}
	login := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, v.front.Listener.Addr().String(), base64.StdEncoding.EncodeToString([]byte("chartgate:"+ownPassword)))
	if err := errors.Join(os.WriteFile(v.file("config.json"), []byte(login), 0o600), os.WriteFile(v.file("ca.pem"), v.home.PEM(), 0o600)); err != nil {
		return err
	}
	v.gate, err = v.install.Run(ctx, "--registry-config="+v.file("config.json"), "--registry-ca="+v.file("ca.pem"))
	return err
}

// hosts translates the names that site does not know.
func (v *vip) hosts(text string) string {
	return strings.NewReplacer("home.example", v.front.Listener.Addr().String(), "attacker.example", v.proxy.attacker.Listener.Addr().String(), "proxy.example", v.proxy.Host()).Replace(text)
}

// Stop stops everything.
func (v *vip) Stop() error {
	var errs []error
	if v.gate != nil {
		errs = append(errs, v.gate.Stop())
	}
	if v.Cluster != nil {
		errs = append(errs, v.Cluster.Stop())
	}
	v.proxy.Close()
	v.front.Close()
	for _, r := range []*registry.Registry{v.own, v.registry, v.fallback} {
		r.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(v.dir))...)
}

// checkAll is check, with the names of more hosts.
func (v *vip) checkAll(t *testing.T, rows []row) {
	t.Helper()
	for i := range rows {
		rows[i].given, rows[i].object = v.hosts(rows[i].given), v.hosts(rows[i].object)
		rows[i].want.Message = v.hosts(rows[i].want.Message)
	}
	v.check(t, rows)
}

// recordingProxy is an HTTP proxy with a login, which keeps what passes. It can lead to the attacker, a server that has a
// certificate for 127.0.0.1, wants a login, and keeps what it is told.
type recordingProxy struct {
	*httptest.Server
	attacker *httptest.Server
	ca       *registry.Authority

	mu    sync.Mutex
	lies  bool     // lead to the attacker
	dials []string // hosts that were asked for
	told  []string // what the attacker got: request lines and credentials
}

func newRecordingProxy() *recordingProxy {
	p := &recordingProxy{ca: registry.NewAuthority()}
	p.Server = httptest.NewServer(registry.Tunnel(url.UserPassword("proxy", proxyPassword), p.dial))
	p.attacker = serveTLS(p.ca, http.HandlerFunc(p.listen))
	return p
}

func (p *recordingProxy) Host() string { return p.Listener.Addr().String() }

func (p *recordingProxy) dial(host string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials = append(p.dials, host)
	if p.lies {
		return p.attacker.Listener.Addr().String()
	}
	return host
}

// listen wants a login, and repeats what it got wherever an answer can hold it.
func (p *recordingProxy) listen(w http.ResponseWriter, r *http.Request) {
	shown := r.Header.Get("Authorization")
	p.mu.Lock()
	p.told = append(p.told, r.Method+" "+r.URL.Path+" "+shown)
	p.mu.Unlock()
	_, password, _ := r.BasicAuth()
	w.Header().Set("WWW-Authenticate", `Basic realm="`+password+shown+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, `{"errors": [{"code": "UNAUTHORIZED", "message": %q}]}`, password+shown)
}

// Close stops both servers.
func (p *recordingProxy) Close() {
	p.Server.CloseClientConnections()
	p.Server.Close()
	p.attacker.Close()
}

// during returns what happened during a function, while the proxy lies.
func (p *recordingProxy) during(f func()) (dials, told []string) {
	p.mu.Lock()
	p.lies, p.dials, p.told = true, nil, nil
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies = false
	return p.dials, p.told
}

// The objects of rows.

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
	return "---\n" + helmRepository("private", fmt.Sprintf("{type: oci, url: 'oci://%s/acme/charts', %s}", host, more))
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

const privateWants = "private wants a signature by release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, " +
	"issuer https://token.actions.githubusercontent.com)"

// unauthorized is the denial of something by a registry.
func unauthorized(object, field, summary, next string) answer {
	return denied("RegistryUnauthorized "+field, object+" denied (RegistryUnauthorized): "+summary+
		"\n  where:    "+field+"\n  policy:   "+privateWants+"\n  next:     "+next)
}

// later is the answer to what may go on because nothing is pulled yet.
func later(why string) answer {
	return admitted("not verified yet: " + why + "; the chart will be verified when it is pulled")
}

func pullerLogin(name string) string {
	return opaque(name, "username", "puller", "password", pullerPassword)
}

// TestPrivateCharts: everything by which Flux and Argo CD reach a private registry.
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

// TestPrivateChartsDenied: each thing that can be wrong has its own message, which names the host and the Secret.
func TestPrivateChartsDenied(t *testing.T) {
	v := theVIPs(t)
	release := func(summary, next string) answer {
		return unauthorized("HelmRelease apps/app", "spec.chart.spec", summary, next)
	}
	application := func(summary, next string) answer {
		return unauthorized("Application apps/app", "spec.source", summary, next)
	}
	const closed = "ghcr.io does not let chartgate read acme/charts/podinfo"
	v.checkAll(t, []row{
		{
			sentence: "a wrong password",
			given:    opaque("login", "username", "puller", "password", "wrong-canary") + privately("ghcr.io", "secretRef: {name: login}"),
			object:   privateRelease(),
			want: release(closed+" with the credentials of Secret apps/login: its token service answered 401 Unauthorized",
				"let Secret apps/login hold credentials that may pull acme/charts/podinfo from ghcr.io; if it should be public, check the name: registries also answer so where nothing exists"),
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
			sentence: "a private CA that nobody names",
			given:    pullerLogin("login") + privately("quay.io", "secretRef: {name: login}"),
			object:   privateRelease(),
			want: denied("RegistryUnavailable spec.chart.spec", `
HelmRelease apps/app denied (RegistryUnavailable): oci://quay.io/acme/charts/podinfo:6.7.1 could not be read: the TLS certificate is signed by a CA that chartgate does not trust
  where:    spec.chart.spec
  policy:   `+privateWants+`
  next:     try again; if it stays so, see whether the registry is up, and whether chartgate's pods can reach it`),
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
			want: denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): the url in Secret argocd/repo is not written like the Application's repoURL; Argo CD takes the two for the same and pulls from the Secret's
  where:    spec.source
  policy:   `+privateWants+`
  next:     write the same URL in both, character by character`),
		},
		{
			sentence: "attack: a proxy of the project's members in front of a Helm source",
			given:    argoSecret("repository", "repo", "quay.io/acme/charts", "project", "default", "proxy", "http://proxy:"+proxyPassword+"@proxy.example"),
			object:   applicationOf("quay.io/acme/charts", "podinfo", "6.7.1"),
			want: denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): Secret argocd/repo of project "default" sends Argo CD through a proxy, and a Helm source is pulled by version, so the project's members decide what it gets
  where:    spec.source
  policy:   `+privateWants+`
  next:     use a native source (repoURL: oci://…, without chart), which is pulled by digest, or let the admin set the proxy in a Secret without project`),
		},
	})
}

// TestPulledWithoutItsSecret: once something has been pulled, nothing is deferred.
func TestPulledWithoutItsSecret(t *testing.T) {
	v := theVIPs(t)
	v.given(t, strings.Replace(privateOCI("ghcr.io", "secretRef: {name: regcred}"), "6.7.1", "6.8.0", 1))
	digest := v.digest("ghcr.io/acme/charts/podinfo:6.8.0")
	patch := fmt.Sprintf(`{"status": {"artifact": {"revision": "6.8.0@%s", "digest": "sha256:%064d", "path": "p", "url": "http://x/p", "lastUpdateTime": "2026-01-01T00:00:00Z"}}}`, digest, 0)
	got := v.patchStatus(t, v.object(t, privateOCI("ghcr.io", "")), patch)
	want := denied("SourceNotFound status.artifact", `
OCIRepository apps/app denied (SourceNotFound): ghcr.io does not let chartgate read acme/charts/podinfo (its token service answered 401 Unauthorized), and Secret apps/regcred does not exist
  where:    status.artifact
  policy:   `+privateWants+`
  next:     create it, or correct the reference to it`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
	}
}

// TestRightsToReadSecrets: with each value of secrets.access, chartgate reads so much and no more.
func TestRightsToReadSecrets(t *testing.T) {
	v := theVIPs(t)
	v.given(t, pullerLogin("login")+privately("ghcr.io", "secretRef: {name: login}"))
	argo := argoSecret("repository", "repo", "ghcr.io/acme/charts", "username", "puller", "password", pullerPassword)
	v.given(t, argo)
	release, application := v.object(t, privateRelease()), v.object(t, applicationOf("ghcr.io/acme/charts", "podinfo", "6.7.1"))

	const refused = "ghcr.io does not let chartgate read acme/charts/podinfo (its token service answered 401 Unauthorized), and chartgate may not read "
	noSecret := unauthorized("HelmRelease apps/app", "spec.chart.spec", refused+"Secret apps/login",
		"let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)")
	noArgo := unauthorized("Application apps/app", "spec.source", refused+"the repository Secrets in namespace argocd",
		"let chartgate read Argo CD's repository Secrets (chart values argoNamespace and secrets.access), or give chartgate credentials of its own (registryConfig.existingSecrets)")
	for _, mode := range []struct {
		sentence, values string
		flux, argo       answer
	}{
		{"the namespace of the source", "{secrets: {access: Namespaces, namespaces: [team-b, apps]}, argoNamespace: argocd}", answer{}, answer{}},
		{"other namespaces", "{secrets: {access: Namespaces, namespaces: [team-b]}, argoNamespace: argocd}", noSecret, answer{}},
		{"no namespace of Argo CD's", "{secrets: {access: Namespaces, namespaces: [apps]}}", answer{}, noArgo},
		{"none", "{secrets: {access: None}, argoNamespace: argocd}", noSecret, noArgo},
		{"the whole cluster", "{secrets: {access: Cluster}, argoNamespace: argocd}", answer{}, answer{}},
	} {
		t.Run(mode.sentence, func(t *testing.T) {
			v.grant(t, mode.values)
			v.becomes(t, release, mode.flux)
			v.becomes(t, application, mode.argo)
		})
	}
}

// TestLoginsStayWithTheirHost: attacks on credentials, by somebody who may write sources in a namespace.
func TestLoginsStayWithTheirHost(t *testing.T) {
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
			object := v.object(t, v.hosts(attack.object))
			var got answer
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

// patchStatus tries a patch of an object's status.
func (v *vip) patchStatus(t *testing.T, object *unstructured.Unstructured, patch string) answer {
	t.Helper()
	return v.answer(t, func(c dynamic.Interface) error {
		_, err := resource(c, object).Patch(t.Context(), object.GetName(), types.MergePatchType, []byte(patch),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}, "status")
		return err
	})
}

// grant replaces chartgate's rights to read Secrets by those that the chart grants with values.
func (v *vip) grant(t *testing.T, values string) {
	t.Helper()
	for _, kind := range []string{"clusterrolebindings", "rolebindings", "roles", "clusterroles"} {
		for _, name := range []string{"chartgate-secrets", "chartgate-argocd"} {
			if _, err := v.Kubectl(t.Context(), "", "delete", kind, "-A", "--ignore-not-found", "--field-selector=metadata.name="+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	helm, err := cluster.Tool("helm")
	if err != nil {
		t.Fatal(err)
	}
	chart, err := cluster.Path("charts", "chartgate")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Command{
		Name: helm, Args: []string{"template", "chartgate", chart, "--namespace", cluster.Namespace, "--values", "-"}, Stdin: values,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Objects(out.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return !strings.HasPrefix(o.GetAPIVersion(), "rbac.authorization.k8s.io/")
	})
	if err := v.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}
