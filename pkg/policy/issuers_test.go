package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/policy"
)

// TestTheHelmChartKnowsTheSameIssuers: both lists are of issuers that are refused with a slash at their
// end, in an identity and in the values of the Helm chart.
func TestTheHelmChartKnowsTheSameIssuers(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile("../../charts/chartgate/templates/_identities.tpl")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`\(has \(trimSuffix "/" \.\) \(list ([^)]*)\)\)`).FindStringSubmatch(string(template))
	if list == nil {
		t.Fatal("_identities.tpl has no list of issuers")
	}
	var got []string
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(list[1], -1) {
		got = append(got, quoted[1])
	}
	if diff := cmp.Diff(policy.ExactIssuers(), got); diff != "" {
		t.Errorf("issuers (-pkg/policy +_identities.tpl):\n%s", diff)
	}
	for _, issuer := range got {
		found := strings.Join(lintIdentity(t, "{keyless: {issuer: '"+issuer+"/', subject: x}}"), "\n")
		if !strings.Contains(found, `refused: spec.keyless.issuer: Invalid value: "`+issuer+`/": certificates spell this issuer `+issuer+"; write that") {
			t.Errorf("%s/ is not refused: %s", issuer, found)
		}
	}
}
