package helmusers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestSettings: what chartgate trusts comes through helm by variables of the environment.
func TestSettings(t *testing.T) {
	other, err := sigstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := other.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	both(t, func(t *testing.T, u *user) {
		u.write(t, "other_root.json", string(root))
		if err := os.Mkdir(filepath.Join(u.dir, "policies"), 0o700); err != nil {
			t.Fatal(err)
		}
		u.write(t, "policies/policies.yaml", u.policies(u.host))
		for _, row := range []struct {
			sentence   string
			env, flags []string
			says       string // on standard error
			denied     bool
		}{
			{"a folder of policies", []string{"CHARTGATE_POLICY=policies/"}, nil, "Chart admitted: ", false},
			{"the policies and the trust root of helm's cluster",
				[]string{"CHARTGATE_POLICY=cluster", "CHARTGATE_TRUSTED_ROOT=", "CHARTGATE_CHARTGATE_NAMESPACE=" + cluster.Namespace}, nil, "Chart admitted: ", false},
			{"the policies of the cluster of helm's context, which does not exist", []string{"CHARTGATE_POLICY=cluster"}, []string{"--kube-context=absent"}, `context "absent" does not exist`, true},
			{"one signer", []string{"CHARTGATE_POLICY=", "CHARTGATE_CERTIFICATE_IDENTITY=" + workflow, "CHARTGATE_CERTIFICATE_OIDC_ISSUER=" + issuer}, nil, "Chart admitted: ", false},
			{"another signer", []string{"CHARTGATE_POLICY=", "CHARTGATE_CERTIFICATE_IDENTITY=" + stranger, "CHARTGATE_CERTIFICATE_OIDC_ISSUER=" + issuer}, nil, "Chart denied (IdentityNotAllowed): ", true},
			{"nothing to trust", []string{"CHARTGATE_POLICY="}, nil, "CHARTGATE_POLICY is needed", true},
			{"the trust root of another Sigstore", []string{"CHARTGATE_TRUSTED_ROOT=other_root.json"}, nil, "Chart denied (", true},
			{"a registry without TLS that is not named", []string{"CHARTGATE_PLAIN_HTTP="}, nil, "allow that: CHARTGATE_PLAIN_HTTP=ghcr.io", true},
			{"too little time", []string{"CHARTGATE_TIMEOUT=1ns"}, nil, "Chart denied (Timeout): ", true},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				ended := u.with(row.env...).try(t, append([]string{"template", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1"}, row.flags...)...)
				rendered := strings.Contains(ended.Stdout, `message: "podinfo 6.7.1"`)
				if !strings.Contains(ended.Stderr, row.says) || row.denied == (ended.Code == 0) || row.denied == rendered || row.denied && ended.Stdout != "" {
					t.Errorf("helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
				}
			})
		}
	})
}

// TestLogins: the login of helm's flags, of a repository and of helm registry login reach the registry.
func TestLogins(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		host := u.private.Host()
		at := "chartgate://" + host + "/acme/charts/podinfo"
		url := at + "/podinfo-6.7.1.tgz"
		t.Run("none", func(t *testing.T) {
			u.denied(t, u.try(t, "pull", url), "Chart denied (RegistryUnauthorized): ", "log in (helm registry login "+host+", docker login "+host+"), or give CHARTGATE_REGISTRY_CONFIG a file with a login that can pull acme/charts/podinfo")
		})
		t.Run("a wrong password", func(t *testing.T) {
			ended := u.try(t, "pull", url, "--username", username, "--password", "hunter3")
			u.denied(t, ended, "Chart denied (RegistryUnauthorized): ", "the login for "+host+" was sent and is not enough: log in again (helm registry login "+host)
			if strings.Contains(ended.Stderr, "hunter3") {
				t.Errorf("the password is shown:\n%s", ended.Stderr)
			}
		})
		t.Run("helm's flags", func(t *testing.T) {
			u.helm(t, "pull", url, "--username", username, "--password", password)
			u.took(t, "podinfo:6.7.1", "podinfo-6.7.1.tgz")
		})
		t.Run("a repository's", func(t *testing.T) {
			u.helm(t, "repo", "add", "private", at, "--username", username, "--password", password)
			u.helm(t, "pull", "private/podinfo", "--version", "6.7.1")
			u.took(t, "podinfo:6.7.1", "podinfo-6.7.1.tgz")
		})
		t.Run("helm registry login", func(t *testing.T) {
			u.helm(t, "registry", "login", host, "--username", username, "--password", password, "--plain-http")
			u.helm(t, "pull", url)
			u.took(t, "podinfo:6.7.1", "podinfo-6.7.1.tgz")
		})
	})
}
