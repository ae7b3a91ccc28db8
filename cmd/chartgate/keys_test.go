package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
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
	warning := func(why string) string { return "warning: TrustedIdentity release is invalid: " + why + "\n" }
	for _, c := range []struct {
		sentence, policies string
		warns              string // the first line
		fails              string
	}{
		{"a key in a Secret", documentsOf(inSecret, secret("{name: release}", data(string(public)))), "", ""},
		{"a key in a Secret as people write it", documentsOf(inSecret, secret("{name: release}", fmt.Sprintf("stringData: {cosign.pub: %q}", public))), "", ""},
		{"a Secret of whatever namespace", documentsOf(inSecret, secret("{name: release, namespace: apps}", data(string(public)))), "", ""},
		{"a key that the ConfigMap's identity has in a Secret", documentsOf(
			"\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {identities.yaml: '[{name: release, charts: [\"oci://ghcr.io/acme/**\"], key: {secretRef: {name: release}}}]'}\n",
			inSecret, secret("{name: release}", data(string(public)))), "", ""},
		{"a Secret of another name", documentsOf(inSecret, secret("{name: other}", data(string(public)))),
			warning("spec.key.secretRef: Secret release, key cosign.pub: there is no such Secret among the policies"), ""},
		{"a Secret without the key", documentsOf(identity("{secretRef: {name: release, key: old.pub}}"), secret("{name: release}", data(string(public)))),
			warning("spec.key.secretRef: Secret release, key old.pub: the Secret has no such key"), ""},
		{"a private key by mistake", documentsOf(inSecret, secret("{name: release}", data(private))),
			warning(`spec.key.secretRef: Secret release, key cosign.pub: the PEM block is a "PRIVATE KEY", not a "PUBLIC KEY"`), ""},
		{"two Secrets of one name", documentsOf(inSecret, secret("{name: release}", data("")), secret("{name: release, namespace: other}", data(""))), "", "there are two Secrets release"},
		{"a Secret that cannot be decoded", documentsOf(inSecret, secret("{name: release}", "data: {cosign.pub: "+canary+"!}")), "", "Secret release cannot be decoded"},
		{"a key in Vault", identity("{kms: 'hashivault://release'}"), "", ""},
		{"no such key in Vault", identity("{kms: 'hashivault://other'}"), warning("spec.key.kms: hashivault://other: the KMS has no such key, or the key is disabled"), ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := (&shop{host: "ghcr.io"}).files(t, map[string]string{"a.yaml": documentsOf(acmePolicy, c.policies)})
			var warned strings.Builder
			loaded, err := loadPolicies(t.Context(), strings.NewReader(""), &warned, []string{dir})
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
