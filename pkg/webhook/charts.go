package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
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
	mode      Mode
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
	// Mode is that of the installation. The zero value enforces.
	Mode Mode
}

// NewCharts returns Charts that answer as o says.
func NewCharts(o ChartsOptions) *Charts {
	return &Charts{
		extractor: o.Extractor, gate: o.Gate, metrics: o.Metrics, events: o.Events, mode: o.Mode,
		pending: fair.NewSemaphore(maxPending), reads: fair.NewSemaphore(o.MaxConcurrent),
	}
}

// Pending returns the number of writes that wait for an answer now, at most 800.
func (c *Charts) Pending() int64 { return c.pending.Held() }

// Handle decides on one write.
func (c *Charts) Handle(ctx context.Context, req admission.Request) admission.Response {
	return c.review(ctx, &review{Request: req, done: func() {}})
}

// review decides on one write, and frees its objects as soon as they have been read.
func (c *Charts) review(ctx context.Context, r *review) admission.Response {
	started := time.Now()
	found := c.decideOrDeny(ctx, r)
	return c.conclude(ctx, r.Request, found, started)
}

// conclude applies the mode of the installation to what was found, tells people, and answers.
func (c *Charts) conclude(ctx context.Context, req admission.Request, found findings, started time.Time) admission.Response {
	found = c.mode.apply(found)
	c.tell(ctx, req, found, started)
	return respond(found)
}

// tell writes metrics, log and Events. The answer does not depend on them.
func (c *Charts) tell(ctx context.Context, req admission.Request, found findings, started time.Time) {
	log := logr.FromContextOrDiscard(ctx)
	defer func() {
		if p := recover(); p != nil {
			log.Error(panicked(p), "a decision was not recorded everywhere")
		}
	}()
	c.metrics.observe(c.kindOf(req), found.verdicts, time.Since(started))
	record(log, req, found, time.Since(started))
	describe(trace.SpanFromContext(ctx), req, found)
	if !isDryRun(req) && found.write.Kind != "" {
		c.events.send(found)
	}
}

// decideOrDeny decides, and denies if that panics.
func (c *Charts) decideOrDeny(ctx context.Context, r *review) (found findings) {
	defer func() {
		if p := recover(); p != nil {
			write := source.Write{Object: source.Object{ID: idOf(r.Request), JSON: r.Object.Raw}}
			found = findings{verdicts: denied(r.Request, panicked(p)), write: r.release(write)}
		}
	}()
	return c.decide(ctx, r)
}

func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

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
	// write is the write, without what only decisions need of its objects; zero if it was not read:
	// there are no Events then, since it may be a dry run.
	write source.Write
	// users are HelmReleases that install what is denied, and get an Event about it.
	users []source.Object
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
		return findings{verdicts: denied(req, err), write: r.release(write)}
	}
	changes, err := c.extractor.Changes(write)
	if err != nil {
		return findings{verdicts: denied(req, err), write: r.release(write)}
	}
	if changes.Empty() {
		return findings{}
	}
	write = r.release(write)
	by := shareOf(req)
	release, ok := c.pending.TryAcquire(1, by)
	if !ok {
		return findings{write: write, verdicts: denied(req, &problem.Error{
			Kind: problem.KindLimitExceeded, Detail: "too many writes, of this namespace or in total, already wait for verification", Next: "try again",
		})}
	}
	defer release()
	uses, err := reading(ctx, c, by, func() ([]source.Use, error) { return c.extractor.Uses(ctx, changes), nil })
	if err != nil {
		return findings{write: write, verdicts: denied(req, err)}
	}
	found := findings{write: write, verdicts: c.gate.DecideAll(ctx, Questions(uses, askerOf(req)))}
	switch {
	case len(found.verdicts) == 0:
		found.verdicts = denied(req, errors.New("changes without verdicts"))
	case admits(found.verdicts):
		found.dependents = c.askDependents(ctx, req, write)
	case !isDryRun(req):
		found.users = c.usersOf(ctx, req, write)
	}
	return found
}

// maxUsers bounds the HelmReleases that get an Event about one denied source. Anyone who can write a source makes
// these Events, as often as they like, and all Events of chartgate share one recorder.
const maxUsers = 10

// usersOf returns the HelmReleases that install what the write of a source is about. Those of other namespaces are
// left out: their owners can do nothing about the source, and what is denied is not for them to read.
func (c *Charts) usersOf(ctx context.Context, req admission.Request, write source.Write) []source.Object {
	users, err := reading(ctx, c, shareOf(req), func() ([]source.Object, error) { return c.extractor.Users(ctx, write.ID) })
	if err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "no Events on the HelmReleases that use a denied source", "source", write.ID.String())
	}
	users = slices.DeleteFunc(slices.Clone(users), func(user source.Object) bool { return user.Namespace != write.Namespace })
	return users[:min(len(users), maxUsers)]
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
