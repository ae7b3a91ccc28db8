package attacks_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// The login of the private registry, and of every Secret.
const (
	puller   = "puller"
	password = "hunter2"
)

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
