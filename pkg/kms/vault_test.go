package kms_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/test/fixtures/vault"
)

// token must never be seen in an error.
const token = "hvs.canary-5f1d"

func startVault(t *testing.T) *vault.Vault {
	t.Helper()
	v := vault.New(token)
	t.Cleanup(v.Close)
	t.Setenv("VAULT_ADDR", v.URL())
	t.Setenv("VAULT_TOKEN", token)
	t.Setenv("VAULT_MAX_RETRIES", "0")
	t.Setenv("HOME", t.TempDir())
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outcome is the result of a read, as tests compare it.
type outcome struct {
	Keys   int
	Kind   problem.Kind
	Detail string
}

func read(t *testing.T, uri string) (outcome, []evidence.PublicKey) {
	t.Helper()
	return readBy(t, kms.NewReader(), uri)
}

func readBy(t *testing.T, reader *kms.Reader, uri string) (outcome, []evidence.PublicKey) {
	t.Helper()
	text, err := reader.PublicKeys(t.Context(), uri)
	if err != nil {
		perr, ok := err.(*problem.Error)
		if !ok || text != "" {
			t.Fatalf("%q and the error %T %v", text, err, err)
		}
		if strings.Contains(err.Error(), token) || strings.Contains(perr.Detail, "canary") {
			t.Errorf("the error holds a secret: %v", err)
		}
		return outcome{Kind: perr.Kind, Detail: perr.Detail}, nil
	}
	keys, err := evidence.ParsePublicKeys(text)
	must(t, err)
	return outcome{Keys: len(keys)}, keys
}

func TestVault(t *testing.T) {
	const noKey = "the KMS has no such key, or the key is disabled"
	for _, c := range []struct {
		sentence string
		given    func(*testing.T, *vault.Vault)
		uri      string
		want     outcome
	}{
		{"an ECDSA key", nil, "hashivault://ecdsa-p256", outcome{Keys: 1}},
		{"an ECDSA key on a larger curve", nil, "hashivault://ecdsa-p384", outcome{Keys: 1}},
		{"an Ed25519 key", nil, "hashivault://ed25519", outcome{Keys: 1}},
		{"an RSA key", nil, "hashivault://rsa-2048", outcome{Keys: 1}},
		{"all versions of a rotated key", func(t *testing.T, v *vault.Vault) { must(t, v.Rotate("ed25519")) }, "hashivault://ed25519", outcome{Keys: 2}},
		{"the versions that may still verify", func(t *testing.T, v *vault.Vault) {
			for range 3 {
				must(t, v.Rotate("ed25519"))
			}
			v.Minimum("ed25519", 3)
		}, "hashivault://ed25519", outcome{Keys: 2}},
		{"the newest of many versions", func(t *testing.T, v *vault.Vault) {
			for range 20 {
				must(t, v.Rotate("ed25519"))
			}
		}, "hashivault://ed25519", outcome{Keys: 8}},
		{"a key that encrypts", nil, "hashivault://aes256-gcm96", outcome{Kind: problem.KindUnsupported, Detail: "the key in Vault has no public key"}},
		{"no such key", nil, "hashivault://absent", outcome{Kind: problem.KindNotFound, Detail: noKey}},
		{"a key that was deleted", func(_ *testing.T, v *vault.Vault) { v.Delete("ed25519") }, "hashivault://ed25519", outcome{Kind: problem.KindNotFound, Detail: noKey}},
		{"a token that may not", func(t *testing.T, _ *vault.Vault) { t.Setenv("VAULT_TOKEN", "hvs.canary-other") }, "hashivault://ed25519",
			outcome{Kind: problem.KindUnauthorized, Detail: "the KMS does not let chartgate read the key"}},
		{"a Vault that is down", func(_ *testing.T, v *vault.Vault) { v.Down(true) }, "hashivault://ed25519",
			outcome{Kind: problem.KindUnavailable, Detail: "the KMS gave no usable answer"}},
		{"no address", func(t *testing.T, _ *vault.Vault) { t.Setenv("VAULT_ADDR", "") }, "hashivault://ed25519",
			outcome{Kind: problem.KindUnavailable, Detail: "VAULT_ADDR is not set in chartgate's environment"}},
		{"no token", func(t *testing.T, _ *vault.Vault) { t.Setenv("VAULT_TOKEN", "") }, "hashivault://ed25519",
			outcome{Kind: problem.KindUnauthorized, Detail: "chartgate has no Vault token: neither VAULT_TOKEN nor the file .vault-token in its home directory"}},
		{"a token in a file", func(t *testing.T, _ *vault.Vault) {
			t.Setenv("VAULT_TOKEN", "")
			must(t, os.WriteFile(filepath.Join(os.Getenv("HOME"), ".vault-token"), []byte(token+"\n"), 0o600))
		}, "hashivault://ed25519", outcome{Keys: 1}},
		{"another place of the engine", func(t *testing.T, _ *vault.Vault) { t.Setenv("TRANSIT_SECRET_ENGINE_PATH", "signing") }, "hashivault://ed25519",
			outcome{Kind: problem.KindNotFound, Detail: noKey}},
		// The token would go where the policy says.
		{"a path out of the engine", nil, "hashivault://../../sys/seal", outcome{Kind: problem.KindInvalid, Detail: "the URI is not of the form hashivault://KEY"}},
		{"a host", nil, "hashivault://evil.example/key", outcome{Kind: problem.KindInvalid, Detail: "the URI is not of the form hashivault://KEY"}},
		{"a query", nil, "hashivault://ed25519?version=1", outcome{Kind: problem.KindInvalid, Detail: "the URI is not of the form hashivault://KEY"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			v := startVault(t)
			for _, kind := range []string{"ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048", "aes256-gcm96"} {
				must(t, v.Create(kind, kind))
			}
			if c.given != nil {
				c.given(t, v)
			}
			got, _ := read(t, c.uri)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNewestVersionsOfVault: an identity can have eight keys.
func TestNewestVersionsOfVault(t *testing.T) {
	v := startVault(t)
	must(t, v.Create("release", "ed25519"))
	var last []evidence.PublicKey
	for range 10 {
		_, last = read(t, "hashivault://release")
		must(t, v.Rotate("release"))
	}
	_, keys := read(t, "hashivault://release")
	fingerprints := func(keys []evidence.PublicKey) (all []string) {
		for _, key := range keys {
			all = append(all, key.Fingerprint())
		}
		return all
	}
	if diff := cmp.Diff(fingerprints(last)[:7], fingerprints(keys)[1:]); diff != "" {
		t.Errorf("not the newest key and the seven before it: %s", diff)
	}
}

// TestTimeout: a Vault that takes requests and does not answer.
func TestTimeout(t *testing.T) {
	v := startVault(t)
	v.Hang(true)
	got, _ := readBy(t, kms.Within(100*time.Millisecond), "hashivault://release")
	want := outcome{Kind: problem.KindTimeout, Detail: "the KMS did not answer within 100ms"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSchemes(t *testing.T) {
	for _, c := range []struct{ uri, detail string }{
		{"", "the URI must begin with awskms://, azurekms://, gcpkms:// or hashivault://"},
		{"k8s://apps/release", "the URI must begin with awskms://, azurekms://, gcpkms:// or hashivault://"},
		{"file:///etc/passwd", "the URI must begin with awskms://, azurekms://, gcpkms:// or hashivault://"},
		{"awskms://x", "the URI is not of the form awskms://[ENDPOINT]/ID, with a key's ID or ARN, or alias/NAME or its ARN"},
		{"azurekms://x", "the URI is not of the form azurekms://VAULT_HOST/KEY or azurekms://VAULT_HOST/KEY/VERSION"},
		{"gcpkms://x", "the URI is not of the form gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, with or without /cryptoKeyVersions/VERSION"},
	} {
		t.Run(fmt.Sprintf("%q", c.uri), func(t *testing.T) {
			if got, _ := read(t, c.uri); got.Detail != c.detail {
				t.Error(got)
			}
		})
	}
}
