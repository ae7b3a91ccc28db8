package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestTree: what a checkout says of itself, from a clean commit to changes and tags.
func TestTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := Tree{Dir: dir}
	if _, err := tree.Head(t.Context()); err == nil {
		t.Error("a folder without Git has a commit")
	}
	git(t, dir, "init", "--quiet")
	write(t, dir, ".gitignore", "/bin/\n")
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message=first", "--date=2001-01-01T00:00:00Z")
	first, err := tree.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC); len(first.Revision) != 40 || !first.Time.Equal(want) {
		t.Errorf("the commit is %+v", first)
	}
	if tag, err := tree.Tag(t.Context(), "v0.1.0"); err != nil || tag != "" {
		t.Errorf("a tag that is not there: %q, error %v", tag, err)
	}
	git(t, dir, "tag", "--annotate", "--message=release", "v0.1.0")
	write(t, dir, "README.md", "text\n")
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message=second")
	if tag, err := tree.Tag(t.Context(), "v0.1.0"); err != nil || tag != first.Revision {
		t.Errorf("the tag names %q, not %q, error %v", tag, first.Revision, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "bin/tool", "ignored\n")
	changes(t, tree, nil)
	write(t, dir, "README.md", "other text\n")
	write(t, dir, "new", "file\n")
	changes(t, tree, []string{" M README.md", "?? new"})
}

func changes(t *testing.T, tree Tree, want []string) {
	t.Helper()
	if got, err := tree.Changes(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("want %q, got %q, error %v", want, got, err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=test", "-c", "user.email=test@chartgate.test"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_COMMITTER_DATE=2026-11-01T12:00:00Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}
