package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestPublishPage follows docs/publish-charts.md with the real helm, cosign 3 and crane: it runs its
// commands, and verifies its consumers and its mistakes against what they have published.
func TestPublishPage(t *testing.T) {
	t.Parallel()
	blocks, err := harness.ReadPage("docs", "publish-charts.md")
	if err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t)
	seen := map[string]int{}
	for i, block := range blocks {
		kind, name, _ := strings.Cut(block.Mark, " ")
		seen[kind]++
		switch {
		case kind == "file":
			p.write(t, name, block.Text)
		case kind == "" || kind == "fails":
			p.run(t, block)
		case kind == "admitted":
			p.verify(t, block, harness.Step{})
		case kind == "mistake":
			p.verify(t, block, harness.Step{Output: strings.Split(strings.TrimRight(blocks[i+1].Text, "\n"), "\n")})
		case kind == "denial": // of the mistake before it
		case strings.HasPrefix(block.Mark, "not run"):
		case kind == "workflow", kind == "pipeline", kind == "steps", kind == "accepts": // the tests of workflows_test.go
		case block.Language == "yaml": // a policy, which TestPoliciesCompile compiles
		default:
			t.Errorf("the test does not know what %q is:\n%s", block.Mark, block.Text)
		}
	}
	if seen[""] < 5 || seen["admitted"] < 4 || seen["mistake"] < 10 || seen["mistake"] != seen["denial"] {
		t.Errorf("the test does not see the page: %v", seen)
	}
}

// publisher is a reader of the page, for whom ghcr.io is a registry of the test.
type publisher struct {
	dir   string
	host  string
	shell *harness.Shell
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	// Signatures are under a tag, which `crane cp --all-tags` copies.
	registry := registrytest.New(registrytest.Options{NoReferrers: true})
	t.Cleanup(registry.Close)
	p := &publisher{dir: t.TempDir(), host: registry.Host()}
	programs := t.TempDir()
	chartgate, err := cluster.Chartgate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tools := map[string]string{"helm": "", "cosign3": ""}
	for name := range tools {
		if tools[name], err = cluster.Tool(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range map[string]string{
		"helm":      fmt.Sprintf("case $1 in push|show) set -- \"$@\" --plain-http ;; esac\nexec %s \"$@\"", tools["helm"]),
		"cosign":    fmt.Sprintf("case $1 in sign) set -- \"$@\" --allow-http-registry ;; esac\nexec %s \"$@\"", tools["cosign3"]),
		"chartgate": fmt.Sprintf("exec %s \"$@\" --plain-http %s", chartgate, p.host),
	} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if p.shell, err = harness.OpenShell(t.Context(), p.dir, programs, []string{"HOME=" + p.dir, "HELM_CACHE_HOME=" + p.dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.shell.Close)
	return p
}

// write writes a file in the reader's folder.
func (p *publisher) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(p.local(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *publisher) local(text string) string  { return strings.ReplaceAll(text, "ghcr.io", p.host) }
func (p *publisher) public(text string) string { return strings.ReplaceAll(text, p.host, "ghcr.io") }

// run runs the commands of a block. Only the last one of a block that is marked may fail.
func (p *publisher) run(t *testing.T, block harness.Block) {
	t.Helper()
	for i, step := range block.Steps {
		fails := block.Mark == "fails" && i == len(block.Steps)-1
		printed, err := p.shell.Run(p.local(step.Command), fails)
		if err != nil {
			t.Fatalf("%s%v\n%s", step.Command, err, printed)
		}
		if err := step.CheckShown(p.public(printed)); err != nil {
			t.Errorf("%s%v", step.Command, err)
		}
	}
}

var anyDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// verify verifies manifests with the policies of the page. They must be denied if output is shown.
func (p *publisher) verify(t *testing.T, block harness.Block, shown harness.Step) {
	t.Helper()
	published, err := os.ReadFile(filepath.Join(p.dir, "published.txt"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "manifests.yaml", anyDigest.ReplaceAllString(block.Text, anyDigest.FindString(string(published))))
	printed, err := p.shell.Run("chartgate verify -f manifests.yaml --policy policies.yaml", shown.Output != nil)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, block.Text, printed)
	}
	if err := shown.CheckShown(p.public(printed)); err != nil {
		t.Errorf("%s\n%v", block.Text, err)
	}
}
