package page

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// TestHeadline: what is counted are uses of charts; a repository is none, and is not forgotten.
func TestHeadline(t *testing.T) {
	row := func(kind, verdict string, s status) entry {
		return entry{Row: inventory.Row{Object: inventory.Object{Kind: kind}, Verdict: verdict, Digest: "sha256:a"}, Status: s}
	}
	good, bad := row("HelmRelease", "Verified", passed), row("HelmRelease", "Denied", denied)
	covered, refused := row("HelmRepository", "Covered", other), row("HelmRepository", "Denied", denied)
	outside := row("OCIRepository", "Outside", other)
	for _, c := range []struct {
		sentence string
		rows     []entry
		judged   bool
		want     string
	}{
		{"nothing", nil, true, "No charts were found."},
		{"nothing that is a chart", []entry{covered, outside}, true, "No charts were found."},
		{"nothing is denied", []entry{good, covered, outside}, true, "None of 1 use of a chart would be denied."},
		{"a chart is denied", []entry{good, bad, covered}, true, "1 of 2 uses of a chart would be denied."},
		{"a chart and its repository are denied", []entry{good, bad, refused}, true, "1 of 2 uses of a chart would be denied, and so would 1 repository of charts."},
		{"only repositories are denied", []entry{good, refused, refused}, true, "2 repositories of charts would be denied, and none of 1 use of a chart."},
		{"without policies", []entry{row("HelmRelease", inventory.NotJudged, other), covered}, false, "1 of 1 use of a chart have no verified signature."},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := headline(c.rows, c.judged); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
