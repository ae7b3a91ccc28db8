package helmusers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// page are the blocks of docs/helm-users.md.
func page(t *testing.T) []harness.Block {
	t.Helper()
	blocks, err := harness.ReadPage("docs", "helm-users.md")
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// TestPage: the page's commands print what it shows, with both helms. The namespace is the user's own.
func TestPage(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		shell := u.shell(t, u.dir)
		ran := 0
		for _, block := range page(t) {
			if block.Language != "console" {
				continue
			}
			for _, step := range block.Steps {
				ran++
				printed, err := shell.Run(u.local(strings.ReplaceAll(step.Command, " -n apps", "")), block.Mark == "fails")
				if err == nil {
					err = step.CheckShown(u.public(printed))
				}
				if err != nil {
					t.Errorf("%s%v\n%s", step.Command, err, printed)
				}
			}
		}
		if ran < 4 {
			t.Errorf("the test sees %d commands only", ran)
		}
		u.deployed(t, "podinfo: podinfo 6.8.0", "sh.helm.release.v1.podinfo.v1", "sh.helm.release.v1.podinfo.v2")
	})
}

// shell is the user's, in a folder, where helm is the user's version.
func (u *user) shell(t *testing.T, dir string) *harness.Shell {
	t.Helper()
	programs := t.TempDir()
	if err := os.Symlink(u.program, filepath.Join(programs, "helm")); err != nil {
		t.Fatal(err)
	}
	env := u.env[1:] // but for PATH
	shell, err := harness.OpenShell(t.Context(), dir, programs, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shell.Close)
	return shell
}
