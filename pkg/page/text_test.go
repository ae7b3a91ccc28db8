package page

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
)

func TestShow(t *testing.T) {
	for _, tc := range []struct{ sentence, given, want string }{
		{"plain text stays", "oci://ghcr.io/acme/podinfo:6.7.1\n  next: Grüße 日本", "oci://ghcr.io/acme/podinfo:6.7.1\n  next: Grüße 日本"},
		{"a character that turns the text around it", "a\u202eb", `a\u202eb`},
		{"characters without a width", "a\u200b\ufeffb", `a\u200b\ufeffb`},
		{"separators of lines", "a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		{"control characters", "a\x00b\x1b[31m\tc\r", `a\u0000b\u001b[31m\u0009c\u000d`},
		{"what is not UTF-8", "a\xffb", "a\ufffdb"},
		{"a long text", strings.Repeat("ä", 10_000), strings.Repeat("ä", maxText/2) + "… (3616 more bytes)"},
	} {
		if diff := cmp.Diff(tc.want, show(tc.given)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.sentence, diff)
		}
	}
}

func TestVisibleChangesNoOtherInventory(t *testing.T) {
	given := inventory.Inventory{From: "a\u202e", Rows: []inventory.Row{{Policies: []string{"b\u202e"}, Signers: []inventory.Signer{{Identities: []string{"c\u202e"}}}}}}
	shown := given
	visible(&shown)
	if got := shown.From + shown.Rows[0].Policies[0] + shown.Rows[0].Signers[0].Identities[0]; got != `a\u202eb\u202ec\u202e` {
		t.Errorf("shown as %q", got)
	}
	if got := given.From + given.Rows[0].Policies[0] + given.Rows[0].Signers[0].Identities[0]; got != "a\u202eb\u202ec\u202e" {
		t.Errorf("the given inventory is now %q", got)
	}
}

// A verdict that this package does not know looks like a denial, never like an admission.
func TestStatusOf(t *testing.T) {
	for verdict, want := range map[string]status{
		"Verified": passed, "AllowedUnverified": waived, "Warned": warned, "Covered": other, "Deferred": other, "Outside": other, inventory.NotJudged: other,
		"Denied": denied, "verified": denied, "New": denied,
	} {
		if got := statusOf(verdict); got != want {
			t.Errorf("%s is shown as %s, not as %s", verdict, got, want)
		}
	}
}
