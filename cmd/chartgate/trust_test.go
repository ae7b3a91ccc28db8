package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/fixtures/tuf"
)

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
		{"a field that does not exist", []string{named, trustRootOf("corp", "{url: x}")}, exitNotAsked, `unknown field "spec.url"`},
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
