package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/page"
)

// scanFormats are the formats of "chartgate scan".
func scanFormats() []string { return []string{"table", "wide", "json", "csv", "html"} }

// writeInventory writes an inventory in one of the scanFormats.
func writeInventory(w io.Writer, format string, found inventory.Inventory) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	case "csv":
		return writeCSV(w, found)
	case "html":
		return page.Render(w, found)
	case "wide":
		return writeTable(w, found, wideColumns())
	default:
		return writeTable(w, found, tableColumns())
	}
}

// column is one column of a table, with what it shows of a row.
type column struct {
	title string
	of    func(inventory.Row) string
}

func tableColumns() []column {
	return []column{
		{"NAMESPACE", func(r inventory.Row) string { return r.Object.Namespace }},
		{"OBJECT", func(r inventory.Row) string { return r.Object.Kind + "/" + r.Object.Name }},
		{"CHART", func(r inventory.Row) string { return r.Reference }},
		{"PIN", func(r inventory.Row) string { return r.Pinning }},
		{"DEPLOYED", func(r inventory.Row) string { return shortened(deployedOf(r)) }},
		{"SIGNED BY", func(r inventory.Row) string { return shortened(signersOf(r)) }},
		{"VERDICT", func(r inventory.Row) string { return r.Verdict }},
		{"REASON", func(r inventory.Row) string { return string(r.Reason) }},
	}
}

func wideColumns() []column {
	return append(tableColumns(),
		column{"DIGEST", func(r inventory.Row) string { return r.Digest }},
		column{"DEPLOYED MANIFEST", func(r inventory.Row) string { return r.Deployed.Manifest }},
		column{"FIELD", func(r inventory.Row) string { return r.Field }},
		column{"FINDINGS", findingsOf},
		column{"POLICIES", func(r inventory.Row) string { return strings.Join(r.Policies, ", ") }},
		column{"NEXT", func(r inventory.Row) string { return r.Next }},
	)
}

// csvColumns have names that a script can rely on.
func csvColumns() []column {
	return []column{
		{"kind", func(r inventory.Row) string { return r.Object.Kind }},
		{"namespace", func(r inventory.Row) string { return r.Object.Namespace }},
		{"name", func(r inventory.Row) string { return r.Object.Name }},
		{"file", func(r inventory.Row) string { return r.File }},
		{"field", func(r inventory.Row) string { return r.Field }},
		{"reference", func(r inventory.Row) string { return r.Reference }},
		{"registry", func(r inventory.Row) string { return r.Registry }},
		{"pinning", func(r inventory.Row) string { return r.Pinning }},
		{"digest", func(r inventory.Row) string { return r.Digest }},
		{"deployed", func(r inventory.Row) string { return r.Deployed.Revision }},
		{"deployedIs", func(r inventory.Row) string { return string(r.Deployed.Is) }},
		{"signers", signersOf},
		{"verdict", func(r inventory.Row) string { return r.Verdict }},
		{"reason", func(r inventory.Row) string { return string(r.Reason) }},
		{"policies", func(r inventory.Row) string { return strings.Join(r.Policies, ", ") }},
		{"findings", findingsOf},
		{"message", func(r inventory.Row) string { return r.Message }},
		{"next", func(r inventory.Row) string { return r.Next }},
	}
}

var wholeDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// shortened cuts digests and fingerprints as people compare them.
func shortened(text string) string {
	return wholeDigest.ReplaceAllStringFunc(text, func(digest string) string { return digest[:len("sha256:")+12] + "…" })
}

func deployedOf(r inventory.Row) string {
	if r.Deployed.Is != inventory.Moved {
		return r.Deployed.Revision
	}
	return r.Deployed.Revision + " (moved)"
}

// signersOf names the signers of the chart, first those who are verified; those of attestations
// only are marked.
func signersOf(r inventory.Row) string {
	var verified, others []string
	add := func(to *[]string, text string) {
		if !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	for _, s := range r.Signers {
		name := cmp.Or(strings.Join(s.Identities, ", "), s.Subject, s.Key)
		switch {
		case s.Unverified != "":
			add(&others, "unverified: "+cmp.Or(name, "an unknown key"))
		case s.Predicate != "":
			add(&others, "attested: "+name)
		default:
			add(&verified, name)
		}
	}
	return strings.Join(append(verified, others...), "; ")
}

func findingsOf(r inventory.Row) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, string(f.Kind))
	}
	return strings.Join(all, ", ")
}

// writeTable writes rows, what is outside the gate and the summary for people.
func writeTable(w io.Writer, found inventory.Inventory, columns []column) error {
	if len(found.Rows) > 0 {
		if err := writeRows(w, found.Rows, columns); err != nil {
			return err
		}
	}
	var b strings.Builder
	if len(found.Outside) > 0 {
		b.WriteString("\nOutside the gate: releases that helm itself installed.\n")
		for _, r := range found.Outside {
			fmt.Fprintf(&b, "  %s/%s: %s %s\n", printable(r.Namespace), printable(r.Name), printable(r.Chart), printable(r.Version))
		}
	}
	b.WriteByte('\n')
	for _, line := range found.Words() {
		b.WriteString(printable(line) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeRows(w io.Writer, rows []inventory.Row, columns []column) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(cells []string) { fmt.Fprintln(table, strings.Join(cells, "\t")) }
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	line(titles)
	for _, row := range rows {
		var cells []string
		for _, c := range columns {
			cells = append(cells, cmp.Or(printable(c.of(row)), "-"))
		}
		line(cells)
	}
	return table.Flush()
}

// printable takes control characters out of a text that others wrote, so that it moves no cursor of
// a terminal and begins no line or column.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// writeCSV writes rows for a spreadsheet.
func writeCSV(w io.Writer, found inventory.Inventory) error {
	writer := csv.NewWriter(w)
	columns := csvColumns()
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	if err := writer.Write(titles); err != nil {
		return err
	}
	for _, row := range found.Rows {
		var cells []string
		for _, c := range columns {
			cells = append(cells, inert(c.of(row)))
		}
		if err := writer.Write(cells); err != nil {
			return err
		}
	}
	writer.Flush()
	return writer.Error()
}

// inert keeps a spreadsheet from running a text that others wrote as a formula (OWASP, CSV
// injection).
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
