package audit

import (
	"context"
	"iter"
	"slices"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// Rows are what the cluster deploys, under the policies in force.
type Rows interface {
	// Scan calls yield for one object after the other, with all its rows, and returns what it could
	// not list. It ends with the first error of yield.
	Scan(ctx context.Context, yield Yield) ([]inventory.Problem, error)
}

// Yield deals with the rows of one object.
type Yield func(ctx context.Context, of inventory.Object, rows []inventory.Row) error

// Each calls yield for the rows of each object. It leaves out what deploys no chart.
func Each(ctx context.Context, objects iter.Seq[[]inventory.Row], yield Yield) error {
	for rows := range objects {
		rows = slices.DeleteFunc(rows, func(row inventory.Row) bool { return row.Verdict == "Outside" && row.Reference == "" })
		if len(rows) == 0 {
			continue
		}
		if err := yield(ctx, rows[0].Object, rows); err != nil {
			return err
		}
	}
	return nil
}
