package main

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/vault"
)

// cosign's flags in place of policies.
func TestVerifyBySignerFlags(t *testing.T) {
	s := theShop(t)
	keys := vault.New(canary)
	t.Cleanup(keys.Close)
	if err := keys.Create("release", "ecdsa-p256"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_ADDR", keys.URL())
	t.Setenv("VAULT_TOKEN", canary)
	key, err := sigstore.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	dir := s.files(t, map[string]string{
		"root.json": string(s.root), "key.pub": string(public), "policy.yaml": documentsOf(acmePolicy, releaseIdentity), "objects.yaml": documentsOf(acmeRepository, release("podinfo", "")), "empty.pub": "\n",
		"private.pem": "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LTVmMWQ=\n-----END PRIVATE KEY-----\n",
	})
	const issuer = "--certificate-oidc-issuer=https://issuer.example"
	const identity = "--certificate-identity=release@acme.example"
	anchored := "next:     an expression must match the whole identity, as if it stood between ^ and $ (cosign looks for it anywhere in the identity)"
	for _, c := range []struct {
		sentence string
		chart    string
		flags    []string
		code     int
		says     string
	}{
		{"the identity", "podinfo:1.0.0", []string{identity, issuer}, 0, "signed by --certificate-identity (subject release@acme.example, issuer https://issuer.example)"},
		{"a floating tag, as cosign", "podinfo:>=0", []string{identity, issuer}, 0, "Chart admitted"},
		{"another identity", "stranger:1.0.0", []string{identity, issuer}, 1, "Chart denied (IdentityNotAllowed)"},
		{"another issuer", "podinfo:1.0.0", []string{identity, "--certificate-oidc-issuer=https://other.example"}, 1, "Chart denied (IdentityNotAllowed)"},
		{"no signature", "unsigned:1.0.0", []string{identity, issuer}, 1, "policy:   the command line requires a signature by --certificate-identity (subject release@acme.example, issuer https://issuer.example)"},
		{"an expression", "podinfo:1.0.0", []string{"--certificate-identity-regexp=^release@.*$", issuer}, 0, "Chart admitted"},
		{"an expression of the issuer", "podinfo:1.0.0", []string{identity, "--certificate-oidc-issuer-regexp=https://[a-z]+\\.example"}, 0, "Chart admitted"},
		{"an expression that matches the beginning only", "podinfo:1.0.0", []string{"--certificate-identity-regexp=release", issuer}, 1, anchored},
		{"an expression that matches the end of evil-acme.example only", "stranger:1.0.0", []string{"--certificate-identity-regexp=evil.example", issuer}, 1, anchored},
		{"an exact identity that is the beginning of the signer's", "podinfo:1.0.0", []string{"--certificate-identity=release@acme", issuer}, 1, "next:     release@acme must sign it"},
		{"a key of somebody else", "podinfo:1.0.0", []string{"--key=" + dir + "/key.pub"}, 1, "policy:   the command line requires a signature by --key (key sha256:"},
		{"a key in Vault", "podinfo:1.0.0", []string{"--key=hashivault://release"}, 1, "the command line requires a signature by --key (key sha256:"},
		{"no log entry is needed on demand", "podinfo:1.0.0", []string{identity, issuer, "--insecure-ignore-tlog"}, 0, "Chart admitted"},
		{"manifests", "", []string{"-f", dir + "/objects.yaml", identity, issuer}, 0, "HelmRepository apps/acme admitted\nHelmRelease apps/podinfo admitted"},

		{"no such key in Vault", "podinfo:1.0.0", []string{"--key=hashivault://other"}, 2, "--key: spec.key.kms: hashivault://other: the KMS has no such key"},
		{"beside policies", "podinfo:1.0.0", []string{identity, issuer, "--policy", dir + "/policy.yaml"}, 2, "--policy and --certificate-identity exclude each other"},
		{"an empty identity", "podinfo:1.0.0", []string{"--certificate-identity=", issuer}, 2, "--certificate-identity is empty"},
		{"an empty key", "podinfo:1.0.0", []string{"--key="}, 2, "--key is empty"},
		{"no issuer", "podinfo:1.0.0", []string{identity}, 2, "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is needed"},
		{"no identity", "podinfo:1.0.0", []string{issuer}, 2, "--certificate-identity or --certificate-identity-regexp is needed"},
		{"both forms of the identity", "podinfo:1.0.0", []string{identity, "--certificate-identity-regexp=x", issuer}, 2, "--certificate-identity and --certificate-identity-regexp exclude each other"},
		{"a key and an identity", "podinfo:1.0.0", []string{"--key=" + dir + "/key.pub", identity, issuer}, 2, "--key and the --certificate flags describe two signers"},
		{"no signer at all", "podinfo:1.0.0", []string{"--insecure-ignore-tlog"}, 2, "--insecure-ignore-tlog needs a signer"},
		{"an expression that does not compile", "podinfo:1.0.0", []string{"--certificate-identity-regexp=a)|(b", issuer}, 2, "--certificate-identity-regexp: error parsing regexp"},
		{"an expression that matches an empty text", "podinfo:1.0.0", []string{"--certificate-identity-regexp=.*", issuer}, 2, "matches the empty string"},
		{"a key that does not exist", "podinfo:1.0.0", []string{"--key=" + dir + "/absent"}, 2, "read --key: open " + dir + "/absent: no such file"},
		{"a file that is empty", "podinfo:1.0.0", []string{"--key=" + dir + "/empty.pub"}, 2, "empty.pub is empty"},
		{"a private key by mistake", "podinfo:1.0.0", []string{"--key=" + dir + "/private.pem"}, 2, `the PEM block is a "PRIVATE KEY", not a "PUBLIC KEY"`},
		{"a key in Kubernetes", "podinfo:1.0.0", []string{"--key=k8s://ns/name"}, 2, "--key k8s://ns/name: chartgate reads keys from files and from a KMS"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			args := append([]string{"verify", "--trusted-root", dir + "/root.json", "--plain-http", s.host}, c.flags...)
			if c.chart != "" {
				args = append(args, s.local("oci://ghcr.io/acme/"+c.chart))
			}
			got := s.command(t, "", args...)
			if got.Code != c.code || !strings.Contains(got.Stdout+got.Error, s.public(c.says)) {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.Stdout+got.Stderr+got.Error, "Y2FuYXJ5LTVmMWQ") {
				t.Errorf("the private key is shown: %+v", got)
			}
		})
	}
}

// A signature by the key of --key admits.
func TestVerifyByKey(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"release.pub": string(s.key), "root.json": string(s.root)})
	file := dir + "/release.pub"
	verify := func(more ...string) ran {
		return s.command(t, "", append([]string{"verify", s.local("oci://ghcr.io/acme/keyed:1.0.0"), "--key", file, "--trusted-root", dir + "/root.json", "--plain-http", s.host}, more...)...)
	}
	if got := verify(); got.Code != exitDenied || !strings.Contains(got.Stdout, "without the log entry that the policy requires") {
		t.Errorf("without a log entry: %+v", got)
	}
	if got := verify("--insecure-ignore-tlog"); got.Code != exitAdmitted || !strings.Contains(got.Stdout, "signed by --key (key sha256:") {
		t.Errorf("%+v", got)
	}
}
