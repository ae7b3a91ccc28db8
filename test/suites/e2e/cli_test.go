package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

// endedWaiver is the warning of a policy that most commands read: its waiver has ended.
var endedWaiver = regexp.MustCompile(`(?m)^warning: .*: ChartPolicy ended: .*\n?`)

// TestVerifyOnTheCommandLine: the same registries, policies and trust root, and no cluster.
func TestVerifyOnTheCommandLine(t *testing.T) {
	s := theShop(t)
	cli := newCLI(t, s)
	const podinfo, unsigned = "oci://ghcr.io/acme/charts/podinfo:6.7.1", "oci://ghcr.io/acme/charts/unsigned:1.0.0"
	for _, tc := range []struct {
		sentence       string
		args           []string
		stdin          string
		code           int
		stdout, stderr string
	}{
		{
			sentence: "a signed chart",
			args:     []string{podinfo}, code: 0,
			stdout: `
Chart admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1, digest sha256:<podinfo:6.7.1>, signed by acme-release (` + byRelease + `)`,
		},
		{
			sentence: "a chart signed with a key, without the registry's referrers API",
			args:     []string{"oci://quay.io/acme/charts/key3:1.0.0"}, code: 0,
			stdout: `
Chart admitted: oci://quay.io/acme/charts/key3:1.0.0, digest sha256:<key3:1.0.0>, signed by ` + wantsBreakglass,
		},
		{
			sentence: "a signed chart by its digest",
			args:     []string{"oci://ghcr.io/acme/charts/podinfo@" + s.digest("ghcr.io/acme/charts/podinfo:6.7.1")}, code: 0,
			stdout: `
Chart admitted: oci://ghcr.io/acme/charts/podinfo@sha256:<podinfo:6.7.1>, digest sha256:<podinfo:6.7.1>, signed by acme-release (` + byRelease + `)`,
		},
		{
			sentence: "an unsigned chart",
			args:     []string{unsigned}, code: 1,
			stdout: `
Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0> has no signature
  policy:   ` + acmeWants + `
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>`,
		},
		{
			sentence: "one bad chart among good ones",
			args:     []string{podinfo, unsigned}, code: 1,
			stdout: `
Chart admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1, digest sha256:<podinfo:6.7.1>, signed by acme-release (` + byRelease + `)
Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0> has no signature
  policy:   ` + acmeWants + `
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>`,
		},
		{
			sentence: "objects and their siblings from standard input",
			args:     []string{"-f", "-"}, code: 0,
			stdin: s.sample("flux/helmrelease.yaml") + "---\n" + s.sample("flux/helmrepository.yaml"),
			stdout: `
HelmRelease apps/podinfo admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1, digest sha256:<podinfo:6.7.1>, signed by acme-release (` + byRelease + `)
HelmRepository apps/acme admitted`,
		},
		{
			sentence: "objects of Argo CD, of which one is ambiguous",
			args:     []string{"-f", "-"}, code: 1,
			stdin: s.sample("argo/application-sources.yaml") + "---\n" + s.sample("denied/ambiguous.yaml"),
			stdout: `
Application argocd/podinfo-sources admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1, digest sha256:<podinfo:6.7.1>, signed by acme-release (` + byRelease + `)
Application argocd/ambiguous denied (ReferenceInvalid): repoURL "oci://ghcr.io/acme/charts/podinfo" starts with oci:// and chart is set too: Argo CD versions disagree on what that means
  where:    spec.source
  next:     either remove oci:// from repoURL, or put the whole reference into repoURL and remove chart`,
		},
		{
			sentence: "a signed chart, for a script",
			args:     []string{podinfo, "-o", "json"}, code: 0,
			stdout: `
{
  "results": [
    {
      "object": {
        "kind": "Chart"
      },
      "reference": "oci://ghcr.io/acme/charts/podinfo:6.7.1",
      "digest": "sha256:<podinfo:6.7.1>",
      "verdict": "Verified",
      "signer": "acme-release (` + byRelease + `)",
      "policy": "acme-charts",
      "message": "Chart admitted"
    }
  ]
}`,
		},
		{
			sentence: "an unsigned release, for a script",
			args:     []string{"-f", "-", "-o", "json"}, code: 1,
			stdin: s.sample("denied/unsigned.yaml") + "---\n" + s.sample("flux/helmrepository.yaml"),
			stdout: `
{
  "results": [
    {
      "object": {
        "kind": "HelmRelease",
        "namespace": "apps",
        "name": "unsigned"
      },
      "field": "spec.chart.spec",
      "reference": "oci://ghcr.io/acme/charts/unsigned:1.0.0",
      "digest": "sha256:<unsigned:1.0.0>",
      "verdict": "Denied",
      "reason": "SignatureMissing",
      "message": "HelmRelease apps/unsigned denied (SignatureMissing): oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0> has no signature\n  where:    spec.chart.spec\n  policy:   ` + acmeWants + `\n  found:    0 bundles, 0 legacy signatures\n  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>"
    },
    {
      "object": {
        "kind": "HelmRepository",
        "namespace": "apps",
        "name": "acme"
      },
      "field": "spec.url",
      "reference": "oci://ghcr.io/acme/charts",
      "verdict": "Covered",
      "policy": "acme-charts",
      "message": "HelmRepository apps/acme admitted"
    }
  ]
}`,
		},
		{
			sentence: "nothing to verify",
			code:     2,
			stderr: `
chartgate: nothing to verify: give -f FILE or a reference such as oci://ghcr.io/acme/charts/podinfo:6.7.1`,
		},
		{
			sentence: "a file that is not there",
			args:     []string{"-f", "missing.yaml"}, code: 2,
			stderr: `
chartgate: read -f: stat missing.yaml: no such file or directory`,
		},
		{
			sentence: "a file without any object that is gated",
			args:     []string{"-f", "-"}, code: 2,
			stdin: "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}",
			stderr: `
chartgate: the files hold no object that chartgate gates (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)`,
		},
		{
			sentence: "a field twice",
			args:     []string{"-f", "-"}, code: 2,
			stdin: "{apiVersion: v1, kind: ConfigMap, kind: Secret, metadata: {name: x}}",
			stderr: `
skipped: -: document 1: not readable as YAML: unmarshal errors: line 1: key "kind" already set in map
chartgate: the files hold no object that chartgate gates (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)`,
		},
		{
			sentence: "an output that does not exist",
			args:     []string{podinfo, "-o", "xml"}, code: 2,
			stderr: `
chartgate: --output is "xml", not text, json, sarif or junit`,
		},
		{
			sentence: "a flag that does not exist",
			args:     []string{podinfo, "--insecure"}, code: 2,
			stderr: `
chartgate: unknown flag: --insecure`,
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			stdout, stderr, code := cli.run(t, tc.stdin, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if diff := cmp.Diff(strings.TrimSpace(tc.stdout), stdout); diff != "" {
				t.Errorf("standard output (-want +got):\n%s\nIt is\n%s", diff, stdout)
			}
			if diff := cmp.Diff(strings.TrimSpace(tc.stderr), strings.TrimSpace(endedWaiver.ReplaceAllString(stderr, ""))); diff != "" {
				t.Errorf("standard error (-want +got):\n%s\nIt is\n%s", diff, stderr)
			}
		})
	}
}

// TestVerifyWithoutATrustRoot: keyless signatures prove nothing without one, and the message says
// so.
func TestVerifyWithoutATrustRoot(t *testing.T) {
	s := theShop(t)
	cli := newCLI(t, s)
	cli.flags = []string{"--plain-http", s.registry.Host(), "--policy", cli.policies}
	stdout, _, code := cli.run(t, "", "oci://ghcr.io/acme/charts/podinfo:6.7.1")
	if code != 1 || !strings.HasPrefix(stdout, "Chart denied (TrustRootUnavailable): ") {
		t.Errorf("keyless: exit code %d\n%s", code, stdout)
	}
	if stdout, _, code = cli.run(t, "", "oci://ghcr.io/acme/charts/key2:1.0.0"); code != 0 {
		t.Errorf("by key: exit code %d\n%s", code, stdout)
	}
}

// cli is `chartgate verify` with the policies of the tables.
type cli struct {
	shop     *shop
	policies string
	flags    []string
}

func newCLI(t *testing.T, s *shop) *cli {
	t.Helper()
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	policies, trustedRoot := filepath.Join(dir, "policies.yaml"), filepath.Join(dir, "trusted_root.json")
	if err := errors.Join(os.WriteFile(policies, []byte(s.local(s.policies())), 0o600), os.WriteFile(trustedRoot, root, 0o600)); err != nil {
		t.Fatal(err)
	}
	return &cli{shop: s, policies: policies, flags: []string{
		"--plain-http", s.registry.Host(), "--plain-http", s.fallback.Host(), "--policy", policies, "--trusted-root", trustedRoot,
	}}
}

// run returns what it writes, with the names that rows use, and the exit code.
func (c *cli) run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	all := slices.Clone(c.flags)
	for _, arg := range args {
		all = append(all, c.shop.local(arg))
	}
	v := harness.Verify{Args: all, Stdin: c.shop.local(stdin)}.Run(t)
	return strings.TrimSpace(c.shop.public(v.Stdout)), strings.TrimSpace(c.shop.public(v.Stderr)), v.Code
}
