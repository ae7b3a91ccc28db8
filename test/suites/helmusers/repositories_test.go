package helmusers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRepositories: a chart is added as a repository, ranges are resolved by helm, and what they mean
// is verified.
func TestRepositories(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		u.helm(t, "repo", "add", "podinfo", "chartgate://ghcr.io/acme/charts/podinfo")
		for _, row := range []struct {
			sentence, version string
			chart             string // "" if it is denied
		}{
			{"a version", "6.7.0", "podinfo:6.7.0"},
			{"a range", "^6.7", "podinfo:6.8.0"},
			{"a range whose newest version is not signed", ">=6.7", ""},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				ended := u.try(t, "pull", "podinfo/podinfo", "--version", row.version)
				if row.chart == "" {
					u.denied(t, ended, "Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:7.0.0@", "")
				} else {
					u.took(t, row.chart, strings.Replace(row.chart, ":", "-", 1)+".tgz")
				}
			})
		}
		// helm 4 keeps what it has downloaded, and would not ask if the index had digests.
		t.Run("a chart that helm has in its cache, and that is not accepted any more", func(t *testing.T) {
			nobody := filepath.Join(u.home, "nobody.yaml")
			if err := os.WriteFile(nobody, []byte(strings.ReplaceAll(u.policies(u.host), workflow, stranger)), 0o600); err != nil {
				t.Fatal(err)
			}
			u.helm(t, "repo", "update")
			u.denied(t, u.with("CHARTGATE_POLICY="+nobody).try(t, "pull", "podinfo/podinfo", "--version", "6.7.0"), "Chart denied (IdentityNotAllowed): ", "")
		})
		t.Run("a folder of charts is none", func(t *testing.T) {
			const next = "a chartgate:// repository is one chart: if chartgate://ghcr.io/acme/charts is a folder of charts, append the name of one, as in chartgate://ghcr.io/acme/charts/podinfo"
			u.denied(t, u.try(t, "repo", "add", "acme", "chartgate://ghcr.io/acme/charts"), "Chart denied (NoPolicy): ", next)
		})
	})
}

// TestDependencies: helm dependency update and build verify what they download, and put nothing else
// into the chart.
func TestDependencies(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		const podinfo = "charts/podinfo-6.8.0.tgz"
		for _, name := range []string{"podinfo", "billing"} { // helm dependency build wants them to be added, as any repository
			u.helm(t, "repo", "add", name, "chartgate://ghcr.io/acme/charts/"+name)
		}
		u.write(t, "Chart.yaml", u.local(dependingOn(t, "podinfo", "^6.7")))
		for _, command := range []string{"update", "build"} { // build goes by the lock that update has written
			u.helm(t, "dependency", command)
			got, err := os.ReadFile(filepath.Join(u.dir, podinfo))
			if err != nil || string(got) != string(u.published["podinfo:6.8.0"].archive) {
				t.Errorf("after helm dependency %s, %s is not the chart: error %v", command, podinfo, err)
			}
			if err := os.RemoveAll(filepath.Join(u.dir, "charts")); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(t *testing.T, command string, files ...string) {
			t.Helper()
			ended := u.try(t, "dependency", command)
			if ended.Code == 0 || !strings.Contains(ended.Stderr, "Chart denied (SignatureMissing): oci://ghcr.io/acme/charts/billing:2.0.0@") {
				t.Errorf("helm dependency %s ends with %d and prints\n%s%s", command, ended.Code, ended.Stdout, ended.Stderr)
			}
			if got := u.files(t); !slices.Equal(got, files) {
				t.Errorf("helm has written %v, want %v", got, files)
			}
		}
		if err := os.Remove(filepath.Join(u.dir, "Chart.lock")); err != nil {
			t.Fatal(err)
		}
		u.write(t, "Chart.yaml", u.local(dependingOn(t, "billing", "2.0.0")))
		t.Run("an unsigned dependency", func(t *testing.T) { refused(t, "update", "Chart.yaml") })
		t.Run("an unsigned dependency that the lock names", func(t *testing.T) {
			u.write(t, "waived.yaml", u.local(waiver))
			u.with("CHARTGATE_POLICY="+filepath.Join(u.dir, "waived.yaml")).helm(t, "dependency", "update")
			for _, name := range []string{"charts", "waived.yaml"} {
				if err := os.RemoveAll(filepath.Join(u.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, "build", "Chart.lock", "Chart.yaml")
		})
	})
}

const waiver = `apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: waived}
spec: {match: {charts: ["oci://ghcr.io/acme/charts/billing"]}, allowUnverified: {reason: test, until: "2099-12-31"}}
`

// dependingOn is a Chart.yaml with the dependency that the page shows, on another chart and version.
func dependingOn(t *testing.T, chart, version string) string {
	t.Helper()
	for _, block := range page(t) {
		if strings.HasPrefix(block.Text, "dependencies:\n") {
			return fmt.Sprintf("apiVersion: v2\nname: web\nversion: 0.1.0\n%s", strings.NewReplacer("podinfo", chart, "^6.7", version).Replace(block.Text))
		}
	}
	t.Fatal("the page shows no dependencies")
	return ""
}

// write writes a file to the working directory.
func (u *user) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
