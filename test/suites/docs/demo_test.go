package docs_test

import (
	"regexp"
	"strings"
	"testing"
)

var (
	digest   = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	trailing = regexp.MustCompile(`(?m) +$`)
)

// TestReadmeShowsTheDemo: the table and the denial in README.md are what the demo prints, whatever the digests.
func TestReadmeShowsTheDemo(t *testing.T) {
	t.Parallel()
	table, rest, _ := strings.Cut(program(t, "chartgate-demo"), "\n\nWhat a developer reads:\n\n")
	denial, _, found := strings.Cut(rest, "\n\nAll ")
	if !found {
		t.Fatal("the demo prints something else")
	}
	shown := map[string]bool{}
	for _, block := range blocks(read(t, "README.md"), "text") {
		shown[plain(block)] = true
	}
	for _, part := range []string{table, denial} {
		if !shown[plain(part+"\n")] {
			t.Errorf("README.md does not show what `make demo` prints:\n%s", part)
		}
	}
}

func plain(text string) string {
	return digest.ReplaceAllString(trailing.ReplaceAllString(text, ""), "sha256:…")
}
