package cluster

import (
	"strings"
	"testing"
)

// TestObjects: every document is read, or an error.
func TestObjects(t *testing.T) {
	for _, c := range []struct {
		sentence, text, wrong string
		count                 int
	}{
		{"separators on lines of their own", "---\n{kind: A}\n---\n{kind: B}\n", "", 2},
		{"empty documents", "\n---\n---\n{kind: A}\n---\n", "", 1},
		{"a certificate", "kind: A\ntext: |\n  -----BEGIN CERTIFICATE-----\n  AA==\n  -----END CERTIFICATE-----\n---\nkind: B\n", "", 2},
		{"a separator behind a document", "{kind: A}---\n{kind: B}\n", "no line break before a separator", 0},
		{"a field twice", "kind: A\nkind: B\n", "already set", 0},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			objects, err := Objects(c.text)
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("want %q, got %v", c.wrong, err)
			}
			if len(objects) != c.count {
				t.Errorf("%d objects, want %d", len(objects), c.count)
			}
		})
	}
}
