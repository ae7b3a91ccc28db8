package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

var served = regexp.MustCompile(`(?m)^# TYPE (chartgate_\w+) `)

// TestEachServedMetricIsDocumented: cmd/chartgate tests the other direction.
func TestEachServedMetricIsDocumented(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	w.becomes(t, w.Object(t, releaseOf("podinfo", "6.7.1")), harness.Admitted())
	page, err := cluster.Path("docs", "operate.md")
	if err != nil {
		t.Fatal(err)
	}
	documented, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.Gate.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := served.FindAllStringSubmatch(text, -1)
	if len(found) < 8 {
		t.Errorf("only %d metrics are served:\n%s", len(found), text)
	}
	for _, match := range found {
		if !strings.Contains(string(documented), "| `"+match[1]+"` |") {
			t.Errorf("docs/operate.md does not list %s", match[1])
		}
	}
}
