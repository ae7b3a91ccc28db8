package helmusers_test

import (
	"strings"
	"testing"

	registryserver "github.com/chartgate/chartgate/test/env/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestDeniedChartsReachNobody: helm stops before it writes anything, to the cluster or to a file, and
// says why and what to do.
func TestDeniedChartsReachNobody(t *testing.T) {
	down := hostThatIsDown(t)
	both(t, func(t *testing.T, u *user) {
		for _, row := range []struct {
			sentence, url string
			flags         []string
			host          string // "" is the site's registry
			says, next    string
		}{
			{
				sentence: "an unsigned chart", url: "chartgate://ghcr.io/acme/charts/billing:2.0.0",
				says: "Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/billing:2.0.0@" + u.published["billing:2.0.0"].digest + " has no signature",
				next: "the workflow " + workflow + " must sign it: cosign sign --yes ghcr.io/acme/charts/billing@" + u.published["billing:2.0.0"].digest,
			},
			{
				sentence: "a chart that a stranger has signed", url: "chartgate://ghcr.io/acme/charts/stranger:1.0.0",
				says: "Chart denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/stranger:1.0.0@", next: "the workflow " + workflow + " must sign it",
			},
			{
				sentence: "a tag that was moved to an unsigned chart", url: "chartgate://ghcr.io/acme/charts/moved:1.0.0",
				says: "Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/moved:1.0.0@" + u.published["moved:1.0.1"].digest, next: "the workflow " + workflow + " must sign it",
			},
			{
				sentence: "a chart that no policy is about", url: "chartgate://ghcr.io/other/podinfo:6.7.1",
				says: "Chart denied (NoPolicy): ",
			},
			{
				sentence: "a version that is not there", url: "chartgate://ghcr.io/acme/charts/podinfo:6.7.9",
				says: "Chart denied (ChartNotFound): ",
			},
			{
				sentence: "a registry that is down", url: "chartgate://ghcr.io/acme/charts/podinfo:6.7.1",
				host: down,
				says: "Chart denied (RegistryUnavailable): ",
			},
			{
				sentence: "a URL without a tag or a digest", url: "chartgate://ghcr.io/acme/charts/podinfo",
				says: "Chart denied (ReferenceInvalid): ", next: "append the version or the digest: chartgate://ghcr.io/acme/charts/podinfo:1.2.3",
			},
			{
				sentence: "the version beside the URL, where it does not reach a getter", url: "chartgate://ghcr.io/acme/charts/podinfo", flags: []string{"--version=6.7.1"},
				says: "Chart denied (ReferenceInvalid): ", next: "append the version or the digest: chartgate://ghcr.io/acme/charts/podinfo:1.2.3",
			},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				u := u
				if row.host != "" {
					u = u.at(t, row.host)
				}
				for _, command := range [][]string{{"install", "web"}, {"pull"}} {
					u.denied(t, u.try(t, append(append(command, row.url), row.flags...)...), row.says, row.next)
				}
			})
		}
	})
}

// denied checks that helm has stopped, with a denial and a next step on standard error, and has
// written nothing.
func (u *user) denied(t *testing.T, ended harness.Ended, says, next string) {
	t.Helper()
	if ended.Code == 0 || strings.Contains(ended.Stdout, "ConfigMap") || !strings.HasPrefix(ended.Stderr, says) || !strings.Contains(ended.Stderr, "\n  next:     "+next) {
		t.Errorf("helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
	}
	if files, objects := u.files(t), u.objects(t); len(files) > 0 || len(objects) > 0 {
		t.Errorf("helm has written %v %v", files, objects)
	}
}

// TestEveryCommandAsks: no command of helm gets an unsigned chart.
func TestEveryCommandAsks(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		for _, command := range [][]string{{"template", "web"}, {"show", "all"}, {"upgrade", "--install", "web"}, {"install", "web", "--dry-run=server"}} {
			t.Run(strings.Join(command, " "), func(t *testing.T) {
				ended := u.try(t, append(command, "chartgate://ghcr.io/acme/charts/billing:2.0.0")...)
				u.denied(t, ended, "Chart denied (SignatureMissing): ", "")
			})
		}
	})
}

// hostThatIsDown is that of a registry server which has ended.
func hostThatIsDown(t *testing.T) string {
	t.Helper()
	server, err := registryserver.StartDistribution(t.Context(), t.TempDir(), registryserver.DistributionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	return server.Host()
}
