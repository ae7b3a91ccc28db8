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
	signing := harness.Signing{Sigstore: b.Sigstore, By: acme(), Registry: b.registry}
	if err := signing.Bundle("charts/podinfo", digest); err != nil {
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
