package e2e_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// Logins of the registries in these tests. Every secret holds the word that
// secretleaks_test.go looks for.
const (
	pullerPassword = "puller-canary-password"
	proxyPassword  = "proxy-canary-password"
	ownPassword    = "own-canary-password"
)

// vip is a cluster whose charts are in private registries. ghcr.io requires a token, for the user
// "puller"; quay.io has a private CA, and requires a client certificate and a login. home.example
// is the admin's, for which chartgate has its own login.
type vip struct {
	*site
	own      *registrytest.Registry // home.example, behind front
	front    *httptest.Server
	home     *registrytest.Authority // of front
	clients  *registrytest.Authority // of quay.io's clients
	client   registrytest.Pair
	proxy    *recordingProxy
	stranger registrytest.Pair // a client that quay.io does not know
}

// theVIPs is shared by the tests of privateregistries_test.go and secretleaks_test.go.
func theVIPs(t *testing.T) *vip {
	t.Helper()
	return privateSite.Get(t, openVIPs)
}

func openVIPs(ctx context.Context) (*vip, error) {
	clients, home := registrytest.NewAuthority(), registrytest.NewAuthority()
	v := &vip{
		clients: clients, client: clients.Client(), home: home, proxy: newRecordingProxy(),
		own: registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: "chartgate", Password: ownPassword}),
	}
	v.front = serveTLS(home, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: v.own.Host()}))
	s := &shop{
		registry:  registrytest.New(registrytest.Options{Auth: registrytest.Bearer, Username: "puller", Password: pullerPassword}),
		fallback:  registrytest.New(registrytest.Options{TLS: true, Clients: clients, Auth: registrytest.Basic, Username: "puller", Password: pullerPassword}),
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
	for host, r := range map[string]*registrytest.Registry{"ghcr.io": v.registry, "quay.io": v.fallback, "home.example": v.own} {
		for _, version := range []string{"6.7.1", "6.8.0"} {
			chart, err := charts.Archive("podinfo", version)
			if err != nil {
				return err
			}
			digest, _, err := r.PushChart("acme/charts/podinfo", version, chart)
			if err != nil {
				return err
			}
			signing := harness.Signing{Sigstore: v.sigstore, By: release(), Registry: r}
			if err := signing.Bundle("acme/charts/podinfo", digest); err != nil {
				return err
			}
			v.published[host+"/acme/charts/podinfo:"+version] = digest
		}
	}
	return ctx.Err()
}

// serveTLS starts a server with a certificate for 127.0.0.1.
func serveTLS(by *registrytest.Authority, handler http.Handler) *httptest.Server {
	server := by.Unstarted(handler, "127.0.0.1")
	server.StartTLS()
	return server
}

// installWithOwnLogin installs chartgate, with a login and a CA for home.example.
func (v *vip) installWithOwnLogin(ctx context.Context) error {
	root, err := v.sigstore.TrustedRoot()
	if err != nil {
		return err
	}
	login := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, v.front.Listener.Addr().String(), base64.StdEncoding.EncodeToString([]byte("chartgate:"+ownPassword)))
	if err := errors.Join(os.WriteFile(v.file("config.json"), []byte(login), 0o600), os.WriteFile(v.file("ca.pem"), v.home.PEM(), 0o600)); err != nil {
		return err
	}
	v.Site, err = harness.Open(ctx, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps", "argocd", "team-b"}},
		Values: map[string]any{
			"plainHTTP": []string{v.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)}, "logLevel": "debug",
			"argoNamespace": "argocd",
		},
		Objects: v.hosts(harness.Identity("release", fmt.Sprintf("{keyless: {issuer: %q, subject: %q}}", release().Issuer, release().Subject)) +
			harness.Policy("private", `{match: {charts: ["oci://ghcr.io/**", "oci://quay.io/**", "oci://home.example/**", "oci://attacker.example/**", "oci://down.example/**"]}, require: [{anyOf: [release]}]}`)),
		Args:  []string{"--registry-config=" + v.file("config.json"), "--registry-ca=" + v.file("ca.pem")},
		Local: v.local, Public: v.public,
	})
	return err
}

// hosts translates the names of hosts that only these tests use.
func (v *vip) hosts(text string) string {
	return strings.NewReplacer("home.example", v.front.Listener.Addr().String(), "attacker.example", v.proxy.attacker.Listener.Addr().String(), "proxy.example", v.proxy.Host()).Replace(text)
}

// Stop stops everything.
func (v *vip) Stop() error {
	errs := []error{v.Site.Stop()}
	v.proxy.Close()
	v.front.Close()
	for _, r := range []*registrytest.Registry{v.own, v.registry, v.fallback} {
		r.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(v.dir))...)
}

// checkAll is check with these hosts.
func (v *vip) checkAll(t *testing.T, rows []row) {
	t.Helper()
	for i := range rows {
		rows[i].given, rows[i].object = v.hosts(rows[i].given), v.hosts(rows[i].object)
		rows[i].want.Message = v.hosts(rows[i].want.Message)
	}
	v.check(t, rows)
}

// patchStatus tries a patch of an object's status.
func (v *vip) patchStatus(t *testing.T, object *unstructured.Unstructured, patch string) harness.Answer {
	t.Helper()
	return v.answer(t, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, object).Patch(t.Context(), object.GetName(), types.MergePatchType, []byte(patch),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}, "status")
		return err
	})
}

// grant replaces chartgate's rights to read Secrets by those that the chart grants with values.
func (v *vip) grant(t *testing.T, values string) {
	t.Helper()
	v.Forbidden = true
	for _, kind := range []string{"clusterrolebindings", "rolebindings", "roles", "clusterroles"} {
		for _, name := range []string{"chartgate-secrets", "chartgate-argocd"} {
			if _, err := v.Kubectl(t.Context(), "", "delete", kind, "-A", "--ignore-not-found", "--field-selector=metadata.name="+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	objects, err := cluster.Render(t.Context(), values)
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

// recordingProxy is an HTTP proxy with a login that records all traffic. It can connect clients to
// the attacker, a server that has a certificate for 127.0.0.1, asks for a login, and records
// requests.
type recordingProxy struct {
	*httptest.Server
	attacker *httptest.Server
	ca       *registrytest.Authority

	mu    sync.Mutex
	lies  bool     // lead to the attacker
	dials []string // hosts that were asked for
	told  []string // what the attacker got: request lines and credentials
}

func newRecordingProxy() *recordingProxy {
	p := &recordingProxy{ca: registrytest.NewAuthority()}
	p.Server = httptest.NewServer(registrytest.Tunnel(url.UserPassword("proxy", proxyPassword), p.dial))
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

// listen asks for a login, and repeats what it received wherever an answer can contain it.
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

// during returns what was recorded during a function, while the proxy connects clients to the
// attacker.
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
