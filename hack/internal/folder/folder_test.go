package folder

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRenew: an earlier build is replaced, and nothing else is touched.
func TestRenew(t *testing.T) {
	t.Parallel()
	write := func(dir, name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing, empty, earlier, theirs := filepath.Join(t.TempDir(), "a", "b"), t.TempDir(), t.TempDir(), t.TempDir()
	write(earlier, "marker")
	old, letter := write(earlier, "old"), write(theirs, "letter.txt")
	for _, dir := range []string{missing, empty, earlier} {
		if err := Renew(dir, "marker"); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s has %v, error %v", dir, entries, err)
		}
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the earlier build is still there")
	}
	if err := Renew(theirs, "marker"); err == nil {
		t.Error("a folder of somebody else is emptied")
	}
	if _, err := os.Stat(letter); err != nil {
		t.Error(err)
	}
}
