package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// view is what the page shows, with every text safe to look at.
type view struct {
	inventory.Inventory
	When     string
	Judged   bool // by policies
	Headline string
	Bars     []bar
	Facts    []tile
	Classic  []classic
	Data     data
	// Static are the rows for browsers without JavaScript, the first of Data.Rows.
	Static []entry
}

// data is what the script reads.
type data struct {
	Judged bool    `json:"judged"`
	Rows   []entry `json:"rows"`
}

// entry is a row, and what the page sums up and filters by.
type entry struct {
	inventory.Row
	Status status   `json:"status"`
	Facts  []string `json:"facts,omitempty"`
}

// status is the way in which the page shows a verdict: its color and shape.
type status string

const (
	denied status = "denied"
	warned status = "warned"
	waived status = "waived"
	passed status = "passed"
	other  status = "other" // no chart, or a verdict for later
)

// statusOf returns the status of a row. A verdict that it does not know is shown as a denial.
func statusOf(verdict string) status {
	switch verdict {
	case "Verified":
		return passed
	case "AllowedUnverified":
		return waived
	case "Warned":
		return warned
	case "", "Covered", "Deferred", "Outside", inventory.NotJudged:
		return other
	default:
		return denied
	}
}

// bar is one color of the bar at the top, in percent of its width.
type bar struct {
	Status      status
	Label       string
	Count       int
	Start, Wide float64
}

// tile is a number to filter by.
type tile struct {
	Fact, Label string
	Count       int
}

// classic are the charts of a namespace that are not in an OCI registry.
type classic struct {
	Namespace string
	From      string // HTTP, Git or bucket
	Location  string
	Objects   []string
}

func newView(found inventory.Inventory) view {
	visible(&found)
	v := view{Inventory: found, When: found.At.UTC().Format("2 January 2006, 15:04 UTC"), Judged: found.Policies != ""}
	if found.At.IsZero() {
		v.When = ""
	}
	for _, row := range found.Rows {
		v.Data.Rows = append(v.Data.Rows, entry{Row: row, Status: statusOf(row.Verdict), Facts: factsOf(row)})
	}
	v.Data.Judged = v.Judged
	v.Headline = headline(v.Data.Rows, v.Judged)
	slices.SortStableFunc(v.Data.Rows, func(a, b entry) int {
		return cmp.Or(cmp.Compare(rank(a.Status), rank(b.Status)), cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Name, b.Object.Name))
	})
	v.Static = v.Data.Rows[:min(maxStatic, len(v.Data.Rows))]
	v.Bars = bars(v.Data.Rows)
	v.Facts = tiles(v.Data.Rows)
	v.Classic = classics(found.Rows)
	return v
}

// rank orders what someone must look at first.
func rank(s status) int { return slices.Index([]status{denied, warned, waived, passed, other}, s) }

// headline sums up everything in one sentence.
func headline(rows []entry, judged bool) string {
	uses, refused, unsigned, repositories := 0, 0, 0, 0
	for _, row := range rows {
		switch is := row.Status == denied; {
		case row.NamesChart():
			uses++
			if is {
				refused++
			}
			if row.Unsigned() {
				unsigned++
			}
		case is:
			repositories++
		}
	}
	all := plural(uses, "use of a chart", "uses of a chart")
	also := ""
	if repositories > 0 {
		also = ", and so would " + plural(repositories, "repository of charts", "repositories of charts")
	}
	switch {
	case uses == 0 && repositories == 0:
		return "No charts were found."
	case !judged:
		return fmt.Sprintf("%d of %s have no verified signature.", unsigned, all)
	case refused > 0:
		return fmt.Sprintf("%d of %s would be denied%s.", refused, all, also)
	case repositories > 0:
		return fmt.Sprintf("%s would be denied, and none of %s.", plural(repositories, "repository of charts", "repositories of charts"), all)
	default:
		return "None of " + all + " would be denied."
	}
}
