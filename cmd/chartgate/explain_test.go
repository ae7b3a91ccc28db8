package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		sentence string
		args     []string
		code     int
		says     string // standard output begins with it
		fails    string
	}{
		{"a reason", []string{"NotOCI"}, 0, "NotOCI\n\nThe chart does not come from an OCI registry, so it cannot have a cosign\nsignature.\n\n    HelmRelease apps/git denied (NotOCI): ", ""},
		{"a reason in lower case", []string{"notoci"}, 0, "NotOCI\n\n", ""},
		{"all reasons", nil, 0, "NoPolicy              No policy matches the chart, or the waiver that matches it has ended.\nNotPinned             A policy", ""},
		{"a typing error", []string{"NotPined"}, 2, "", `there is no reason "NotPined": did you mean NotPinned`},
		{"the beginning of several", []string{"Attestation"}, 2, "", `did you mean AttestationMissing or AttestationRejected?`},
		{"what no reason is like", []string{"ImagePullBackOff"}, 2, "", `there is no reason "ImagePullBackOff": chartgate explain lists all reasons`},
		{"two reasons", []string{"NoPolicy", "NotOCI"}, 2, "", "accepts at most 1 arg(s), received 2"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := (&shop{host: "ghcr.io"}).command(t, "", append([]string{"explain"}, c.args...)...)
			if got.Code != c.code || !strings.HasPrefix(got.Stdout, c.says) || !strings.Contains(got.Error, c.fails) || c.says == "" && got.Stdout != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Every reason has an explanation, and the page has no other section.
func TestEveryReasonIsExplained(t *testing.T) {
	var explained []verdict.Reason
	for _, e := range explanations() {
		explained = append(explained, e.reason)
		if e.summary() == "" || strings.Contains(e.summary(), "\n") {
			t.Errorf("the summary of %s is %q", e.reason, e.summary())
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(verdict.Reasons())), slices.Sorted(slices.Values(explained))); diff != "" {
		t.Error(diff)
	}
}

var markup = regexp.MustCompile("\\]\\(|\\*\\*|```|<a |^#")

// What a terminal shows has no Markdown in it and is not too wide, and its words are those of the
// page.
func TestExplanationsArePlainText(t *testing.T) {
	bare := regexp.MustCompile("[^A-Za-z]+")
	for _, e := range explanations() {
		text := plainText(e.markdown, 60)
		if found := markup.FindString(text); found != "" {
			t.Errorf("%s: %q is left in\n%s", e.reason, found, text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if len([]rune(line)) > 60 && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, "    ") {
				t.Errorf("%s: a line of %d characters: %s", e.reason, len([]rune(line)), line)
			}
		}
		page := bare.ReplaceAllString(link.ReplaceAllString(regexp.MustCompile("```[a-z]+").ReplaceAllString(e.markdown, ""), "$1"), "")
		shown := bare.ReplaceAllString(regexp.MustCompile(` \(`+regexp.QuoteMeta(reasonsURL)+`[^)]*\)`).ReplaceAllString(plainText(e.markdown, 0), ""), "")
		shown = strings.ReplaceAll(shown, bare.ReplaceAllString(reasonsURL, ""), "")
		if !strings.Contains(e.markdown, "[registries.md]") && !strings.Contains(e.markdown, ".md](") && page != shown {
			t.Errorf("%s: the page says\n%s\nand the terminal\n%s", e.reason, page, shown)
		}
	}
}

func TestPlainText(t *testing.T) {
	for _, c := range []struct {
		sentence, markdown string
		width              int
		want               string
	}{
		{"a paragraph is filled", "one two\nthree four\nfive", 13, "one two three\nfour five"},
		{"a list hangs", "1. one two\n   three\n2. four five six", 10, "1. one two\n   three\n2. four\n   five\n   six"},
		{"code keeps its lines", "```text\na  b\n\n  where: x\n```", 5, "    a  b\n\n      where: x"},
		{"a word that is too long stays whole", "see https://example.com/long now", 10, "see\nhttps://example.com/long\nnow"},
		{"a link on the page is its text", "see [NoPolicy](#NoPolicy).", 0, "see NoPolicy."},
		{"a link to a page is a URL", "[policies.md](policies.md#pinning)", 0, reasonsURL + "policies.md#pinning"},
		{"a link with a text of its own has both", "the [canonical\nspelling](policies.md#x)", 0, "the canonical spelling (" + reasonsURL + "policies.md#x)"},
		{"bold is plain", "**never** `code`", 0, "never `code`"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, plainText(c.markdown, c.width)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
