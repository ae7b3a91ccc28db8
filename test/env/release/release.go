// Package release makes real releases for tests: what `make release` builds, pushes and signs, from the checkout as it is.
package release

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Options say what is released, and where to.
type Options struct {
	// Registry is "HOST:PORT/PATH". It speaks HTTP.
	Registry string
	// Version is "v0.1.0".
	Version string
	// Sign are cosign's flags, such as those of a sigstore.Client.
	Sign []string
	// Workflow is the workflow of GitHub that the release says it is made by, as "OWNER/NAME/.github/workflows/FILE@REF". If
	// empty, it is made by a person.
	Workflow string
	// Platforms are those of the programs, "linux/amd64" if empty: each further one compiles everything again.
	Platforms string
}

// Release is what was released.
type Release struct {
	// Version is "v0.1.0", and the tags are without v.
	Version string `json:"version"`
	// Image and Chart are "HOST:PORT/REPOSITORY@sha256:…".
	Image string `json:"image"`
	Chart string `json:"chart"`
	// Dir holds the archives of the program, their checksums and the signature of those.
	Dir string `json:"-"`
	// Tree is the clean clone that it was made of.
	Tree string `json:"-"`
}

// Tag is the version as tags, and as helm, have it.
func (r *Release) Tag() string { return strings.TrimPrefix(r.Version, "v") }

// ChartURL is what helm takes, beside --version.
func (r *Release) ChartURL() string { return "oci://" + repository(r.Chart) }

// ImageTag is the image by its tag, for those who do not know the digest.
func (r *Release) ImageTag() string { return repository(r.Image) + ":" + r.Tag() }

// ChartTag is the chart by its tag.
func (r *Release) ChartTag() string { return repository(r.Chart) + ":" + r.Tag() }

func repository(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	return name
}

// Publish runs `make release` in a clean clone, since it refuses another. Dir takes the clone and the files of the release.
func Publish(ctx context.Context, dir string, o Options) (*Release, error) {
	tree, bin, err := clone(ctx, filepath.Join(dir, "clone"))
	if err != nil {
		return nil, err
	}
	r := &Release{Dir: filepath.Join(dir, "release"), Tree: tree}
	platforms := o.Platforms
	if platforms == "" {
		platforms = "linux/amd64"
	}
	_, err = Make(ctx, tree, bin, "release", "VERSION="+o.Version, "REGISTRY="+o.Registry, "PLATFORMS="+platforms,
		"OUTPUT="+r.Dir, "SIGN="+strings.Join(o.Sign, " "), "PLAIN_HTTP=true",
		// As a run on GitHub has them; make hands its variables on.
		"GITHUB_SERVER_URL=https://github.com", "GITHUB_WORKFLOW_REF="+o.Workflow, "GITHUB_RUN_ID=")
	if err != nil {
		return nil, err
	}
	summary, err := os.ReadFile(filepath.Join(r.Dir, "release.json"))
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(summary, r)
}

// Make runs make in a tree with the tools of another bin/, however old they look from there, and away from the user's files.
func Make(ctx context.Context, tree, bin string, args ...string) (cluster.Output, error) {
	all := []string{"BIN=" + bin}
	for _, tool := range []string{"ca-certificates.crt", "cosign3"} {
		if _, err := cluster.Tool(tool); err != nil {
			return cluster.Output{}, err
		}
		all = append(all, "--old-file="+filepath.Join(bin, tool))
	}
	home := filepath.Join(tree, "..", "home")
	return cluster.Command{Name: "make", Args: append(all, args...), Dir: tree, Env: []string{
		"MAKEFLAGS=", "DOCKER_CONFIG=" + home, "TUF_ROOT=" + filepath.Join(home, "tuf"), "COSIGN_PASSWORD=",
	}}.Run(ctx)
}

// clone makes a clean clone of the checkout with the files as they are now: changes that are not committed are a commit
// there. It returns the folder of the tools, too.
func clone(ctx context.Context, dir string) (tree, bin string, err error) {
	root, err := cluster.Root()
	if err != nil {
		return "", "", err
	}
	script := `set -eu
git clone --quiet --no-checkout "$1" "$2"
cd "$1"
git ls-files -z --cached --others --exclude-standard | tar --create --null --ignore-failed-read --files-from=- 2>/dev/null | tar --extract --directory="$2"
cd "$2"
git add --all
git diff --cached --quiet || git -c user.name=test -c user.email=test@chartgate.test commit --quiet --message='the checkout as it is'
`
	if _, err := (cluster.Command{Name: "bash", Args: []string{"-c", script, "clone", root, dir}}).Run(ctx); err != nil {
		return "", "", fmt.Errorf("clone the checkout: %w", err)
	}
	return dir, filepath.Join(root, "bin"), nil
}
