package releases_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/release"
)

// TestAVersionIsReleasedOnce: `make release` of another commit refuses the version before it signs
// anything, and the tags stay.
func TestAVersionIsReleasedOnce(t *testing.T) {
	p := published(t)
	bin, err := cluster.Path("bin")
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "clone")
	if _, err := (cluster.Command{Name: "bash", Args: []string{"-c", `set -eu
git clone --quiet "$1" "$2"
cd "$2"
echo "A later commit." >>charts/chartgate/README.md
git -c user.name=test -c user.email=test@chartgate.test commit --quiet --all --message=later
`, "clone", p.Tree, tree}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := release.Make(t.Context(), tree, bin, "release", "VERSION="+version, "REGISTRY="+p.Prefix(), "PLATFORMS=linux/amd64",
		"OUTPUT="+filepath.Join(t.TempDir(), "release"), "PLAIN_HTTP=true")
	if want := p.ImageTag() + ": the version exists already, with other content: " + digestOf(p.Image); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got error %v\n%s", want, err, out.Stdout)
	}
	for tag, released := range map[string]string{p.ImageTag(): p.Image, p.ChartTag(): p.Chart} {
		if got := strings.TrimSpace(run(t, "crane", "digest", "--insecure", tag)); got != digestOf(released) {
			t.Errorf("%s is %s now, and was %s", tag, got, digestOf(released))
		}
	}
	if err != nil && strings.Contains(err.Error(), "signed: ") {
		t.Errorf("something was signed:\n%v", err)
	}
}
