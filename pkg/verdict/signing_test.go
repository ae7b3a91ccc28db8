package verdict_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// TestWhoMustDoWhat: the next step of a denial names the one who has to act and the command that
// makes what this policy asks for. Packages test/suites/cosign and test/suites/private-sigstore
// paste such commands into a shell.
func TestWhoMustDoWhat(t *testing.T) {
	t.Parallel()
	subject := resolved(t)
	image := "ghcr.io/acme/charts/podinfo@sha256:" + hexA
	const workflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"
	const slsa = "https://slsa.dev/provenance/v1"
	place, err := chart.ParseChart("oci://registry.acme.example/signatures")
	if err != nil {
		t.Fatal(err)
	}
	is := func(s verdict.Signatory) []verdict.Signatory {
		if s.TrustRoot == "" {
			s.TrustRoot = evidence.DefaultTrustRoot
		}
		s.Name = "vendor"
		return []verdict.Signatory{s}
	}
	for _, tc := range []struct {
		sentence string
		unmet    verdict.Unmet
		want     string
	}{
		{"a workflow", verdict.Unmet{By: is(verdict.Signatory{Subject: workflow})}, "the workflow " + workflow + " must sign it: cosign sign --yes " + image},
		{"a person", verdict.Unmet{By: is(verdict.Signatory{Subject: "jane@acme.example"})}, "jane@acme.example must sign it: cosign sign --yes " + image},
		{"whoever matches", verdict.Unmet{By: is(verdict.Signatory{Subject: `.+@acme\.example`, Pattern: true})}, `a signer whose subject matches .+@acme\.example must sign it: cosign sign --yes ` + image},
		{"a workflow of a private Sigstore", verdict.Unmet{By: is(verdict.Signatory{Subject: workflow, TrustRoot: "corp"})}, "the workflow " + workflow + " must sign it with the Sigstore of TrustRoot corp: cosign sign --yes --signing-config signing_config.json --trusted-root trusted_root.json " + image},
		{"a key that must log", verdict.Unmet{By: is(verdict.Signatory{})}, "the holder of vendor must sign it: cosign sign --yes --key cosign.key " + image},
		{"a key that must log in a private Sigstore", verdict.Unmet{By: is(verdict.Signatory{TrustRoot: "corp"})}, "the holder of vendor must sign it with the Sigstore of TrustRoot corp: cosign sign --yes --key cosign.key --signing-config signing_config.json --trusted-root trusted_root.json " + image},
		{"a key that need not log", verdict.Unmet{By: is(verdict.Signatory{Bare: true, TrustRoot: "corp"})}, "the holder of vendor must sign it: cosign sign --yes --key cosign.key --use-signing-config=false --tlog-upload=false " + image},
		{"a key in a KMS", verdict.Unmet{By: is(verdict.Signatory{KMS: "awskms:///alias/chart-release", Bare: true})}, "the holder of vendor must sign it: cosign sign --yes --key awskms:///alias/chart-release --use-signing-config=false --tlog-upload=false " + image},
		{"a URI that a shell would change", verdict.Unmet{By: is(verdict.Signatory{KMS: "awskms:///alias/x;rm -rf 'y'"})}, `the holder of vendor must sign it: cosign sign --yes --key 'awskms:///alias/x;rm -rf '\''y'\''' ` + image},
		{"an attestation", verdict.Unmet{Predicate: slsa, By: is(verdict.Signatory{Bare: true})}, "the holder of vendor must attest it: cosign attest --yes --key cosign.key --use-signing-config=false --tlog-upload=false --type " + slsa + " --predicate FILE " + image},
		{"in another repository", verdict.Unmet{Repository: place, By: is(verdict.Signatory{Subject: workflow})}, "the workflow " + workflow + " must sign it: COSIGN_REPOSITORY=registry.acme.example/signatures cosign sign --yes " + image},
		{"the first of several", verdict.Unmet{By: append(is(verdict.Signatory{Subject: "jane@acme.example"}), is(verdict.Signatory{})...)}, "jane@acme.example must sign it: cosign sign --yes " + image},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			signed := evidence.New(subject.Digest, evidence.ChartSignature, evidence.Signer{Key: "sha256:abc"})
			near := tc.unmet
			near.Near = []string{"vendor signed it at noon"}
			late := near
			late.Unlogged = true
			all := map[string]verdict.Findings{
				"nothing is there":     {Unmet: []verdict.Unmet{tc.unmet}},
				"nothing is usable":    {Unmet: []verdict.Unmet{tc.unmet}, Rejections: []*verdict.Rejection{{Reason: verdict.SignatureInvalid, Detail: "x"}}},
				"signed by a stranger": {Unmet: []verdict.Unmet{tc.unmet}, Evidence: []evidence.Evidence{signed}},
				"signed by some":       {Unmet: []verdict.Unmet{tc.unmet}, Evidence: []evidence.Evidence{signed}, Partly: true},
			}
			if tc.unmet.Predicate == "" {
				all["signed at another time"] = verdict.Findings{Unmet: []verdict.Unmet{near}, Evidence: []evidence.Evidence{signed}}
				all["signed without a log"] = verdict.Findings{Unmet: []verdict.Unmet{late}, Evidence: []evidence.Evidence{signed}}
			}
			for what, found := range all {
				if diff := cmp.Diff(tc.want, verdict.Unsigned(subject, wants, found).Next); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}
