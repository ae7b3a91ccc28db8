package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// canary is in every secret of these tests that a user could choose.
const canary = "canary"

// forms are the texts to search for: the word itself, in hex, in base64 at each of the three
// offsets, and a line of each key.
func forms(keys ...[]byte) map[string]string {
	found := map[string]string{
		"the word": canary, "the word in upper case": strings.ToUpper(canary), "hex": hex.EncodeToString([]byte(canary)),
	}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary + "xxx"))
		// Characters that depend on the text before and behind are left out.
		from, to := (shift*8+5)/6, (shift+len(canary))*8/6
		found[fmt.Sprintf("base64, %d", shift)] = encoded[from:to]
	}
	for i, key := range keys {
		block, _ := pem.Decode(key)
		text := base64.StdEncoding.EncodeToString(block.Bytes)
		// The beginning of a key is its kind, and the same in all keys. PEM's lines have 64
		// characters.
		found[fmt.Sprintf("key %d", i)], found[fmt.Sprintf("key %d, second line", i)] = text[48:64], text[64:96]
		found[fmt.Sprintf("key %d in base64", i)] = base64.StdEncoding.EncodeToString(key)[120:160]
	}
	return found
}

func TestSecretLeaksAreFound(t *testing.T) {
	t.Parallel()
	client := registrytest.NewAuthority().Client()
	all := forms(client.Key)
	holds := func(text string) bool {
		for _, form := range all {
			if strings.Contains(text, form) {
				return true
			}
		}
		return false
	}
	const secret = "my-canary-password"
	for sentence, text := range map[string]string{
		"itself":         secret,
		"in a URL":       "https://u:" + url.QueryEscape(secret) + "@host/",
		"Basic":          base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"Basic, 1":       base64.StdEncoding.EncodeToString([]byte("user1:" + secret)),
		"Basic, 2":       base64.StdEncoding.EncodeToString([]byte("user12:" + secret)),
		"base64 URL":     base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"hex":            hex.EncodeToString([]byte(secret)),
		"a key's line":   strings.Split(string(client.Key), "\n")[1],
		"a key in JSON":  fmt.Sprintf("%q", client.Key),
		"a Secret's key": base64.StdEncoding.EncodeToString(client.Key),
	} {
		if !holds(text) {
			t.Errorf("%s is not found: %s", sentence, text)
		}
	}
	if holds("a bird, and " + base64.StdEncoding.EncodeToString([]byte("another bird in a cage"))) {
		t.Error("a canary is found in a text without one")
	}
}

// misfortune is an error while secrets are in use.
type misfortune struct {
	sentence string
	given    string
	object   string
}

// misfortunes are wrong, malformed, refused and unreachable values, in each place that holds a
// secret.
func (v *vip) misfortunes() []misfortune {
	const wrong = "wrong-canary-password"
	login := opaque("login", "username", "canary-user", "password", wrong)
	stranger := registrytest.NewAuthority().Client()
	v.stranger = stranger
	clients := func(pair registrytest.Pair) string {
		return opaque("tls", "ca.crt", string(v.fallback.CA()), "tls.crt", string(pair.Certificate), "tls.key", string(pair.Key))
	}
	docker := func(text string) string {
		return typed("apps", "regcred", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", text) + privately("ghcr.io", "secretRef: {name: regcred}")
	}
	encoded := base64.StdEncoding.EncodeToString
	proxied := func(pairs ...string) string { return v.certificates() + login + opaque("proxy", pairs...) }
	throughProxy := privateOCI("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}, proxySecretRef: {name: proxy}")
	argo := func(url string, pairs ...string) string { return argoSecret("repository", "repo", url, pairs...) }
	const repo, native = "ghcr.io/acme/charts", "oci://ghcr.io/acme/charts/podinfo"
	return []misfortune{
		{"a wrong password", login + privately("ghcr.io", "secretRef: {name: login}"), privateRelease()},
		{"half a login", opaque("login", "password", wrong) + privately("ghcr.io", "secretRef: {name: login}"), privateRelease()},
		{"a registry that is down", login + privately("down.example", "secretRef: {name: login}"), privateRelease()},
		{"a registry that repeats what it got", login + opaque("tls", "ca.crt", string(v.proxy.ca.PEM())) +
			privately("attacker.example", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"a Docker configuration of another type", docker(`{"auths": {"ghcr.io": "` + wrong + `"}}`), privateRelease()},
		{"an auth that is not base64", docker(`{"auths": {"ghcr.io": {"auth": "%` + wrong + `"}}}`), privateRelease()},
		{"an auth without a user", docker(`{"auths": {"ghcr.io": {"auth": "` + encoded([]byte(wrong)) + `"}}}`), privateRelease()},
		{"a wrong auth", docker(`{"auths": {"ghcr.io": {"auth": "` + encoded([]byte("canary-user:"+wrong)) + `"}}}`), privateRelease()},
		{"a wrong identity token", docker(`{"auths": {"ghcr.io": {"identitytoken": "` + wrong + `"}}}`), privateRelease()},
		{"a registry token", docker(`{"auths": {"ghcr.io": {"registrytoken": "` + wrong + `"}}}`), privateRelease()},
		{"a login for another host", docker(`{"auths": {"` + wrong + `.example": {"auth": "` + encoded([]byte("u:"+wrong)) + `"}}}`), privateRelease()},
		{"an unknown CA", login + privately("quay.io", "secretRef: {name: login}"), privateRelease()},
		{"an invalid CA", opaque("tls", "ca.crt", wrong) + login + privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"a client certificate that the registry refuses", clients(stranger) + login + privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"a client certificate and another key", clients(registrytest.Pair{Certificate: v.client.Certificate, Key: stranger.Key}) + login +
			privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"an invalid key", clients(registrytest.Pair{Certificate: v.client.Certificate, Key: []byte(wrong)}) + login +
			privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"a wrong password behind TLS", v.certificates() + login + privately("quay.io", "secretRef: {name: login}, certSecretRef: {name: tls}"), privateRelease()},
		{"a proxy that refuses", proxied("address", "http://proxy.example", "username", "canary-user", "password", wrong), throughProxy},
		{"a proxy that is down", proxied("address", "http://127.0.0.1:1", "username", "canary-user", "password", wrong), throughProxy},
		{"a proxy with the login in its address", proxied("address", "http://canary-user:"+wrong+"@127.0.0.1:1"), throughProxy},
		{"an invalid address of a proxy", proxied("address", "http://canary-user:"+wrong+"%zz@127.0.0.1:1"), throughProxy},
		{"a proxy of an unknown scheme", proxied("address", "ftp://canary-user:"+wrong+"@127.0.0.1:1"), throughProxy},
		{"a proxy that speaks no HTTP", proxied("address", "https://proxy.example", "username", "canary-user", "password", wrong), throughProxy},
		{"Argo CD: a wrong password", argo(repo, "username", "canary-user", "password", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"Argo CD: half a login", argo(repo, "password", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"Argo CD: another URL", argo("oci://canary-user:" + wrong + "@ghcr.io/acme/charts/podinfo"), applicationOf(native, "", "6.7.1")},
		{"Argo CD: .git", argo(native+".git", "password", wrong), applicationOf(native, "", "6.7.1")},
		{"Argo CD: insecure", argo("quay.io/acme/charts", "insecure", "true", "username", "u", "password", wrong), applicationOf("quay.io/acme/charts", "podinfo", "6.7.1")},
		{"Argo CD: neither true nor false", argo(repo, "insecure", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"Argo CD: a proxy with a login", argo("oci://quay.io/acme/charts/podinfo", "proxy", "http://canary-user:"+wrong+"@127.0.0.1:1", "username", "u", "password", wrong), applicationOf("oci://quay.io/acme/charts/podinfo", "", "6.7.1")},
		{"Argo CD: an invalid proxy", argo(repo, "proxy", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"Argo CD: an invalid key", argo(repo, "tlsClientCertData", wrong, "tlsClientCertKey", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"Argo CD: two Secrets", argo(repo, "password", wrong) + argoSecret("repository", "second", repo, "password", wrong), applicationOf(repo, "podinfo", "6.7.1")},
		{"chartgate's own login, sent to a server that records it", opaque("tls", "ca.crt", string(v.proxy.ca.PEM())) +
			opaque("proxy", "address", "http://proxy.example", "username", "proxy", "password", proxyPassword),
			privateOCI("home.example", "certSecretRef: {name: tls}, proxySecretRef: {name: proxy}")},
	}
}

// TestNoSecretLeaks: no error reveals a secret: not in an answer, a warning, an Event, the log at
// its highest level, the metrics, the audit log, or any object except the Secrets themselves.
func TestNoSecretLeaks(t *testing.T) {
	v := theVIPs(t)
	var out []string
	for _, m := range v.misfortunes() {
		t.Run(m.sentence, func(t *testing.T) {
			v.given(t, v.hosts(m.given))
			object := v.Object(t, v.hosts(m.object))
			var got harness.Answer
			v.proxy.during(func() { got = v.try(t, object, false) })
			if len(got.Causes) == 0 && len(got.Warnings) == 0 {
				t.Errorf("nothing went wrong: %+v", got)
			}
			out = append(out, m.sentence+":\n"+got.Message+strings.Join(got.Warnings, "\n"))
			events, err := v.Audit(plural(object), "apps", "app")
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(events)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, m.sentence+", the audit log:\n"+string(text))
		})
	}
	metrics, err := v.Gate.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := "events,events.events.k8s.io,chartpolicies,trustedidentities,trustroots,helmreleases,helmrepositories,helmcharts,ocirepositories,applications,configmaps,leases"
	objects, err := v.Kubectl(t.Context(), "", "get", kinds, "-A", "-o", "yaml", "--show-managed-fields")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(v.Gate.Log(), "denied") {
		t.Fatal("the log is not what it should be")
	}
	out = append(out, "the metrics:\n"+metrics, "the cluster's objects:\n"+objects.Stdout, "the log:\n"+v.Gate.Log())
	for _, text := range out {
		for form, needle := range forms(v.client.Key, v.stranger.Key) {
			if at := strings.Index(text, needle); at >= 0 {
				t.Errorf("a secret came out (%s): %s\nin %s", form, text[max(0, at-300):min(len(text), at+100)], strings.SplitN(text, "\n", 2)[0])
			}
		}
	}
}

func plural(object *unstructured.Unstructured) string {
	return map[string]string{"HelmRelease": "helmreleases", "OCIRepository": "ocirepositories", "Application": "applications"}[object.GetKind()]
}
