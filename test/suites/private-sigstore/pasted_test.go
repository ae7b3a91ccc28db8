package privatesigstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestPastedCommands: the command in the next step of a denial, run unchanged by the signer that it
// names, makes what the policy requires: with a certificate, or with a key that must be in the log.
// test/suites/cosign tests keys without a log.
func TestPastedCommands(t *testing.T) {
	w := theWorld(t)
	release, key := w.release(), w.newKey(t)
	const root = "  trustRoot: corp\n"
	attestation := func(policies string) string {
		return strings.Replace(policies, "require: [{anyOf: [", `require: [{attestation: {predicateType: "https://acme.example/review/v1"}, anyOf: [`, 1)
	}
	for i, tc := range []struct {
		sentence, policies string
		by                 sigstore.Signer
		who                string
	}{
		{"a workflow signs", w.policiesFor(root), release, "the workflow " + release.Subject + " must sign it with the Sigstore of TrustRoot corp: "},
		{"a workflow attests", attestation(w.policiesFor(root)), release, "the workflow " + release.Subject + " must attest it with the Sigstore of TrustRoot corp: "},
		{"a key signs", w.keyPolicies(key, root), key, "the holder of acme-key must sign it with the Sigstore of TrustRoot corp: "},
		{"a key attests", attestation(w.keyPolicies(key, root)), key, "the holder of acme-key must attest it with the Sigstore of TrustRoot corp: "},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			c := w.publish(t, item{w.registry, fmt.Sprintf("pasted-%d", i), nil})[0]
			policies := w.policyDir(t, tc.policies)
			ask := func() (message string, admitted bool) {
				stdout, code := verify(t, "oci://"+c.reference(), "--output=json", "--policy="+policies, "--plain-http="+c.registry.Host())
				var report struct{ Results []struct{ Message string } }
				if err := json.Unmarshal(stdout, &report); err != nil || len(report.Results) != 1 {
					t.Fatalf("%v in %s", err, stdout)
				}
				return report.Results[0].Message, code == 0
			}
			message, _ := ask()
			_, command, found := strings.Cut(message, "next:     "+tc.who)
			if !found {
				t.Fatalf("no %q in\n%s", tc.who, message)
			}
			command, _, _ = strings.Cut(command, "\n")
			w.paste(t, tc.by, command)
			if message, admitted := ask(); !admitted {
				t.Errorf("after %s:\n%s", command, message)
			}
		})
	}
}

// policyDir holds the policies, and the TrustRoot corp, which is our Sigstore.
func (w *world) policyDir(t *testing.T, policies string) string {
	t.Helper()
	root, err := w.ours.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	trustRoot := fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: corp}\nspec: {trustedRoot: %q}\n", root)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "policies.yaml"), []byte(policies), 0o600),
		os.WriteFile(filepath.Join(dir, "trustroot.yaml"), []byte(trustRoot), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// paste runs a command in a shell at the signer's desk, where cosign is cosign 3.
func (w *world) paste(t *testing.T, by sigstore.Signer, command string) {
	t.Helper()
	dir, env, err := w.ours.Desk(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "FILE"), []byte(`{"approved": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Paste(t, "cosign3", dir, command, env...)
}
