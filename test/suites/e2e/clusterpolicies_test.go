package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// kubeconfigOf is a kubeconfig of the admin with a second context, for a user without rights.
func kubeconfigOf(t *testing.T, c *cluster.Cluster, user string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	admin := config.Contexts[config.CurrentContext]
	as := config.AuthInfos[admin.AuthInfo].DeepCopy()
	as.Impersonate = user
	config.AuthInfos[user] = as
	config.Contexts[user] = &clientcmdapi.Context{Cluster: admin.Cluster, AuthInfo: user}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// verifyWith runs `chartgate verify` with the way to the registries and no policies.
func (w *site) verifyWith(t *testing.T, args ...string) harness.Verdict {
	t.Helper()
	all := []string{"--plain-http", w.registry.Host(), "--plain-http", w.fallback.Host(), "--tuf-cache", t.TempDir()}
	for _, arg := range args {
		all = append(all, w.local(arg))
	}
	v := harness.Verify{Args: all}.Run(t)
	v.Stdout, v.Stderr = w.public(v.Stdout), w.public(v.Stderr)
	return v
}

// TestVerifyUnderTheClustersPolicies: the verdicts are those of the gate, with its policies, keys and
// trust root, as far as the user may read them.
func TestVerifyUnderTheClustersPolicies(t *testing.T) {
	w := theSite(t)
	const user = "developer"
	kubeconfig := kubeconfigOf(t, w.Cluster, user)
	more := filepath.Join(t.TempDir(), "more.yaml")
	if err := os.WriteFile(more, []byte(w.local(harness.Policy("quay-charts", `{match: {charts: ["oci://quay.io/acme/charts/**"]}, require: [{anyOf: [acme-release]}]}`))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sentence string
		args     []string
		code     int
		says     string // on any stream
	}{
		{"a keyless signature, by the trust root of the installation", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1"}, 0, "Chart admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1"},
		{"a signature by a key", []string{"oci://quay.io/acme/charts/key3:1.0.0"}, 0, "signed by " + wantsBreakglass},
		{"no signature", []string{"oci://ghcr.io/acme/charts/unsigned:1.0.0"}, 1, "policy:   " + acmeWants},
		{"a policy of a file in place of the cluster's", []string{"oci://quay.io/acme/charts/key3:1.0.0", "--policy", more}, 1, "Chart denied ("},
		{"SARIF", []string{"oci://ghcr.io/acme/charts/unsigned:1.0.0", "-o", "sarif"}, 1, `"ruleId": "SignatureMissing"`},
		{"a user without rights", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--context", user}, 2, `read the ChartPolicies of context ` + user + `: the user may not read it (User "` + user + `" cannot list resource "chartpolicies"`},
		{"a namespace in which nothing is", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--chartgate-namespace", "apps"}, 1, "Chart denied (TrustRootUnavailable)"},
		{"a context that does not exist", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--context", "absent"}, 2, `context "absent" does not exist`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := w.verifyWith(t, append([]string{"--policy", "cluster", "--kubeconfig", kubeconfig}, c.args...)...)
			if got.Code != c.code || !strings.Contains(got.Stdout+got.Stderr, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// readers gives a user the right to read chartgate's resources, and nothing else.
const readers = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-reads-policies}
rules: [{apiGroups: [chartgate.dev], resources: [chartpolicies, trustedidentities, trustroots], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-reads-policies}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-reads-policies}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: reader}]
`

// TestVerifyAsAReaderOfPolicies: what a user may not read makes no verdict milder.
func TestVerifyAsAReaderOfPolicies(t *testing.T) {
	w := theSite(t)
	if err := w.ApplyText(t.Context(), readers); err != nil {
		t.Fatal(err)
	}
	kubeconfig := kubeconfigOf(t, w.Cluster, "reader")
	root, err := w.sigstore.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"root.json":       string(root),
		"identities.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chartgate-identities}\ndata: {identities.yaml: '[]'}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--policy", "cluster", "--kubeconfig", kubeconfig, "--context", "reader"}
	got := w.verifyWith(t, args...)
	if got.Code != 2 || !strings.Contains(got.Stderr, `read ConfigMap chartgate-system/chartgate-identities of context reader: the user may not read it (User "reader" cannot get resource "configmaps"`) {
		t.Errorf("without the ConfigMap: %+v", got)
	}
	args = append(args, "--policy", filepath.Join(dir, "identities.yaml"))
	if got = w.verifyWith(t, args...); got.Code != 1 || !strings.Contains(got.Stderr, "warning: context reader: whether chartgate was installed with a trust root of its own cannot be read") {
		t.Errorf("without the trust root of the installation: %+v", got)
	}
	if got = w.verifyWith(t, append(args, "--trusted-root", filepath.Join(dir, "root.json"))...); got.Code != 0 {
		t.Errorf("with both: %+v", got)
	}
}

// TestVerifyUnderAClusterWithoutChartgate: it is not a cluster that denies everything.
func TestVerifyUnderAClusterWithoutChartgate(t *testing.T) {
	w := theSite(t)
	c, err := cluster.Start(t.Context(), cluster.Options{})
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.verifyWith(t, "oci://ghcr.io/acme/charts/podinfo:6.7.1", "--policy", "cluster", "--kubeconfig", c.Kubeconfig)
	if got.Code != 2 || !strings.Contains(got.Stderr, "the cluster has no kind ChartPolicy in chartgate.dev/v1alpha1: chartgate is not installed there") {
		t.Errorf("%+v", got)
	}
}

// TestVerifyByCosignsFlags: signatures of the real cosign, by the flags of cosign verify.
func TestVerifyByCosignsFlags(t *testing.T) {
	w := theSite(t)
	root, err := w.sigstore.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"root.json": string(root), "acme.pub": w.keys["acme"].public} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const workflow, issuer = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main", "https://token.actions.githubusercontent.com"
	for _, c := range []struct {
		sentence string
		args     []string
		code     int
	}{
		{"cosign 3, by a key", []string{"oci://quay.io/acme/charts/key3:1.0.0", "--key", dir + "/acme.pub", "--insecure-ignore-tlog"}, 0},
		{"cosign 2, by a key", []string{"oci://ghcr.io/acme/charts/key2:1.0.0", "--key", dir + "/acme.pub", "--insecure-ignore-tlog"}, 0},
		{"by a key, in no log", []string{"oci://ghcr.io/acme/charts/key2:1.0.0", "--key", dir + "/acme.pub"}, 1},
		{"by another key", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--key", dir + "/acme.pub", "--insecure-ignore-tlog"}, 1},
		{"by a workflow", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--certificate-identity", workflow, "--certificate-oidc-issuer", issuer}, 0},
		{"by workflows of acme", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--certificate-identity-regexp", "^https://github.com/acme/.*$", "--certificate-oidc-issuer", issuer}, 0},
		{"by what begins with acme", []string{"oci://ghcr.io/acme/charts/podinfo:6.7.1", "--certificate-identity-regexp", "https://github.com/acme", "--certificate-oidc-issuer", issuer}, 1},
		{"by a stranger's workflow", []string{"oci://ghcr.io/acme/charts/stranger:1.0.0", "--certificate-identity", workflow, "--certificate-oidc-issuer", issuer}, 1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := w.verifyWith(t, append(c.args, "--trusted-root", dir+"/root.json")...); got.Code != c.code {
				t.Errorf("%+v", got)
			}
		})
	}
}
