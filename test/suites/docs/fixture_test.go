package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// pages are the documents, by their paths in the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"README.md", "CHANGELOG.md", "docs/*.md", "docs/reference/*.md", "charts/chartgate/README.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("find %s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = read(t, name)
		}
	}
	return found
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)[^\n]*\n(.*?)^```$")

// blocks are a page's code blocks in a language.
func blocks(page, language string) []string {
	var found []string
	for _, match := range fence.FindAllStringSubmatch(page, -1) {
		if match[1] == language {
			found = append(found, match[2])
		}
	}
	return found
}

// prose is a page without its code blocks.
func prose(page string) string { return fence.ReplaceAllString(page, "") }

// section is what stands under a heading of the second level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// chartgate runs the binary and returns what it prints. The exit code must be 0.
func chartgate(t *testing.T, args ...string) string {
	t.Helper()
	return program(t, "chartgate", args...)
}

// program runs a program of bin/ and returns what it prints. The exit code must be 0.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := os.Getenv("CHARTGATE_BIN")
	if path == "" {
		path = filepath.Join(root, "bin")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make build demo`", err)
	}
	out, err := exec.CommandContext(context.Background(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
