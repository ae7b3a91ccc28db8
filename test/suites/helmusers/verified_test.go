package helmusers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerifiedChartsArePulled: helm gets the bytes that were signed, and says who signed them.
func TestVerifiedChartsArePulled(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		for _, row := range []struct {
			sentence, url string
			chart         string
			file          string // what helm calls it: the last part of the URL
			flags         []string
		}{
			{"by version", "podinfo:6.7.1", "podinfo:6.7.1", "podinfo:6.7.1", nil},
			{"by version, with another one beside the URL", "podinfo:6.7.1", "podinfo:6.7.1", "podinfo:6.7.1", []string{"--version=6.8.0"}},
			{"by the name of a file", "podinfo/podinfo-6.7.1.tgz", "podinfo:6.7.1", "podinfo-6.7.1.tgz", nil},
			{"by digest", "podinfo@" + u.published["podinfo:6.7.0"].digest, "podinfo:6.7.0", "podinfo@" + u.published["podinfo:6.7.0"].digest, nil},
			{"a version with +", "built:1.0.0+build.7", "built:1.0.0+build.7", "built:1.0.0+build.7", nil},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				ended := u.helm(t, append([]string{"pull", "chartgate://ghcr.io/acme/charts/" + row.url}, row.flags...)...)
				u.took(t, row.chart, row.file)
				if !strings.HasPrefix(ended.Stderr, "Chart admitted: oci://ghcr.io/acme/charts/") ||
					!strings.Contains(ended.Stderr, "digest "+u.published[row.chart].digest+", signed by acme-release (subject "+workflow+", issuer "+issuer+")\n") {
					t.Errorf("helm's user is told\n%s", ended.Stderr)
				}
			})
		}
	})
}

// took checks that a file in the working directory is a published chart, and removes it. There must be
// no other.
func (u *user) took(t *testing.T, chart, file string) {
	t.Helper()
	if files := u.files(t); !slices.Equal(files, []string{file}) {
		t.Fatalf("helm has written %v, want %s", files, file)
	}
	path := filepath.Join(u.dir, file)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(u.published[chart].archive) {
		t.Errorf("%s is not the chart %s: %d bytes, want %d", file, chart, len(got), len(u.published[chart].archive))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestVerifiedChartsAreDeployed: template, install and upgrade take the chart from the same URLs.
func TestVerifiedChartsAreDeployed(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		if rendered := u.helm(t, "template", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.0").Stdout; !strings.Contains(rendered, `message: "podinfo 6.7.0"`) {
			t.Errorf("helm template renders\n%s", rendered)
		}
		u.helm(t, "install", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1")
		u.deployed(t, "sh.helm.release.v1.web.v1", "web: podinfo 6.7.1")
		u.helm(t, "upgrade", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.8.0")
		u.deployed(t, "sh.helm.release.v1.web.v1", "sh.helm.release.v1.web.v2", "web: podinfo 6.8.0")
	})
}

// deployed checks what is in the user's namespace.
func (u *user) deployed(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, u.objects(t)); diff != "" {
		t.Errorf("in the namespace (-want +got):\n%s", diff)
	}
}
