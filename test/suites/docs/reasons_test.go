package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/verdict"
)

var heading = regexp.MustCompile(`(?m)^## (.+)$`)

func TestEveryReasonHasASection(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/reasons.md")
	var want, got []string
	for _, reason := range verdict.Reasons() {
		want = append(want, string(reason))
	}
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		got = append(got, match[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections of docs/reasons.md (-reasons +sections):\n%s", diff)
	}
}

func TestEverySectionHasAnAnchorASampleAndAdvice(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/reasons.md")
	for _, reason := range verdict.Reasons() {
		code := string(reason)
		if !strings.Contains(page, `<a id="`+code+"\"></a>\n\n## "+code+"\n") {
			t.Errorf("%s has no anchor of its own name", code)
		}
		text := section(t, page, code)
		if samples := blocks(text, "text"); len(samples) != 1 || !strings.Contains(samples[0], " ("+code+"): ") {
			t.Errorf("%s has no sample message of its own", code)
		}
		for _, part := range []string{"\n1. ", "\nWhat to do: "} {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q", code, strings.TrimSpace(part))
			}
		}
	}
}
