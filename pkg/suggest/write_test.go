package suggest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/suggest"
)

// TestWrite: the words and names around the policies.
func TestWrite(t *testing.T) {
	var six []inventory.Row
	for i := range 6 {
		six = append(six, row(fmt.Sprintf("oci://ghcr.io/acme/c%d:1.0.0", i), keyless(acme)))
	}
	tag := keyless("https://github.com/acme/charts/.github/workflows/release.yaml@refs/tags/v1.0.0")
	ofRepository := tag
	ofRepository.Repository = "https://github.com/acme/charts"
	long := strings.Repeat("a", 100)
	for _, c := range []struct {
		sentence string
		found    inventory.Inventory
		says     []string
	}{
		{"more objects than a comment names", inventory.Inventory{Rows: six}, []string{"oci---ghcr-io-acme-c4-1-0-0 and 1 more.\n"}},
		{"what was not scanned", inventory.Inventory{Problems: []inventory.Problem{{What: "Applications", Why: "forbidden"}}}, []string{"# - Not scanned, so nothing is suggested for it: Applications: forbidden.\n"}},
		{"letters that a terminal obeys", inventory.Inventory{Problems: []inventory.Problem{{What: "Applications", Why: "a\x1b[2Jb"}}}, []string{"Applications: a [2Jb.\n"}},
		{"the last day of a waiver, in UTC", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0")}}, []string{"until: \"2026-09-30\"\n"}},
		{"a workflow that runs on tags, in its repository", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", ofRepository)}}, []string{
			`subjectRegExp: ^https://github\.com/acme/charts/\.github/workflows/release\.yaml@refs/tags/.+$`, "sourceRepositoryURI: https://github.com/acme/charts\n"}},
		{"a workflow that runs on tags, of an unknown repository", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", tag)}}, []string{"subject: " + tag.Subject + "\n"}},
		{"a signer of whose name no letter can be used", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", keyless("@@@"))}}, []string{"  name: suggested\n"}},
		{"a signer with a long name", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", keyless(long))}}, []string{"  name: " + long[:56] + "\n"}},
		{"how many charts a signer has signed", inventory.Inventory{Rows: []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", keyless(acme)), row("oci://ghcr.io/acme/db:1.0.0", keyless("b"))}}, []string{"# Signed 1 of the charts below.\n"}},
		{"a chart that could not be examined", inventory.Inventory{Rows: []inventory.Row{{Object: inventory.Object{Kind: "HelmRelease", Name: "x"}, Reference: "oci://ghcr.io/acme/web:1.0.0", Pinning: "Version", Message: "it is down"}}},
			[]string{"# - HelmRelease x: oci://ghcr.io/acme/web:1.0.0 could not be examined, so nothing is suggested for this use. Fix it and run chartgate suggest again: it is down.\n"}},
		{"a repository at a port", inventory.Inventory{Rows: []inventory.Row{{Object: inventory.Object{Kind: "HelmRepository", Name: "x"}, Reference: "https://charts.corp:8443"}}}, []string{"no chart of https://charts.corp:8443 is used"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var out bytes.Buffer
			c.found.At = noon
			options := suggest.Options{Until: time.Date(2026, 10, 1, 1, 0, 0, 0, time.FixedZone("", 2*60*60))}
			if err := suggest.For(c.found, options).Write(&out); err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.says, "on 2026-07-01.\n") {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "status:") {
				t.Errorf("it writes what only a cluster writes:\n%s", out.String())
			}
		})
	}
}
