package suggest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// TestPatterns: charts of one signer are matched by the longest path that they share, and no pattern
// of a policy matches a chart of another one.
func TestPatterns(t *testing.T) {
	at := func(path string, signers ...inventory.Signer) inventory.Row {
		return row("oci://ghcr.io/"+path+":1.0.0", signers...)
	}
	by := func(subject string, paths ...string) (all []inventory.Row) {
		for _, path := range paths {
			all = append(all, at(path, keyless(subject)))
		}
		return all
	}
	object := func(kind, reference, verdict string) inventory.Row {
		return inventory.Row{Object: inventory.Object{Kind: kind, Namespace: "apps", Name: "x"}, Reference: reference, Verdict: verdict, Pinning: chart.Version.String()}
	}
	of := func(rows ...[]inventory.Row) (all []inventory.Row) {
		for _, some := range rows {
			all = append(all, some...)
		}
		return all
	}
	floating := at("acme/c", keyless("a"))
	floating.Pinning = chart.Floating.String()
	var unsigned []inventory.Row
	for i := range 129 {
		unsigned = append(unsigned, at(fmt.Sprintf("acme/u%03d", i)))
	}
	for _, c := range []struct {
		sentence string
		rows     []inventory.Row
		want     string // the policies that are no waivers
	}{
		{"one chart", by("a", "acme/web"), "oci://ghcr.io/acme/web by a\n"},
		{"two charts of a path", by("a", "acme/charts/web", "acme/charts/db"), "oci://ghcr.io/acme/charts/** by a\n"},
		{"a chart below another one", by("a", "acme/web", "acme/web/db"), "oci://ghcr.io/acme/** by a\n"},
		{"a chart below another one, of which the host is the only parent", by("a", "web", "web/db"), "oci://ghcr.io/web oci://ghcr.io/web/db by a\n"},
		{"charts that share the host only", by("a", "web", "db"), "oci://ghcr.io/db oci://ghcr.io/web by a\n"},
		{"charts of two owners", by("a", "acme/web", "acme/db", "other/web"), "oci://ghcr.io/acme/** oci://ghcr.io/other/web by a\n"},
		{"charts at two hosts", of(by("a", "acme/web"), []inventory.Row{row("oci://quay.io/acme/web:1.0.0", keyless("a"))}), "oci://ghcr.io/acme/web by a\noci://quay.io/acme/web by a\n"},
		{"of another signer in the path", of(by("a", "acme/web", "acme/db"), by("b", "acme/lib")), "oci://ghcr.io/acme/** not oci://ghcr.io/acme/lib by a\noci://ghcr.io/acme/lib by b\n"},
		{"of another signer elsewhere", of(by("a", "acme/web", "acme/db"), by("b", "other/lib")), "oci://ghcr.io/acme/** by a\noci://ghcr.io/other/lib by b\n"},
		{"of another signer at the path itself, which path/** does not match", of(by("a", "acme/web/x", "acme/web/y"), by("b", "acme/web")), "oci://ghcr.io/acme/web by b\noci://ghcr.io/acme/web/** by a\n"},
		{"two paths of two signers, one in the other", of(by("a", "acme/web", "acme/db"), by("b", "acme/x/a", "acme/x/b")), "oci://ghcr.io/acme/** not oci://ghcr.io/acme/x/** by a\noci://ghcr.io/acme/x/** by b\n"},
		{"two paths of two signers, which overlap", of(by("a", "acme/web", "acme/x/c"), by("b", "acme/x/a", "acme/x/b")),
			"oci://ghcr.io/acme/** not oci://ghcr.io/acme/x/a oci://ghcr.io/acme/x/b by a\noci://ghcr.io/acme/x/a oci://ghcr.io/acme/x/b by b\n"},
		{"an unsigned chart in the path", of(by("a", "acme/web", "acme/db"), []inventory.Row{at("acme/old")}), "oci://ghcr.io/acme/** not oci://ghcr.io/acme/old by a\n"},
		{"more unsigned charts than a policy can exclude", of(by("a", "acme/web", "acme/db"), unsigned), "oci://ghcr.io/acme/db oci://ghcr.io/acme/web by a\n"},
		{"a range among versions", of(by("a", "acme/a", "acme/b"), []inventory.Row{floating}), "oci://ghcr.io/acme/** not oci://ghcr.io/acme/c by a\noci://ghcr.io/acme/c by a Floating\n"},
		{"plain manifests in the path", of(by("a", "acme/web", "acme/db"), []inventory.Row{object("OCIRepository", "oci://ghcr.io/acme/manifests:1.0.0", "Outside")}), "oci://ghcr.io/acme/** not oci://ghcr.io/acme/manifests by a\n"},
		{"plain manifests that are a chart elsewhere", of(by("a", "acme/web", "acme/db"), []inventory.Row{object("OCIRepository", "oci://ghcr.io/acme/db:1.0.0", "Outside")}), "oci://ghcr.io/acme/** by a\n"},
		{"a repository in the path", of(by("a", "acme/web", "acme/charts/db"), []inventory.Row{object("HelmRepository", "oci://ghcr.io/acme/charts", "NotJudged")}), "oci://ghcr.io/acme/** by a\n"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			in, text := written(t, c.rows)
			got := ""
			for line := range strings.Lines(outline(in.Policies)) {
				if !strings.HasSuffix(line, " waived\n") {
					got += line
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text[:min(len(text), 3000)])
			}
		})
	}
}
