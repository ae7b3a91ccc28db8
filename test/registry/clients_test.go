package registry_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/charts"
	"github.com/chartgate/chartgate/test/registry"
	"github.com/chartgate/chartgate/test/sigstore"
)

// TestRealClients: helm and both cosigns accept what the fixtures make, and refuse what they should.
func TestRealClients(t *testing.T) {
	t.Parallel()
	s := must(sigstore.New(nil))(t)
	key := must(sigstore.NewKey())(t)
	workflow := sigstore.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
	}
	dir := t.TempDir()
	root := write(t, dir, "trusted_root.json", must(s.TrustedRoot())(t))
	pub := write(t, dir, "cosign.pub", must(key.PEM())(t))
	keyless := []string{"verify", "--trusted-root", root, "--certificate-identity", workflow.Subject, "--certificate-oidc-issuer", workflow.Issuer}
	byKey := []string{"verify", "--trusted-root", root, "--key", pub}

	legacy := func(by sigstore.Signer, opts ...sigstore.Option) func(*testing.T, *registry.Registry, string) {
		return func(t *testing.T, r *registry.Registry, digest string) {
			payload, annotations, err := s.Legacy(by, r.Host()+"/"+repo, digest, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.AttachLegacy(repo, digest, payload, annotations); err != nil {
				t.Fatal(err)
			}
		}
	}
	bundle := func(by sigstore.Signer, opts ...sigstore.Option) func(*testing.T, *registry.Registry, string) {
		return func(t *testing.T, r *registry.Registry, digest string) {
			raw := must(s.Bundle(by, digest, sigstore.SignPredicateType, nil, opts...))(t)
			must(r.AttachBundle(repo, digest, raw, nil))(t)
		}
	}
	for _, tc := range []struct {
		name    string
		attach  func(*testing.T, *registry.Registry, string)
		client  string
		args    []string
		refused string
	}{
		{name: "helm pulls the chart", client: "helm", args: []string{"pull", "--plain-http", "oci://HOST/" + repo, "--version", "1.0.0"}},
		{name: "cosign 2, legacy by a workflow", attach: legacy(workflow), client: "cosign2", args: keyless},
		{name: "cosign 2, legacy by a key", attach: legacy(key), client: "cosign2", args: byKey},
		{name: "cosign 2, bundle by a workflow", attach: bundle(workflow), client: "cosign2", args: slices.Concat(keyless, []string{"--new-bundle-format"})},
		{name: "cosign 2, bundle by a key", attach: bundle(key), client: "cosign2", args: slices.Concat(byKey, []string{"--new-bundle-format"})},
		{name: "cosign 3, legacy by a workflow", attach: legacy(workflow), client: "cosign3", args: keyless},
		{name: "cosign 3, legacy by a key", attach: legacy(key), client: "cosign3", args: byKey},
		{name: "cosign 3, bundle by a workflow", attach: bundle(workflow), client: "cosign3", args: keyless},
		{name: "cosign 3, bundle by a key", attach: bundle(key), client: "cosign3", args: byKey},
		{name: "cosign 2, bundle without timestamp", attach: bundle(workflow, sigstore.WithoutTimestamp()), client: "cosign2", args: slices.Concat(keyless, []string{"--new-bundle-format"})},
		{name: "cosign 3, bundle without timestamp", attach: bundle(workflow, sigstore.WithoutTimestamp()), client: "cosign3", args: keyless},
		{name: "cosign 3, legacy without timestamp", attach: legacy(workflow, sigstore.WithoutTimestamp()), client: "cosign3", args: keyless},
		{name: "cosign 3, unlogged but timestamped, log not asked for", attach: bundle(workflow, sigstore.WithoutLog()), client: "cosign3", args: slices.Concat(keyless, []string{"--insecure-ignore-tlog", "--use-signed-timestamps"})},
		{name: "cosign 3, no SCT", attach: bundle(workflow, sigstore.WithoutSCT()), client: "cosign3", args: keyless, refused: "SCT"},
		{name: "cosign 3, unlogged", attach: bundle(key, sigstore.WithoutLog()), client: "cosign3", args: byKey, refused: "log entries"},
	} {
		for _, noReferrers := range []bool{false, true} {
			t.Run(tc.name+api(noReferrers), func(t *testing.T) {
				t.Parallel()
				bin := tool(t, tc.client)
				r, digest := newRegistry(t, registry.Options{NoReferrers: noReferrers})
				args := strings.Fields(strings.ReplaceAll(strings.Join(tc.args, " "), "HOST", r.Host()))
				if tc.attach != nil {
					tc.attach(t, r, digest)
					args = append(args, "--allow-http-registry", r.Host()+"/"+repo+"@"+digest)
				}
				cmd := exec.CommandContext(t.Context(), bin, args...)
				cmd.Dir = t.TempDir()
				cmd.Env = []string{"HOME=" + cmd.Dir}
				out, err := cmd.CombinedOutput()
				if refused := err != nil; refused != (tc.refused != "") || !strings.Contains(string(out), tc.refused) {
					t.Errorf("%v: %v, want refusal %q\n%s\n%s", args, err, tc.refused, out, strings.Join(r.Requests(), "\n"))
				}
			})
		}
	}
}

// tool is the path of a binary that `make tools` built.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(cmp.Or(os.Getenv("CHARTGATE_BIN"), "../../bin"), name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make tools", err)
	}
	return path
}

func api(noReferrers bool) string {
	if noReferrers {
		return ", fallback tag"
	}
	return ", referrers API"
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const repo = "acme/charts/podinfo"

// newRegistry holds one chart, podinfo 1.0.0.
func newRegistry(t *testing.T, options registry.Options) (r *registry.Registry, digest string) {
	t.Helper()
	r = registry.New(options)
	t.Cleanup(r.Close)
	digest, _, err := r.PushChart(repo, "1.0.0", must(charts.Archive("podinfo", "1.0.0"))(t))
	if err != nil {
		t.Fatal(err)
	}
	return r, digest
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
