package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Charts answers AdmissionReviews of the objects that deploy charts.
type Charts struct {
	extractor *source.Extractor
	gate      *gate.Gate
	pending   *fair.Semaphore
	reads     *fair.Semaphore
	metrics   *Metrics
	events    *EventNotifier
}

// maxPending bounds the writes that wait for an answer, and with them the memory that they hold.
// One namespace gets 600 of them (package fair): an API server sends about 400 at a time by default
// (--max-mutating-requests-inflight and its shares).
const maxPending = 800

// ChartsOptions are what Charts work with.
type ChartsOptions struct {
	Extractor *source.Extractor
	Gate      *gate.Gate
	// MaxConcurrent bounds the writes for which other objects are read from the API server at the
	// same time. More wait within their own deadlines, and namespaces take turns. No write holds a
	// place while a registry is asked (package registry has places for each host), so that a slow
	// registry does not hold up other writes.
	MaxConcurrent int64
	Metrics       *Metrics
	Events        *EventNotifier // nil for no Events
}

// NewCharts returns Charts that answer as o says.
func NewCharts(o ChartsOptions) *Charts {
	return &Charts{
		extractor: o.Extractor, gate: o.Gate, metrics: o.Metrics, events: o.Events,
		pending: fair.NewSemaphore(maxPending), reads: fair.NewSemaphore(o.MaxConcurrent),
	}
}

// Handle decides on one write.
func (c *Charts) Handle(ctx context.Context, req admission.Request) admission.Response {
	return c.review(ctx, &review{Request: req, done: func() {}})
}

// review decides on one write, and frees its objects as soon as they have been read.
func (c *Charts) review(ctx context.Context, r *review) (response admission.Response) {
	started := time.Now()
	req := &r.Request
	var found findings
	defer func() {
		if r := recover(); r != nil {
			found = findings{verdicts: denied(*req, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))}
			response = respond(found)
		}
		c.metrics.observe(c.kindOf(*req), found.verdicts, time.Since(started))
		record(logr.FromContextOrDiscard(ctx), *req, found, time.Since(started))
		describe(trace.SpanFromContext(ctx), *req, found)
	}()
	found = c.decide(ctx, r)
	return respond(found)
}

// kindOf bounds the values of a metric's label: any client can send a request with any kind.
func (c *Charts) kindOf(req admission.Request) string {
	if c.extractor.Gates(source.ID{Group: req.Kind.Group, Kind: req.Kind.Kind}) {
		return req.Kind.Kind
	}
	return "other"
}

// findings are the outcome of one write.
type findings struct {
	// verdicts on each use of a chart that the write makes newly deployable; empty if there is no
	// such use. All must admit.
	verdicts []verdict.Verdict
	// dependents are verdicts on objects that are not written. They only warn.
	dependents []dependent
}

type dependent struct {
	object  source.Object
	verdict verdict.Verdict
}

// decide returns what the gate says. Every outcome but a decision is a denial.
func (c *Charts) decide(ctx context.Context, r *review) findings {
	write, err := writeOf(r.Request)
	req := r.Request
	req.Object.Raw, req.OldObject.Raw = nil, nil // req lives while registries are asked
	req.Name = write.Name
	if err != nil {
		return findings{verdicts: denied(req, err)}
	}
	changes, err := c.extractor.Changes(write)
	if err != nil {
		return findings{verdicts: denied(req, err)}
	}
	if changes.Empty() {
		return findings{}
	}
	write = r.release(write)
	by := shareOf(req)
	release, ok := c.pending.TryAcquire(1, by)
	if !ok {
		return findings{verdicts: denied(req, &problem.Error{
			Kind: problem.KindLimitExceeded, Detail: "too many writes, of this namespace or in total, already wait for verification", Next: "try again",
		})}
	}
	defer release()
	uses, err := reading(ctx, c, by, func() ([]source.Use, error) { return c.extractor.Uses(ctx, changes), nil })
	if err != nil {
		return findings{verdicts: denied(req, err)}
	}
	found := findings{verdicts: c.gate.DecideAll(ctx, Questions(uses, askerOf(req)))}
	if len(found.verdicts) == 0 {
		return findings{verdicts: denied(req, errors.New("changes without verdicts"))}
	}
	if admits(found.verdicts) {
		found.dependents = c.askDependents(ctx, req, write)
	}
	if !isDryRun(req) {
		c.events.send(ctx, func(ctx context.Context, id source.ID) ([]source.Object, error) {
			return reading(ctx, c, by, func() ([]source.Object, error) { return c.extractor.Users(ctx, id) })
		}, write, found)
	}
	return found
}

// reading calls read, which reads from the API server, as soon as there is a place.
func reading[T any](ctx context.Context, c *Charts, by fair.Share, read func() (T, error)) (T, error) {
	release, err := c.reads.Acquire(ctx, 1, by)
	if err != nil {
		var zero T
		return zero, &problem.Error{
			Kind: problem.KindTimeout, Detail: "too many writes are being examined at this moment", Next: "try again", Err: err,
		}
	}
	defer release()
	return read()
}

// maxDependents bounds the releases that are verified when their repository changes. Further ones
// meet the gate when Flux pulls their charts.
const maxDependents = 50

// askDependents verifies the releases that the write of a repository affects.
func (c *Charts) askDependents(ctx context.Context, req admission.Request, write source.Write) []dependent {
	found, err := reading(ctx, c, shareOf(req), func() ([]source.Dependent, error) { return c.extractor.Dependents(ctx, write) })
	if err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "dependents not verified", "repository", write.ID.String())
		return nil
	}
	found = found[:min(len(found), maxDependents)]
	var uses []source.Use
	for _, d := range found {
		uses = append(uses, d.Use)
	}
	var dependents []dependent
	for i, v := range c.gate.DecideAll(ctx, Questions(uses, askerOf(req))) {
		dependents = append(dependents, dependent{object: found[i].Object, verdict: v})
	}
	return dependents
}

// denied returns a denial of the whole write.
func denied(req admission.Request, err error) []verdict.Verdict {
	subject := verdict.Subject{Kind: cmp.Or(req.Kind.Kind, "Request"), Namespace: req.Namespace, Name: nameOf(req)}
	return []verdict.Verdict{verdict.Deny(subject, verdict.FromError(err))}
}

// admits reports whether there are verdicts and all of them admit.
func admits(verdicts []verdict.Verdict) bool {
	for _, v := range verdicts {
		if !v.Admits() {
			return false
		}
	}
	return len(verdicts) > 0
}

var _ admission.Handler = (*Charts)(nil)
