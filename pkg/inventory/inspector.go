package inventory

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// Options configure an Inspector.
type Options struct {
	Gate      *gate.Gate
	Extractor *source.Extractor
	// Reader is the one that the Extractor reads from.
	Reader source.Reader
	// Discover are the signers to recognize in a search for all signatures, whatever the policies
	// ask for. Nil: no search; the signers are those whom policies accept. A search asks hosts that
	// no policy names, so it is for the command line alone (gate.Discover).
	Discover *evidence.Wanted
	// Judged is set where there are policies.
	Judged bool
	// PerHost is how many charts of one registry are examined at a time, at least one.
	PerHost int
	// Timeout is for each chart, from when it is its turn.
	Timeout time.Duration
	// Local renders verdicts for the reader; nil leaves them as they are in a cluster.
	Local func(verdict.Verdict) verdict.Verdict
	Now   func() time.Time
	// Failed is told of errors of chartgate's own, of which a row shows no cause; nil is told nothing.
	Failed func(about verdict.Subject, cause error)
}

// Inspector says what objects deploy. Equal questions are asked once in its life, so make one for
// each run, with New.
type Inspector struct {
	options Options
	answers *answers
	hosts   *hosts
}

// New returns an Inspector for one run.
func New(o Options) *Inspector {
	o.PerHost = max(o.PerHost, 1)
	if o.Local == nil {
		o.Local = func(v verdict.Verdict) verdict.Verdict { return v }
	}
	return &Inspector{options: o, answers: newAnswers(), hosts: newHosts(o.PerHost)}
}

// maxAhead bounds the objects that are examined at a time. Most of them wait for their registry's
// turn, so there must be many more than one registry may have.
const maxAhead = 1024

// Rows examines objects, and yields their rows in the order of the objects.
func (i *Inspector) Rows(ctx context.Context, objects iter.Seq[source.Object]) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for rows := range i.Objects(ctx, objects) {
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// Objects examines objects, and yields the rows of each, at least one, in the order of the objects.
// What is examined when the consumer leaves or ctx ends is let go.
func (i *Inspector) Objects(ctx context.Context, objects iter.Seq[source.Object]) iter.Seq[[]Row] {
	return func(yield func([]Row) bool) {
		ctx, stop := context.WithCancel(ctx)
		var working sync.WaitGroup
		defer working.Wait()
		defer stop()
		waiting := make(chan chan []Row, maxAhead)
		working.Go(func() {
			defer close(waiting)
			for object := range objects {
				ready := make(chan []Row, 1)
				select {
				case <-ctx.Done():
					return
				case waiting <- ready:
				}
				working.Go(func() { ready <- i.inspect(ctx, object) })
			}
		})
		for ready := range waiting {
			if !yield(<-ready) {
				return
			}
		}
	}
}

// partial is a Reader of objects of which it could not keep some; whyUnread says why, and is nil for all others.
type partial interface{ whyUnread(source.ID) error }

// inspect returns the rows of one object, at least one. A panic is one of them: it must not end a
// process that answers admissions.
func (i *Inspector) inspect(ctx context.Context, object source.Object) (rows []Row) {
	name := nameOf(object)
	unread := func(err error) []Row {
		subject := verdict.Subject{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
		return []Row{i.judged(Row{Object: name}, verdict.Deny(subject, verdict.FromError(err)))}
	}
	defer func() {
		if r := recover(); r != nil {
			rows = unread(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	if of, ok := i.options.Reader.(partial); ok {
		if err := of.whyUnread(object.ID); err != nil {
			return unread(err)
		}
	}
	changes, err := i.options.Extractor.Changes(source.Write{Object: object})
	switch {
	case err != nil:
		return unread(err)
	case changes.Empty():
		return []Row{{Object: name, Verdict: "Outside", Message: fmt.Sprintf("%s admitted: it makes no chart deployable", object.ID)}}
	}
	reading, stop := context.WithTimeout(ctx, i.options.Timeout)
	uses := i.options.Extractor.Uses(reading, changes)
	stop()
	for _, q := range webhook.Questions(uses, gate.Asker{DryRun: true}) {
		rows = append(rows, i.row(ctx, object, q))
	}
	return rows
}

// row answers one question.
func (i *Inspector) row(ctx context.Context, object source.Object, q gate.Question) Row {
	row := Row{Object: nameOf(object), Field: q.Field}
	reference := shown(q.Target)
	row.Reference, row.Registry = reference.String(), reference.Location.Host()
	if !reference.Selector.IsZero() {
		row.Pinning = reference.Selector.Pinning().String()
	}
	found := i.answer(ctx, q)
	row.Digest, row.Signers = found.now.Digest.String(), found.signers
	row.Deployed = i.deployed(ctx, object, q.Field)
	row.Deployed.Is = row.Deployed.compare(found.now)
	row.Findings = append(tagMoved(row.Deployed, found.now), waiverEnding(found.verdict, i.options.Now())...)
	return i.judged(row, found.about(q))
}

// judged adds the verdict to a row.
func (i *Inspector) judged(row Row, v verdict.Verdict) Row {
	v = i.options.Local(v)
	row.Verdict, row.Reason, row.Message = v.String(), v.Reason(), v.Message()
	if denials := v.Denials(); len(denials) > 0 {
		row.Next, row.Lasting = denials[0].Next, denials[0].Lasting
	}
	for _, d := range v.Denials() {
		row.add(d.By)
		if d.Reason == verdict.InternalError && i.options.Failed != nil {
			i.options.Failed(v.Subject, d.Cause)
		}
	}
	for _, a := range v.Acceptances() {
		row.add(a.Policy)
	}
	if !i.options.Judged && !v.Admits() && onlyByPolicy(v.Reason()) {
		row.Verdict, row.Next = NotJudged, ""
		row.Message = fmt.Sprintf("%s is not judged, because there are no policies", v.Subject)
	}
	return row
}

// add adds a policy to those that have a say; "" is none.
func (r *Row) add(policy string) {
	if policy != "" && !slices.Contains(r.Policies, policy) {
		r.Policies = append(r.Policies, policy)
	}
}

// Unreadable returns the row of a document that names no object.
func Unreadable(file string, v verdict.Verdict) Row {
	return Row{
		Object: Object{Kind: v.Subject.Kind, Namespace: v.Subject.Namespace, Name: v.Subject.Name}, File: file,
		Verdict: v.String(), Reason: v.Reason(), Message: v.Message(), Next: v.Denials()[0].Next,
	}
}

// onlyByPolicy reports whether a denial for this reason says no more than that there is no policy.
func onlyByPolicy(reason verdict.Reason) bool {
	return reason == verdict.NoPolicy || reason == verdict.NotOCI
}

func nameOf(object source.Object) Object {
	name := Object{Group: object.Group, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
	name.Version, name.UID = identity(object.JSON)
	return name
}
