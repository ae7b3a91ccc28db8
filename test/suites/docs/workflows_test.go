package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// publishing are the blocks of docs/publish-charts.md with a mark.
func publishing(t *testing.T, mark string) []string {
	t.Helper()
	all, err := harness.ReadPage("docs", "publish-charts.md")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, block := range all {
		if block.Mark == mark {
			texts = append(texts, block.Text)
		}
	}
	if len(texts) == 0 {
		t.Fatalf("the page has no block %q", mark)
	}
	return texts
}

var (
	uses   = regexp.MustCompile(`(?m)^ *(?:- )?uses: (.*)$`)
	pinned = regexp.MustCompile(`^[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[0-9.]+$`)
)

// TestWorkflowsLint: actionlint finds nothing in the workflow and the steps of the page, and every
// action is pinned by its commit.
func TestWorkflowsLint(t *testing.T) {
	t.Parallel()
	actionlint, err := cluster.Tool("actionlint")
	if err != nil {
		t.Fatal(err)
	}
	workflows := publishing(t, "workflow")
	for _, steps := range publishing(t, "steps") {
		workflows = append(workflows, "on: push\njobs:\n  login:\n    runs-on: ubuntu-24.04\n    permissions: {id-token: write}\n    "+harness.Indented(steps, 4))
	}
	for _, text := range workflows {
		path := filepath.Join(t.TempDir(), "workflow.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := (cluster.Command{Name: actionlint, Args: []string{"-shellcheck=", "-pyflakes=", path}}).Run(t.Context()); err != nil {
			t.Errorf("%v\n%s", err, out.Stdout)
		}
		for _, action := range uses.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(action[1]) {
				t.Errorf("%s is not pinned by its commit", action[1])
			}
		}
	}
}

// TestPublishingIdentities: the policies of the page accept what its workflow and its pipeline sign,
// and not what the same file signs on another branch.
func TestPublishingIdentities(t *testing.T) {
	t.Parallel()
	workflow, pipeline := publishing(t, "workflow")[0], publishing(t, "pipeline")[0]
	var triggers struct {
		On struct{ Push struct{ Branches []string } } `json:"true"` // YAML reads the key as a boolean
	}
	if err := yaml.Unmarshal([]byte(workflow), &triggers); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(triggers.On.Push.Branches, []string{"main"}) || !strings.Contains(pipeline, "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH") {
		t.Fatalf("they run for other branches: %v", triggers)
	}
	for _, tc := range []struct {
		sentence, block string
		repository      string
		by              sigstore.Identity
	}{
		{
			"GitHub's workflow", "accepts the workflow", "ghcr.io/acme/charts",
			sigstore.Identity{
				Issuer: "https://token.actions.githubusercontent.com", Subject: "https://github.com/acme/charts/" + file(t, workflow),
				Claims: map[string]string{"sourceRepositoryURI": "https://github.com/acme/charts"},
			},
		},
		{
			"GitLab's pipeline", "accepts the pipeline", "registry.gitlab.com/acme/charts",
			sigstore.Identity{Issuer: "https://gitlab.com", Subject: "https://gitlab.com/acme/charts//" + file(t, pipeline)},
		},
	} {
		for branch, code := range map[string]int{"main": 0, "feature": 1} {
			t.Run(tc.sentence+" on "+branch, func(t *testing.T) {
				t.Parallel()
				by := tc.by
				by.Subject += "@refs/heads/" + branch
				verifySigned(t, publishing(t, tc.block)[0], tc.repository, by, code)
			})
		}
	}
	if subject := "https://github.com/acme/charts/" + file(t, workflow) + "@refs/heads/main"; !strings.Contains(workflow, "--certificate-identity "+subject+"\n") {
		t.Errorf("the workflow does not verify the signer %s", subject)
	}
}

// file is the path in the comment of a block's first line.
func file(t *testing.T, block string) string {
	t.Helper()
	first, _, _ := strings.Cut(block, "\n")
	path, found := strings.CutPrefix(first, "# ")
	if !found {
		t.Fatalf("the block does not name its file:\n%s", block)
	}
	return path
}

// verifySigned signs a chart and verifies it with the policies, which know the registry under its
// public name.
func verifySigned(t *testing.T, policies, repository string, by sigstore.Identity, code int) {
	t.Helper()
	trust, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store := registrytest.New(registrytest.Options{})
	t.Cleanup(store.Close)
	archive, err := charts.Archive("podinfo", "6.7.1")
	if err != nil {
		t.Fatal(err)
	}
	host, path, _ := strings.Cut(repository, "/")
	digest, _, err := store.PushChart(path+"/podinfo", "6.7.1", archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := (harness.Signing{Sigstore: trust, Registry: store, By: by}).Bundle(path+"/podinfo", digest); err != nil {
		t.Fatal(err)
	}
	root, err := trust.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"policies.yaml": policies, "trusted_root.json": string(root)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := harness.Verify{Dir: dir, Args: []string{
		"oci://" + repository + "/podinfo:6.7.1", "--policy", "policies.yaml", "--trusted-root", "trusted_root.json",
		"--registry-mirror", host + "=" + store.Host(), "--plain-http", store.Host(),
	}}.Run(t)
	if got.Code != code || code == 1 && !strings.Contains(got.Stdout, "(IdentityNotAllowed)") {
		t.Errorf("exit code %d, want %d\n%s%s", got.Code, code, got.Stdout, got.Stderr)
	}
}
