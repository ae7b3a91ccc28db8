package suggest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"sigs.k8s.io/yaml"
)

// Write writes YAML, with comments for the person who reviews it.
func (s Suggestion) Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString(comment(fmt.Sprintf("Suggested by chartgate suggest from what %s deployed on %s.", s.from, s.at),
		"These policies admit exactly that, good or bad. Before you apply them, ask of each identity",
		"whether it is yours or a vendor's, and of each waiver how it will end."))
	if len(s.open) > 0 {
		b.WriteString("#\n# To do, because nothing can be suggested safely:\n")
		for _, note := range s.open {
			b.WriteString("# - " + oneLine(note) + ".\n")
		}
	}
	for _, d := range append(append([]document{}, s.identities...), s.policies...) {
		text, err := d.yaml()
		if err != nil {
			return fmt.Errorf("write %s: %w", d.name, err)
		}
		// Between comments only there is no document.
		if d.disabled {
			b.WriteString("#\n" + comment(d.comment...) + commented(text))
			continue
		}
		b.WriteString("---\n" + comment(d.comment...) + text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml renders an object without what only a cluster writes.
func (d document) yaml() (string, error) {
	raw, err := json.Marshal(d.object)
	if err != nil {
		return "", err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return "", err
	}
	delete(fields, "status")
	fields["metadata"] = map[string]any{"name": d.name}
	text, err := yaml.Marshal(fields)
	return string(text), err
}

func comment(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("# " + oneLine(line) + "\n")
	}
	return b.String()
}

func commented(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	return "# ---\n# " + strings.Join(lines, "# ") + "\n"
}

// oneLine keeps a text that others wrote within its comment.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)), " ")
}

// namer gives each name once.
type namer map[string]bool

func (n namer) unique(name string) string {
	if name == "" {
		name = "suggested"
	}
	free := name
	for i := 2; n[free]; i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	n[free] = true
	return free
}

// maxName leaves room for a number within the 63 letters that many tools show.
const maxName = 56

// slug makes a name for an object.
func slug(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	return strings.Trim(name[:min(maxName, len(name))], "-")
}
