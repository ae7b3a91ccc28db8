package main

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// What tenants write into their objects is text for people: it moves no cursor of a terminal, adds
// no line to a table, and is no formula in a spreadsheet.
func TestHostileTextInAScan(t *testing.T) {
	for _, c := range []struct{ sentence, reference, printed, inCSV string }{
		{"a plain reference", "oci://ghcr.io/acme/x:1.0.0", "oci://ghcr.io/acme/x:1.0.0", "oci://ghcr.io/acme/x:1.0.0"},
		{"an escape sequence", "a\x1b[2Jb", "a [2Jb", "a\x1b[2Jb"},
		{"a line break and a tab", "a\nb\tc", "a b c", "a\nb\tc"},
		{"text from right to left", "a\u202eb", "a b", "a\u202eb"},
		{"a formula", "=HYPERLINK(1)", "=HYPERLINK(1)", "'=HYPERLINK(1)"},
		{"a formula that begins with a sign", "+1", "+1", "'+1"},
		{"a formula that begins with @", "@SUM(1)", "@SUM(1)", "'@SUM(1)"},
		{"a formula behind a tab", "\t=1", " =1", "'\t=1"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			found := inventory.Inventory{Rows: []inventory.Row{{Object: inventory.Object{Kind: "HelmRelease", Namespace: "apps", Name: "x"}, Reference: c.reference, Verdict: "Denied"}}}
			var table, sheet strings.Builder
			if err := writeInventory(&table, "table", found); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(table.String(), "\n")
			if !strings.Contains(lines[1], "HelmRelease/x   "+strings.TrimLeft(c.printed, " ")) && !strings.Contains(lines[1], c.printed) || lines[2] != "" {
				t.Errorf("the table is\n%q", lines)
			}
			if strings.ContainsAny(table.String(), "\x1b\u202e") {
				t.Errorf("the table has a control character: %q", table.String())
			}
			if err := writeInventory(&sheet, "csv", found); err != nil {
				t.Fatal(err)
			}
			records, err := csv.NewReader(strings.NewReader(sheet.String())).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.inCSV, records[1][5]); diff != "" {
				t.Errorf("in CSV (-want +got):\n%s", diff)
			}
		})
	}
}
