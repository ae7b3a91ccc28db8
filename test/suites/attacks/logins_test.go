package attacks_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// The login of the private registry, and of every Secret.
const (
	puller   = "puller"
	password = "hunter2"
)

// bank is a cluster with charts in a private registry, a policy for every registry of the world,
// and a thief. Its API server has a client certificate for webhooks.
type bank struct {
	*site
	thief   *loginThief
	clients *registrytest.Authority // of the API server's certificate
	dir     string
}

// loginThief is a registry that asks for a login and a client certificate, and records what it
// gets.
type loginThief struct {
	*httptest.Server
	ca *registrytest.Authority

	mu    sync.Mutex
	got   []string
	asked int
}

func newLoginThief(t *testing.T) *loginThief {
	t.Helper()
	f := &loginThief{ca: registrytest.NewAuthority()}
	f.Server = f.ca.Unstarted(f, "127.0.0.1")
	f.TLS.ClientAuth = tls.RequestClientCert
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *loginThief) host() string { return f.Listener.Addr().String() }

func (f *loginThief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if shown := r.Header.Get("Authorization"); shown != "" {
		f.got = append(f.got, shown)
	}
	if len(r.TLS.PeerCertificates) > 0 {
		f.got = append(f.got, "a client certificate")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// loot is what the thief has received since the last call, and the number of requests.
func (f *loginThief) loot() (got []string, asked int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got, asked, f.got, f.asked = f.got, f.asked, nil, 0
	return got, asked
}

func openBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{
		site:  &site{registry: registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: puller, Password: password})},
		thief: newLoginThief(t), clients: registrytest.NewAuthority(), dir: t.TempDir(),
	}
	var err error
	if b.people, err = thePeople(); err != nil {
		t.Fatal(err)
	}
	digest, layer, err := b.push("charts/podinfo:1.0.0", "signed")
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Sign(b.Sigstore, acme(), b.registry, "charts/podinfo", digest); err != nil {
		t.Fatal(err)
	}
	b.names = strings.NewReplacer("ghcr.io", b.registry.Host(), "thief.example", b.thief.host(), "DIGEST", digest, "LAYER", layer)
	b.public = strings.NewReplacer(b.registry.Host(), "ghcr.io", b.thief.host(), "thief.example")
	root := must(b.TrustedRoot())(t)
	id := acme()
	b.Site, err = harness.Open(t.Context(), harness.Setup{
		Options: cluster.Options{
			CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps", "argocd", "team-b", "flux-system"},
			APIServer: map[string]string{"admission-control-config-file": b.admissionConfig(t)},
		},
		Values: map[string]any{
			"plainHTTP": []string{b.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)}, "argoNamespace": "argocd",
			"registry": map[string]any{"caBundle": string(b.thief.ca.PEM())},
		},
		Objects: roles + harness.Identity("acme", fmt.Sprintf("{keyless: {issuer: %q, subject: %q}}", id.Issuer, id.Subject)) +
			bankPolicy("everything", "oci://**") + bankPolicy("ours", "oci://ghcr.io/charts/**") + bankObjects(b),
		Stopped: true, Local: b.names.Replace, Public: b.public.Replace,
	})
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bankPolicy(name, pattern string) string {
	return harness.Policy(name, fmt.Sprintf("{match: {charts: [%q]}, require: [{anyOf: [acme]}]}", pattern))
}

// bankObjects are honest Secrets, and the objects that are stored before chartgate starts.
func bankObjects(b *bank) string {
	pair := registrytest.NewAuthority().Client()
	secret := func(namespace, name, kind string, data map[string]string) string {
		text, _ := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": map[string]any{"name": name, "namespace": namespace}, "stringData": data,
		})
		return "---\n" + string(text) + "\n"
	}
	var text strings.Builder
	for _, namespace := range []string{"flux-system", "apps"} {
		text.WriteString(secret(namespace, "login", "Opaque", map[string]string{"username": puller, "password": password}) +
			secret(namespace, "regcred", "kubernetes.io/dockerconfigjson", map[string]string{".dockerconfigjson": `{"auths": {"ghcr.io": {"username": "` + puller + `", "password": "` + password + `"}}}`}) +
			secret(namespace, "tls", "Opaque", map[string]string{"ca.crt": string(b.thief.ca.PEM()), "tls.crt": string(pair.Certificate), "tls.key": string(pair.Key)}) +
			secret(namespace, "wild", "kubernetes.io/dockerconfigjson", map[string]string{".dockerconfigjson": fmt.Sprintf(`{"auths": {"*.0.0.1:%s": {"username": "u", "password": "hunter2"}}}`, b.thief.host()[strings.LastIndexByte(b.thief.host(), ':')+1:])}))
	}
	return text.String() + "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: puller, namespace: flux-system}, imagePullSecrets: [{name: login}]}\n"
}

// admissionConfig lets the API server send a client certificate to webhooks, as docs/install.md
// says.
func (b *bank) admissionConfig(t *testing.T) string {
	t.Helper()
	pair := b.clients.Client()
	b.write(t, "client.crt", string(pair.Certificate))
	b.write(t, "client.key", string(pair.Key))
	b.write(t, "client-ca.crt", string(b.clients.PEM()))
	kubeconfig := b.write(t, "kubeconfig", fmt.Sprintf(`
apiVersion: v1
kind: Config
users:
- name: "*"
  user: {client-certificate: %q, client-key: %q}
`, filepath.Join(b.dir, "client.crt"), filepath.Join(b.dir, "client.key")))
	return b.write(t, "admission.yaml", fmt.Sprintf(`
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %q
`, kubeconfig))
}

func (b *bank) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// forge sends a review straight to the webhook's port, as any pod of the cluster can.
func (b *bank) forge(t *testing.T, object, old *unstructured.Unstructured, subresource string, certificates ...tls.Certificate) (admitted bool, err error) {
	t.Helper()
	kind := object.GroupVersionKind()
	request := &admissionv1.AdmissionRequest{
		UID: "forged", Operation: admissionv1.Create, Name: object.GetName(), Namespace: object.GetNamespace(), SubResource: subresource,
	}
	request.Kind.Group, request.Kind.Version, request.Kind.Kind = kind.Group, kind.Version, kind.Kind
	request.UserInfo.Username = sourceController
	request.Object.Raw = must(object.MarshalJSON())(t)
	if old != nil {
		request.Operation = admissionv1.Update
		request.OldObject.Raw = must(old.MarshalJSON())(t)
	}
	review := admissionv1.AdmissionReview{Request: request}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	post := must(http.NewRequestWithContext(ctx, http.MethodPost, "https://"+b.Installation.Address()+"/validate-charts", bytes.NewReader(must(json.Marshal(review))(t))))(t)
	post.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(post)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, err
	}
	return answer.Response != nil && answer.Response.Allowed, nil
}

func bankSource(namespace, name, host, more string) string {
	return ociAt(namespace+"/"+name, "oci://"+host+"/charts/podinfo", "{tag: 1.0.0}", harness.HelmLayer, more)
}

func bankRepository(host, more string) string {
	return flux("HelmRepository", "flux-system/charts", fmt.Sprintf("spec: {interval: 10m, type: oci, url: 'oci://%s/charts', %s}", host, more))
}

const (
	bankRelease = "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: app, namespace: flux-system}, spec: {interval: 10m, " +
		"chart: {spec: {chart: podinfo, version: 1.0.0, sourceRef: {kind: HelmRepository, name: charts}}}}}\n"
	bankArtifact = "{artifact: {digest: LAYER, revision: '1.0.0@DIGEST', path: p, url: 'http://x/p', lastUpdateTime: '2026-01-01T00:00:00Z'}}"
)

// TestForgedReviewsGetNoLogin: a client that reaches the webhook's port cannot make it send a
// login: not with a policy for every registry of the world, and not to a host that a policy names,
// unless the stored object sends it there.
func TestForgedReviewsGetNoLogin(t *testing.T) {
	b := openBank(t)
	stored := bankRepository("ghcr.io", "secretRef: {name: login}") + "---\n" + bankRelease + "---\n" + bankSource("flux-system", "stored", "ghcr.io", "secretRef: {name: login}")
	b.Restart(t)
	if err := b.ApplyText(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	withArtifact := func(text string) string { return strings.TrimSuffix(text, "}\n") + ", status: " + bankArtifact + "}\n" }
	attacks := []struct{ sentence, object, old, subresource string }{
		{"a user name and password", bankSource("flux-system", "new", "thief.example", "secretRef: {name: login}"), "", ""},
		{"a service account's Secrets", bankSource("flux-system", "new", "thief.example", "serviceAccountName: puller"), "", ""},
		{"a client certificate", bankSource("flux-system", "new", "thief.example", "certSecretRef: {name: tls}"), "", ""},
		{"both", bankSource("flux-system", "new", "thief.example", "secretRef: {name: login}, certSecretRef: {name: tls}"), "", ""},
		{"a Docker configuration with a wildcard", bankSource("flux-system", "new", "thief.example", "secretRef: {name: wild}"), "", ""},
		{"another URL for a stored object", bankSource("flux-system", "stored", "thief.example", "secretRef: {name: login}"), bankSource("flux-system", "stored", "ghcr.io", "secretRef: {name: login}"), ""},
		{"a stored object that was never so", bankSource("flux-system", "stored", "thief.example", "secretRef: {name: login}"), bankSource("flux-system", "stored", "thief.example", "suspend: true"), ""},
		{"an artifact", withArtifact(bankSource("flux-system", "stored", "thief.example", "secretRef: {name: login}")), bankSource("flux-system", "stored", "thief.example", "secretRef: {name: login}"), "status"},
		{"a HelmRepository, for the releases that use it", bankRepository("thief.example", "secretRef: {name: login}"), bankRepository("ghcr.io", "secretRef: {name: login}"), ""},
		{"a HelmRepository with a client certificate", bankRepository("thief.example", "certSecretRef: {name: tls}"), bankRepository("ghcr.io", "secretRef: {name: login}"), ""},
	}
	for _, policies := range []string{"a policy for everything", "a policy that names the thief"} {
		if policies != "a policy for everything" {
			if err := b.ApplyText(t.Context(), bankPolicy("thief", "oci://thief.example/**")); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range attacks {
			if strings.Contains(a.object, "name: wild") && policies != "a policy for everything" {
				continue // its author lets it go there, and so does the policy
			}
			t.Run(policies+": "+a.sentence, func(t *testing.T) {
				var old *unstructured.Unstructured
				if a.old != "" {
					old = b.Object(t, a.old)
				}
				if _, err := b.forge(t, b.Object(t, a.object), old, a.subresource); err != nil {
					t.Fatal(err)
				}
				got, asked := b.thief.loot()
				if len(got) > 0 {
					t.Errorf("the thief got %q", got)
				}
				if asked == 0 {
					t.Error("the thief was not even asked: the row says nothing")
				}
			})
		}
	}
}

// TestHonestLogins: with the same policies honest writes are admitted, and a denial says who can
// help.
func TestHonestLogins(t *testing.T) {
	b := openBank(t)
	b.Restart(t)
	artifact := func(name string) string {
		return fmt.Sprintf("{apiVersion: source.toolkit.fluxcd.io/v1, kind: OCIRepository, metadata: {name: %s, namespace: apps}, status: %s}", name, bankArtifact)
	}
	for _, step := range []struct {
		sentence, verb, object, by, want, says string
	}{
		{"an OCIRepository with its user name and password waits for its artifact", "create", bankSource("apps", "basic", "ghcr.io", "secretRef: {name: login}"), editor, warned,
			"not verified yet: ghcr.io does not let chartgate read charts/podinfo (it requires credentials, and chartgate has no credentials for it), and the login of Secret apps/login is not sent to ghcr.io before an object that names both is stored; the chart will be verified when it is pulled"},
		{"its artifact is verified", "status", artifact("basic"), sourceController, admitted, ""},
		{"a change of what is stored is verified at once", "patch", strings.Replace(bankSource("apps", "basic", "ghcr.io", "secretRef: {name: login}"), "tag: 1.0.0", "tag: 1.0.1", 1), editor, "ChartNotFound spec.ref; ChartNotFound spec.ref", ""},
		{"a Docker configuration is verified at once", "create", bankSource("apps", "docker", "ghcr.io", "secretRef: {name: regcred}"), editor, admitted, ""},
		{"its artifact too", "status", artifact("docker"), sourceController, admitted, ""},
		{"a HelmRepository", "create", strings.Replace(bankRepository("ghcr.io", "secretRef: {name: login}"), "flux-system", "apps", 1), editor, admitted, ""},
		{"a HelmRelease is verified at once", "create", strings.Replace(bankRelease, "flux-system", "apps", 1), editor, admitted, ""},
		{"attack: a tenant stores another host for a Secret that he cannot read", "create", bankSource("apps", "evil", "thief.example", "secretRef: {name: login}"), editor, "RegistryUnauthorized spec.ref",
			"thief.example does not let chartgate read charts/podinfo (it requires credentials, and chartgate has no credentials for it), and the login of Secret apps/login is not sent to thief.example, because no policy names this host literally"},
	} {
		got, message := b.do(t, write{by: step.by, verb: step.verb}, b.Object(t, step.object))
		if got != step.want || !strings.Contains(message, step.says) {
			t.Errorf("%s: got %q, want %q\n%s", step.sentence, got, step.want, message)
		}
	}
	if got, _ := b.thief.loot(); len(got) > 0 {
		t.Errorf("the thief got %q", got)
	}
}

// TestClientCertificateOfTheAPIServer: with --client-ca only the API server gets an answer, and
// chartgate believes what it says about objects that are not stored yet.
func TestClientCertificateOfTheAPIServer(t *testing.T) {
	b := openBank(t)
	b.Restart(t, "--client-ca="+filepath.Join(b.dir, "client-ca.crt"), "--client-names=test")
	basic := bankSource("apps", "basic", "ghcr.io", "secretRef: {name: login}")
	if got, message := b.do(t, write{by: editor, verb: "create"}, b.Object(t, basic)); got != admitted {
		t.Errorf("got %q, want it verified at once\n%s", got, message)
	}
	if got, message := b.do(t, write{by: editor, verb: "create"}, b.Object(t, bankSource("apps", "evil", "thief.example", "secretRef: {name: login}"))); got != "RegistryUnauthorized spec.ref" {
		t.Errorf("got %q\n%s", got, message)
	}
	stranger := registrytest.NewAuthority().Client()
	for sentence, certificates := range map[string][]tls.Certificate{
		"no certificate": nil, "a stranger's certificate": {must(tls.X509KeyPair(stranger.Certificate, stranger.Key))(t)},
	} {
		b.thief.loot()
		if _, err := b.forge(t, b.Object(t, bankSource("flux-system", "new", "thief.example", "secretRef: {name: login}")), nil, "", certificates...); err == nil {
			t.Errorf("%s gets an answer", sentence)
		}
		if got, asked := b.thief.loot(); len(got) > 0 || asked > 0 {
			t.Errorf("%s: the thief was asked %d times and got %q", sentence, asked, got)
		}
	}
	own := b.clients.Client()
	if _, err := b.forge(t, b.Object(t, basic), nil, "", must(tls.X509KeyPair(own.Certificate, own.Key))(t)); err != nil {
		t.Errorf("the API server's certificate gets no answer, so the rows above say nothing: %v", err)
	}
	// A certificate of that CA with another name.
	b.Restart(t, "--client-ca="+filepath.Join(b.dir, "client-ca.crt"), "--client-names=kube-apiserver")
	if _, err := b.forge(t, b.Object(t, basic), nil, "", must(tls.X509KeyPair(own.Certificate, own.Key))(t)); err == nil {
		t.Error("another name gets an answer")
	}
	if err := b.Gate.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(b.Gate.Log(), "TLS handshake error"); n > 3 {
		t.Errorf("the log has %d handshake errors", n)
	}
}
