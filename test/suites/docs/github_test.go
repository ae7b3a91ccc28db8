package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestGitHubRecipe follows the recipe for GitHub's attestations of private repositories, with its
// policy and its TrustRoot as they are written, and a Sigstore made like GitHub's: certificates
// without SCT, a timestamp authority, no log.
func TestGitHubRecipe(t *testing.T) {
	t.Parallel()
	github, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store := registrytest.New(registrytest.Options{})
	t.Cleanup(store.Close)
	policies := strings.ReplaceAll(blockWith(t, read(t, "docs/policies.md"), "name: acme-private-release"), "ghcr.io", store.Host())
	trustRoot := blockWith(t, read(t, "docs/trust-roots.md"), "name: github-trust-root")
	const workflow = "/.github/workflows/release.yaml@refs/heads/main"
	by := func(repository, subject string) sigstore.Identity {
		return sigstore.Identity{
			Issuer: "https://token.actions.githubusercontent.com", Subject: subject,
			Claims: map[string]string{"sourceRepositoryURI": repository, "runnerEnvironment": "github-hosted"},
		}
	}
	const ours = "https://github.com/acme/private-charts"
	release := by(ours, ours+workflow)
	const provenance = "https://slsa.dev/provenance/v1"
	for _, tc := range []struct {
		sentence  string
		by        sigstore.Identity
		predicate string
		options   []sigstore.Option
		policies  string
		want      string // the reason; empty is admitted
	}{
		{sentence: "attested by the workflow", by: release, predicate: provenance},
		{sentence: "the log is required, as it is by default", by: release, predicate: provenance, policies: strings.Replace(policies, "    transparencyLog: NotRequired\n", "", 1), want: "AttestationMissing"},
		{sentence: "without a timestamp", by: release, predicate: provenance, options: []sigstore.Option{sigstore.WithoutTimestamp()}, want: "AttestationMissing"},
		{sentence: "attested by another repository's workflow", by: by("https://github.com/mallory/x", "https://github.com/mallory/x"+workflow), predicate: provenance, want: "AttestationMissing"},
		{sentence: "the workflow attests something else", by: release, predicate: "https://spdx.dev/Document", want: "AttestationMissing"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			name := strings.ReplaceAll(strings.ReplaceAll(tc.sentence, " ", "-"), ",", "")
			archive, err := charts.Archive("podinfo", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			repository := "acme/private-charts/" + strings.NewReplacer("'", "").Replace(name)
			digest, _, err := store.PushChart(repository, "1.0.0", archive)
			if err != nil {
				t.Fatal(err)
			}
			options := append([]sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutSCT()}, tc.options...)
			bundle, err := github.Bundle(tc.by, digest, tc.predicate, nil, options...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.AttachBundle(repository, digest, bundle, nil); err != nil {
				t.Fatal(err)
			}
			written := policies
			if tc.policies != "" {
				written = tc.policies
			}
			dir := t.TempDir()
			for file, content := range map[string]string{
				"policies.yaml": written, "trustroot.yaml": trustRoot, "configmap.yaml": withoutLogs(t, github),
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			v := harness.Verify{Args: []string{
				"oci://" + store.Host() + "/" + repository + ":1.0.0", "--policy=" + dir, "--plain-http=" + store.Host(),
			}}.Run(t)
			switch denied := v.Code == 1 && strings.Contains(v.Stdout, "("+tc.want+")"); {
			case tc.want == "" && !v.Admits(), tc.want != "" && !denied:
				t.Errorf("exit code %d\n%s%s", v.Code, v.Stdout, v.Stderr)
			}
		})
	}
}

// withoutLogs is the ConfigMap of the recipe, with the trust root of a Sigstore that has no logs.
func withoutLogs(t *testing.T, s *sigstore.Sigstore) string {
	t.Helper()
	raw, err := s.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	delete(root, "tlogs")
	delete(root, "ctlogs")
	if raw, err = json.Marshal(root); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: github-trust-root}\ndata: {trusted_root.json: %q}\n", raw)
}

// blockWith is the one block of YAML that holds the text.
func blockWith(t *testing.T, page, text string) string {
	t.Helper()
	var found []string
	for _, block := range blocks(page, "yaml") {
		if strings.Contains(block, text) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks hold %q", len(found), text)
	}
	return found[0]
}
