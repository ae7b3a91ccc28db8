package helmusers_test

import (
	"strings"
	"testing"
)

// TestCommandPlugin: chartgate's command line runs as a command of helm, with its exit codes.
func TestCommandPlugin(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		u.write(t, "login.json", loginFile(u.private.Host()))
		verify := func(reference string, more ...string) []string {
			return append([]string{"verify", reference, "--trusted-root=" + u.trustedRoot(),
				"--plain-http=" + u.host, "--plain-http=" + u.private.Host()}, more...)
		}
		u.write(t, "policies.yaml", u.policies(u.host))
		const policies = "--policy=policies.yaml"
		for _, row := range []struct {
			sentence string
			args     []string
			code     int
			says     string // on any stream
		}{
			{"the version", []string{"version"}, 0, "chartgate "},
			{"a signed chart", verify("oci://ghcr.io/acme/charts/podinfo:6.7.1", policies), 0, "Chart admitted: oci://ghcr.io/acme/charts/podinfo:6.7.1"},
			{"an unsigned chart", verify("oci://ghcr.io/acme/charts/billing:2.0.0", policies), 1, "Chart denied (SignatureMissing): "},
			{"a login in the file of helm's flag", verify("oci://"+u.private.Host()+"/acme/charts/podinfo:6.7.1", policies, "--registry-config=login.json"), 0, "Chart admitted: "},
			{"the policies of helm's cluster", verify("oci://ghcr.io/acme/charts/podinfo:6.7.1", "--policy=cluster"), 0, "Chart admitted: "},
			{"helm's context, which does not exist", verify("oci://ghcr.io/acme/charts/podinfo:6.7.1", "--policy=cluster", "--kube-context=absent"), 2, `context "absent" does not exist`},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				ended := u.try(t, append([]string{"chartgate"}, row.args...)...)
				if ended.Code != row.code || !strings.Contains(ended.Stdout+ended.Stderr, row.says) {
					t.Errorf("helm chartgate %s ends with %d and prints\n%s%s", row.args[0], ended.Code, ended.Stdout, ended.Stderr)
				}
			})
		}
	})
}
