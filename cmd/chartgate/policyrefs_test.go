package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
	"github.com/chartgate/chartgate/test/fixtures/vault"
)

// canary must never be seen outside of the files.
const canary = "canary-5f1d"

// Keys that policies on the command line do not spell out.
func TestKeysOnTheCommandLine(t *testing.T) {
	key, err := sigstore.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	keys := vault.New(canary)
	t.Cleanup(keys.Close)
	if err := keys.Create("release", "ecdsa-p256"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_ADDR", keys.URL())
	t.Setenv("VAULT_TOKEN", canary)

	secret := func(metadata, fields string) string {
		return "\napiVersion: v1\nkind: Secret\nmetadata: " + metadata + "\n" + fields + "\n"
	}
	data := func(text string) string {
		return fmt.Sprintf("data: {cosign.pub: %s, cosign.password: %s}", base64.StdEncoding.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(canary)))
	}
	identity := func(key string) string {
		return "\napiVersion: chartgate.dev/v1alpha1\nkind: TrustedIdentity\nmetadata: {name: release}\nspec: {key: " + key + "}\n"
	}
	const private = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LTVmMWQ=\n-----END PRIVATE KEY-----\n"
	inSecret := identity("{secretRef: {name: release}}")
	warning := func(why string) string { return "TrustedIdentity release is invalid: " + why + "\n" }
	for _, c := range []struct {
		sentence, policies string
		warns              string // the first line
		fails              string
	}{
		{"a key in a Secret", documentsOf(inSecret, secret("{name: release}", data(string(public)))), "", ""},
		{"a key in a Secret as people write it", documentsOf(inSecret, secret("{name: release}", fmt.Sprintf("stringData: {cosign.pub: %q}", public))), "", ""},
		{"a Secret of whatever namespace", documentsOf(inSecret, secret("{name: release, namespace: apps}", data(string(public)))), "", ""},
		{"a key that the ConfigMap's identity has in a Secret", documentsOf(
			"\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: chartgate-identities}\ndata: {identities.yaml: '[{name: release, charts: [\"oci://ghcr.io/acme/**\"], key: {secretRef: {name: release}}}]'}\n",
			inSecret, secret("{name: release}", data(string(public)))), "", ""},
		{"a Secret of another name", documentsOf(inSecret, secret("{name: other}", data(string(public)))),
			warning("spec.key.secretRef: Secret release, key cosign.pub: there is no such Secret among the policies"), ""},
		{"a Secret without the key", documentsOf(identity("{secretRef: {name: release, key: old.pub}}"), secret("{name: release}", data(string(public)))),
			warning("spec.key.secretRef: Secret release, key old.pub: the Secret has no such key"), ""},
		{"a private key by mistake", documentsOf(inSecret, secret("{name: release}", data(private))),
			warning(`spec.key.secretRef: Secret release, key cosign.pub: the PEM block is a "PRIVATE KEY", not a "PUBLIC KEY"; write its public half, and keep it secret: openssl pkey -pubout -in KEY.pem`), ""},
		{"two Secrets of one name", documentsOf(inSecret, secret("{name: release}", data("")), secret("{name: release, namespace: other}", data(""))), "", "there are two Secrets release: "},
		{"a Secret that cannot be decoded", documentsOf(inSecret, secret("{name: release}", "data: {cosign.pub: "+canary+"!}")), "", "Secret release cannot be decoded"},
		{"a key in Vault", identity("{kms: 'hashivault://release'}"), "", ""},
		{"no such key in Vault", identity("{kms: 'hashivault://other'}"), warning("spec.key.kms: hashivault://other: the KMS has no such key, or the key is disabled"), ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := (&shop{host: "ghcr.io"}).files(t, map[string]string{"a.yaml": documentsOf(acmePolicy, c.policies)})
			var warned strings.Builder
			loaded, err := (&policyFlags{paths: []string{dir}}).load(t.Context(), strings.NewReader(""), &warned)
			if text := fmt.Sprint(warned.String(), err); strings.Contains(text, canary) {
				t.Errorf("a secret is shown: %s", text)
			}
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("want %q, got %v", c.fails, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(warned.String(), "\n")
			if c.warns != "" {
				var where string
				if where, line, _ = strings.Cut(line, ": TrustedIdentity"); !strings.HasPrefix(where, "warning: "+dir+"/a.yaml") {
					t.Errorf("the warning names no file: %s", warned.String())
				}
				line = "TrustedIdentity" + line
			}
			if diff := cmp.Diff(strings.TrimSpace(c.warns), line); diff != "" {
				t.Error(diff)
			}
			location, err := chart.ParseLocation("oci://ghcr.io/acme/x")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range loaded.Current().For(location).Policies() {
				if knows := strings.Contains(p.Wants(), "release (key sha256:"); knows != (c.warns == "") {
					t.Errorf("the policy wants: %s", p.Wants())
				}
			}
		})
	}
}

func trustRootOf(name, spec string) string {
	return fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: %s}\nspec: %s\n", name, spec)
}

// asText is text as a JSON string, which YAML reads too.
func asText(t *testing.T, raw []byte) string {
	t.Helper()
	text, err := json.Marshal(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestVerifyTrustRoots: TrustRoots among the policies count as in a cluster. ConfigMaps come with
// them.
func TestVerifyTrustRoots(t *testing.T) {
	s := theShop(t)
	repository, err := tuf.New(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": s.root})
	if err != nil {
		t.Fatal(err)
	}
	mirror := tuf.Serve(repository.Files())
	t.Cleanup(mirror.Close)
	root := asText(t, s.root)
	named := strings.Replace(releaseIdentity, "spec: {", "spec: {trustRoot: corp, ", 1)
	inConfigMap := func(name string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: chartgate-system}\ndata: {trusted_root.json: " + root + "}\n"
	}
	followed := trustRootOf("corp", fmt.Sprintf("{tuf: {mirror: %q, root: %s}}", mirror.URL, asText(t, repository.Root())))
	fromConfigMap := trustRootOf("corp", "{configMapRef: {name: roots}}")
	const unusable = "not usable: made with a certificate, which cannot be verified: the TrustRoot corp "
	for _, c := range []struct {
		sentence string
		policies []string
		code     int
		says     string
	}{
		{"from a TUF repository", []string{named, followed}, exitAdmitted, "Chart admitted"},
		{"inline", []string{named, trustRootOf("corp", "{trustedRoot: "+root+"}")}, exitAdmitted, "Chart admitted"},
		{"inline, as the default", []string{releaseIdentity, trustRootOf("default", "{trustedRoot: "+root+"}")}, exitAdmitted, "Chart admitted"},
		{"from a ConfigMap", []string{named, fromConfigMap, inConfigMap("roots")}, exitAdmitted, "Chart admitted"},
		{"from the ConfigMap of the identities", []string{strings.Replace(identityList, "{identities.yaml", "{trusted_root.json: "+root+", identities.yaml", 1),
			named, trustRootOf("corp", "{configMapRef: {name: chartgate-identities}}"), trustRootOf("default", "{trustedRoot: "+root+"}")}, exitAdmitted, "Chart admitted"},
		{"from a ConfigMap that is not there", []string{named, fromConfigMap}, exitDenied, unusable + "cannot be used: the ConfigMap roots is not among the policies"},
		{"from one of two ConfigMaps", []string{named, fromConfigMap, inConfigMap("roots"), inConfigMap("roots")}, exitDenied, unusable + "cannot be used: there are two ConfigMaps roots among the policies"},
		{"from a ConfigMap without the key", []string{named, trustRootOf("corp", "{configMapRef: {name: roots, key: other}}"), inConfigMap("roots")}, exitDenied, unusable + "cannot be used: the ConfigMap roots has no key other"},
		{"a ConfigMap that no TrustRoot names", []string{named, followed, inConfigMap("stray")}, exitAdmitted, "ConfigMap stray has no key identities.yaml, and no TrustRoot names it"},
		{"a TrustRoot that does not exist", []string{named}, exitDenied, unusable + "does not exist"},
		{"two of one name", []string{named, followed, followed}, exitDenied, unusable + "cannot be used: there are two TrustRoots of this name"},
		{"a field that does not exist", []string{named, trustRootOf("corp", "{url: x}")}, exitNotAsked, "spec.url: unknown field"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := s.files(t, map[string]string{"policy.yaml": documentsOf(append([]string{acmePolicy}, c.policies...)...)})
			got := s.command(t, "", "verify", s.local("oci://ghcr.io/acme/podinfo:1.0.0"), "--policy", dir, "--plain-http", s.host, "--tuf-cache", dir+"/tuf")
			if got.Code != c.code || !strings.Contains(got.Stdout+got.Stderr+got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestVerifyCachesTUF: where nothing is said, in the user's cache directory.
func TestVerifyCachesTUF(t *testing.T) {
	s := theShop(t)
	repository, err := tuf.New(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": s.root})
	if err != nil {
		t.Fatal(err)
	}
	mirror := tuf.Serve(repository.Files())
	t.Cleanup(mirror.Close)
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity,
		trustRootOf("default", fmt.Sprintf("{tuf: {mirror: %q, root: %s}}", mirror.URL, asText(t, repository.Root()))))})
	ask := func() ran {
		return s.command(t, "", "verify", s.local("oci://ghcr.io/acme/podinfo:1.0.0"), "--policy", dir, "--plain-http", s.host)
	}
	if got := ask(); got.Code != exitAdmitted {
		t.Errorf("%+v", got)
	}
	mirror.Close()
	if got := ask(); got.Code != exitAdmitted {
		t.Errorf("with the mirror down: %+v", got)
	}
	if found, err := os.ReadDir(home + "/chartgate/tuf"); err != nil || len(found) != 1 {
		t.Errorf("%d caches, %v", len(found), err)
	}
}
