package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// maxErrors ends a run that fails again and again.
const maxErrors = 100

// run is one look at the whole cluster.
type run struct {
	*Auditor
	memory memory
	known  map[types.UID]remembered // what no object has claimed yet
	tally  *tally
	errs   []error
}

// look verifies everything once. A panic is an error: it must not end a process that admissions
// need. Without an error, everything was seen and every report is written.
func (a *Auditor) look(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	began := a.now()
	r := &run{Auditor: a, tally: newTally()}
	if r.memory, err = a.recollect(); err != nil {
		return err
	}
	if r.known, err = r.memory.known(ctx); err != nil {
		return err
	}
	problems, err := a.Rows.Scan(ctx, r.object)
	if err := cmp.Or(context.Cause(ctx), err); err != nil {
		return errors.Join(append(r.errs, err)...)
	}
	for _, problem := range problems {
		r.errs = append(r.errs, fmt.Errorf("%s cannot be verified: %s", problem.What, problem.Why))
	}
	if len(problems) == 0 {
		r.forgetOthers(ctx)
	}
	a.Metrics.publish(r.tally, a.now().Sub(began))
	if err := errors.Join(r.errs...); err != nil {
		return err
	}
	a.Metrics.succeeded(a.now())
	a.Log.Info("verified what runs in the cluster", "charts", r.charts(), "findings", r.tally.findings, "took", a.now().Sub(began).String())
	return nil
}

func (r *run) charts() (n int) {
	for _, each := range r.tally.charts {
		n += each
	}
	return n
}

// object deals with the rows of one object. An error ends the run.
func (r *run) object(ctx context.Context, of inventory.Object, rows []inventory.Row) error {
	if err := ctx.Err(); err != nil {
		return err // these rows may say that there was no time to look
	}
	m, err := r.remember(ctx, of, rows)
	delete(r.known, types.UID(of.UID))
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s %s/%s: %w", of.Kind, of.Namespace, of.Name, err))
		if len(r.errs) >= maxErrors {
			return errors.New("too many errors")
		}
	}
	r.tally.add(rows, m)
	return nil
}

// remember tells what is new about an object, and then writes it down. In this order, so that a
// process that dies in between loses nothing: the next one finds the same news, and the Events have
// the same names (events).
func (r *run) remember(ctx context.Context, of inventory.Object, rows []inventory.Row) (mark, error) {
	slices.SortStableFunc(rows, func(a, b inventory.Row) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reference, b.Reference))
	})
	identity, err := identify(of, rows)
	if err != nil {
		return mark{}, err
	}
	if known, found := r.known[types.UID(of.UID)]; found && known.rows == identity && known.isOf(of) {
		return known.mark, nil
	}
	before, err := r.memory.recall(ctx, of)
	if err != nil {
		return mark{}, fmt.Errorf("read the report: %w", err)
	}
	all := make([]judged, 0, len(rows))
	for _, row := range rows {
		all = append(all, judge(row, before.rows[keyOf(row)]))
	}
	m := markOf(identity, all)
	for _, each := range all {
		for _, n := range each.news {
			if err := r.events.tell(ctx, of, keyOf(each.row), before.version, n); err != nil {
				return m, fmt.Errorf("write the Event %s: %w", n.reason, err)
			}
		}
	}
	if err := r.memory.keep(ctx, of, all, m, before); err != nil {
		return m, fmt.Errorf("write the report: %w", err)
	}
	return m, nil
}

// forgetOthers drops the objects that are gone, and those that name no chart any more.
func (r *run) forgetOthers(ctx context.Context) {
	for _, each := range r.known {
		if err := r.memory.forget(ctx, each); err != nil {
			r.errs = append(r.errs, fmt.Errorf("delete the report %s/%s: %w", each.namespace, each.name, err))
		}
		if len(r.errs) >= maxErrors {
			return
		}
	}
}
