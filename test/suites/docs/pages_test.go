package docs_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	anyLevel  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	explicit  = regexp.MustCompile(`<a id="([^"]+)"></a>`)
	codeSpans = regexp.MustCompile("`[^`\n]*`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	checked := 0
	for page, text := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(codeSpans.ReplaceAllString(prose(text), ""), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			checked++
			if err := follow(t, page, match[1]); err != nil {
				t.Errorf("%s: %s: %v", page, match[1], err)
			}
		}
	}
	if checked < 50 {
		t.Errorf("found %d links only: the test does not see them", checked)
	}
}

func follow(t *testing.T, page, target string) error {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	where := page
	if file != "" {
		where = path.Join(path.Dir(page), file)
	}
	if _, err := os.Stat(filepath.Join(root, where)); err != nil {
		return err
	}
	if anchor == "" || anchors(read(t, where))[anchor] {
		return nil
	}
	return fmt.Errorf("%s has no such anchor", where)
}

// anchors are those that GitHub gives headings, and explicit ones.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, match := range explicit.FindAllStringSubmatch(page, -1) {
		found[match[1]] = true
	}
	times := map[string]int{}
	for _, match := range anyLevel.FindAllStringSubmatch(prose(page), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			default:
				return -1
			}
		}, match[1])
		if n := times[slug]; n > 0 {
			found[fmt.Sprintf("%s-%d", slug, n)] = true
		}
		times[slug]++
		found[slug] = true
	}
	return found
}

var (
	digest   = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	trailing = regexp.MustCompile(`(?m) +$`)
)

// TestReadmeShowsTheDemo: the table and the denial in README.md are what the demo prints, apart
// from the digests.
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
