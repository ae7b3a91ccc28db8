package main

import (
	"regexp"
	"strings"

	"github.com/chartgate/chartgate/docs"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// reasonsURL is where links of docs/reasons.md lead from.
const reasonsURL = "https://github.com/chartgate/chartgate/blob/main/docs/"

// explanation is the section of docs/reasons.md about a reason.
type explanation struct {
	reason   verdict.Reason
	markdown string // without the heading
}

// explanations returns the sections of docs/reasons.md about reasons, in the order of the page.
func explanations() []explanation {
	var all []explanation
	for i, section := range strings.Split("\n"+docs.Reasons, "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		if i == 0 { // the head of the page
			continue
		}
		text = anchor.ReplaceAllString(text, "")
		all = append(all, explanation{reason: verdict.Reason(name), markdown: strings.TrimSpace(text)})
	}
	return all
}

// explain returns the explanation of a reason; false if the page has none.
func explain(reason verdict.Reason) (explanation, bool) {
	for _, e := range explanations() {
		if e.reason == reason {
			return e, true
		}
	}
	return explanation{}, false
}

// summary is the first sentence.
func (e explanation) summary() string {
	paragraph, _, _ := strings.Cut(e.markdown, "\n\n")
	text := plainText(paragraph, 0)
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

// linked is the Markdown with links that lead to the page from anywhere.
func (e explanation) linked() string {
	return link.ReplaceAllStringFunc(e.markdown, func(text string) string {
		parts := link.FindStringSubmatch(text)
		target := parts[2]
		switch {
		case strings.Contains(target, "://"):
			return text
		case strings.HasPrefix(target, "#"):
			target = "reasons.md" + target
		}
		return "[" + parts[1] + "](" + reasonsURL + target + ")"
	})
}

var (
	anchor = regexp.MustCompile(`(?m)^<a id="[^"]*"></a>$`)
	// link is a Markdown link; its text or target may go over the end of a line.
	link     = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	listItem = regexp.MustCompile(`^(\d+\.|-) `)
)

// plainText renders Markdown, as docs/reasons.md is written in it, for a terminal of that width; 0 is
// endless. Code blocks keep their lines.
func plainText(markdown string, width int) string {
	var lines []string
	for i, block := range strings.Split(markdown, "```") {
		block = strings.Trim(block, "\n")
		if i%2 == 1 {
			_, code, _ := strings.Cut(block, "\n") // the first line names the language
			lines = append(lines, "    "+strings.ReplaceAll(code, "\n", "\n    "))
			continue
		}
		for paragraph := range strings.SplitSeq(block, "\n\n") {
			if paragraph != "" {
				lines = append(lines, strings.Join(wrapParagraph(paragraph, width), "\n"))
			}
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n\n"), "\n    \n", "\n\n")
}

// wrapParagraph wraps a block without blank lines: a paragraph, or the items of a list.
func wrapParagraph(block string, width int) (lines []string) {
	block = link.ReplaceAllStringFunc(block, func(text string) string {
		parts := link.FindStringSubmatch(text)
		switch label, target := parts[1], parts[2]; {
		case strings.HasPrefix(target, "#"):
			return label
		case strings.Contains(target, "://"):
			return label + " (" + target + ")"
		case strings.HasPrefix(target, label): // [policies.md](policies.md#pinning)
			return reasonsURL + target
		default:
			return label + " (" + reasonsURL + target + ")"
		}
	})
	block = strings.ReplaceAll(block, "**", "")
	var words []string
	indent := ""
	flush := func() {
		if len(words) > 0 {
			lines = append(lines, wrapWords(words, indent, width)...)
		}
		words = nil
	}
	for line := range strings.SplitSeq(block, "\n") {
		if item := listItem.FindString(line); item != "" {
			flush()
			indent = strings.Repeat(" ", len(item))
		}
		words = append(words, strings.Fields(line)...)
	}
	flush()
	return lines
}

// wrapWords fills lines of a width. The lines after the first are indented. A word that is longer
// than a line has one to itself, so that it can be copied.
func wrapWords(words []string, indent string, width int) (lines []string) {
	line := words[0]
	for _, word := range words[1:] {
		if width > 0 && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), indent+word
			continue
		}
		line += " " + word
	}
	return append(lines, line)
}
