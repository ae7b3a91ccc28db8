package cosign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/vault"
	"github.com/chartgate/chartgate/test/harness"
)

// TestPastedCommands: the command in the next step of a denial, pasted into a shell unchanged by
// the signer that it names, makes what the policy requires, with cosign 3 and with cosign 2.
// Package test/suites/private-sigstore does it with certificates and a log.
func TestPastedCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d.take(t, "cosign", crypto.Signer(private)) // cosign.key and cosign.pub
	d.file(t, "FILE", `{"approved": true}`)
	keeper := vault.New("token")
	t.Cleanup(keeper.Close)
	if err := keeper.Create("vendor", "ecdsa-p256"); err != nil {
		t.Fatal(err)
	}
	d.env = []string{"VAULT_ADDR=" + keeper.URL(), "VAULT_TOKEN=token"}
	pem := "pem: |\n      " + strings.ReplaceAll(string(d.read(t, filepath.Join(d.dir, "cosign.pub"))), "\n", "\n      ")
	const unlogged = "    transparencyLog: NotRequired\n"
	for _, tool := range []string{"cosign2", "cosign3"} {
		for _, tc := range []struct {
			sentence, key, require, more string // lines of the identity's and of the policy's spec
			who                          string
		}{
			{sentence: "a signature", require: "[{anyOf: [vendor-key]}]", who: "the holder of vendor-key must sign it: "},
			{sentence: "a signature by a key in a KMS", key: "kms: hashivault://vendor", require: "[{anyOf: [vendor-key]}]", who: "the holder of vendor-key must sign it: "},
			{sentence: "an attestation", require: `[{anyOf: [vendor-key], attestation: {predicateType: "https://acme.example/review/v1"}}]`, who: "the holder of vendor-key must attest it: "},
			{sentence: "an attestation whose type a shell would change", require: `[{anyOf: [vendor-key], attestation: {predicateType: "https://acme.example/review?v=1&w='2'"}}]`, who: "the holder of vendor-key must attest it: "},
			{sentence: "a signature in another repository", require: "[{anyOf: [vendor-key]}]", more: fmt.Sprintf("  signatureRepository: oci://%s/signatures\n", d.registry.Host()), who: "the holder of vendor-key must sign it: "},
		} {
			t.Run(tc.sentence+", "+tool, func(t *testing.T) {
				t.Parallel()
				what := d.push(t, tool+"-"+strings.ReplaceAll(strings.ToLower(tc.sentence), " ", "-"))
				key := pem
				if tc.key != "" {
					key = tc.key
				}
				policies := fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: TrustedIdentity\nmetadata: {name: vendor-key}\nspec:\n  key:\n    %s\n%s---\n"+
					"apiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: vendor}\nspec:\n  match: {charts: [%q]}\n  require: %s\n%s",
					key, unlogged, "oci://"+d.registry.Host()+"/acme/charts/**", tc.require, tc.more)
				file := filepath.Join(t.TempDir(), "policies.yaml")
				if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
					t.Fatal(err)
				}
				reference := "oci://" + what.Location.Host() + "/" + what.Location.Path() + ":1.0.0"
				said, admitted := d.ask(t, reference, file)
				if admitted {
					t.Fatalf("admitted before it was signed:\n%s", said)
				}
				_, command, found := strings.Cut(said, "next:     "+tc.who)
				if !found {
					t.Fatalf("no %q in\n%s", tc.who, said)
				}
				command, _, _ = strings.Cut(command, "\n")
				d.paste(t, tool, command)
				if said, admitted := d.ask(t, reference, file); !admitted {
					t.Errorf("after %s:\n%s", command, said)
				}
			})
		}
	}
}

// ask is what `chartgate verify` says.
func (d *desk) ask(t *testing.T, reference, policies string) (said string, admitted bool) {
	t.Helper()
	v := harness.Verify{
		Args: []string{reference, "--policy=" + policies, "--plain-http=" + d.registry.Host()}, Env: append(os.Environ(), d.env...),
	}.Run(t)
	if v.Code > 1 {
		t.Fatal(v.Stderr)
	}
	return v.Stdout + v.Stderr, v.Admits()
}

// paste runs a command in a shell, in the directory of the signer, where cosign is that tool.
func (d *desk) paste(t *testing.T, tool, command string) {
	t.Helper()
	harness.Paste(t, tool, d.dir, command, append(d.env, "DOCKER_CONFIG="+d.dir, "HOME="+d.dir, "COSIGN_PASSWORD=")...)
}
