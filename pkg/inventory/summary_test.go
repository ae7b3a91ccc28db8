package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// TestSummarize: each row counts where a reader looks for it, and repositories name no chart.
func TestSummarize(t *testing.T) {
	object := func(kind string) inventory.Object {
		return inventory.Object{Kind: kind, Namespace: "apps", Name: "x"}
	}
	const one, two = "oci://ghcr.io/acme/one:1.0.0", "oci://ghcr.io/acme/two:>=1.0.0"
	signed := []inventory.Signer{{Subject: "a"}}
	rows := []inventory.Row{
		{Object: object("HelmRelease"), Reference: one, Digest: "sha256:a", Pinning: "Version", Verdict: "Verified", Signers: signed},
		{Object: object("OCIRepository"), Reference: one, Digest: "sha256:a", Pinning: "Version", Verdict: "Verified", Signers: signed, Findings: []inventory.Finding{{Kind: inventory.TagMoved}}},
		{Object: object("HelmRelease"), Reference: two, Digest: "sha256:b", Pinning: "Floating", Verdict: "Denied", Reason: "SignatureMissing"},
		{Object: object("HelmRelease"), Reference: "oci://ghcr.io/acme/three:1", Digest: "sha256:c", Verdict: "Denied", Reason: "NoPolicy", Signers: []inventory.Signer{{Key: "k", Unverified: "unknown"}, {Predicate: "p", Subject: "a"}}},
		{Object: object("HelmRelease"), Reference: "https://charts.corp/x:1.0.0", Verdict: "AllowedUnverified", Findings: []inventory.Finding{{Kind: inventory.WaiverEnding}}},
		{Object: object("HelmRelease"), Reference: "oci://down.example/x:1.0.0", Verdict: "Denied", Reason: "RegistryUnavailable"},
		{Object: object("HelmRelease"), Verdict: "Denied", Reason: "ReferenceInvalid"},
		{Object: object("HelmRepository"), Reference: "https://charts.corp", Verdict: "Denied", Reason: "NotOCI"},
		{Object: object("OCIRepository"), Reference: "oci://ghcr.io/acme/manifests:1", Verdict: "Outside"},
	}
	found := inventory.Inventory{Policies: "policies.yaml", Rows: rows, Summary: inventory.Summarize(rows), Outside: []inventory.HelmRelease{{Name: "x"}}}
	want := inventory.Summary{
		Objects: 9, Charts: 5, Verdicts: map[string]int{"Verified": 2, "Denied": 4, "AllowedUnverified": 1},
		Unsigned: 2, Foreign: 1, NoPolicy: 1, NoPin: 1, Unknown: 2, TagMoved: 1, WaiverEnding: 1, NotOCI: map[string]int{"apps": 2},
	}
	if diff := cmp.Diff(want, found.Summary); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	words := `7 places name charts, with 5 different references.
Under policies.yaml, 3 would pass, 0 would pass with a warning, and 4 would be denied.
1 HelmRepository would be denied when it is written.
Without a verified signature: 2 (1 of them signed by an unknown signer). Without a policy: 1. Without a pin: 1.
2 could not be examined: their messages say why.
1 deploy another digest than their tag means now.
1 pass by a waiver that ends within 14 days.
Outside the gate: helm itself installed 1 release.
To be moved to an OCI registry, because they use classic repositories, Git or buckets, by namespace:
  apps: 2 objects`
	if diff := cmp.Diff(words, strings.Join(found.Words(), "\n")); diff != "" {
		t.Errorf("in words (-want +got):\n%s", diff)
	}
}

// TestSummaryInWords: what is said of other inventories.
func TestSummaryInWords(t *testing.T) {
	row := func(kind, verdict string) inventory.Row {
		return inventory.Row{Object: inventory.Object{Kind: kind, Namespace: "apps", Name: "x"}, Reference: "oci://ghcr.io/acme/" + verdict, Digest: "sha256:a", Verdict: verdict, Signers: []inventory.Signer{{Subject: "a"}}}
	}
	unread := row("HelmRelease", "Denied")
	unread.Reference, unread.Digest, unread.Reason = "", "", "NotOCI"
	for _, c := range []struct {
		sentence, policies string
		rows               []inventory.Row
		want               string
	}{
		{"without policies", "", []inventory.Row{row("HelmRelease", "NotJudged")}, "There are no policies, so nothing is judged."},
		{"what is deferred or warned of passes with a warning", "p.yaml", []inventory.Row{row("HelmRelease", "Deferred"), row("HelmChart", "Warned"), row("HelmChart", "Verified"), row("HelmChart", "Denied")},
			"Under p.yaml, 1 would pass, 2 would pass with a warning, and 1 would be denied."},
		{"a chart that is in no OCI registry, and has no reference", "p.yaml", []inventory.Row{unread}, "  apps: 1 object"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			found := inventory.Inventory{Policies: c.policies, Rows: c.rows, Summary: inventory.Summarize(c.rows)}
			if words := found.Words(); !slices.Contains(words, c.want) {
				t.Errorf("%q is missing in\n%s", c.want, strings.Join(words, "\n"))
			}
		})
	}
}
