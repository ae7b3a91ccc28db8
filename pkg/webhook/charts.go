package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
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
	notices   *Notices
}

// maxPending bounds the writes that wait for a verdict, and with them the memory that they hold.
// One namespace gets 600 of them (package fair): an API server sends about 400 at a time by default
// (--max-mutating-requests-inflight and its shares).
const maxPending = 800

// NewCharts returns a handler that reads other objects from the API server for at most
// maxConcurrent writes at a time; others wait for a slot within their own deadline, and namespaces
// take turns. A write holds no slot while a registry is read (package registry has slots for each
// host), so that a slow registry does not delay other writes.
func NewCharts(extractor *source.Extractor, gate *gate.Gate, maxConcurrent int64, metrics *Metrics, notices *Notices) *Charts {
	return &Charts{
		extractor: extractor, gate: gate, metrics: metrics, notices: notices,
		pending: fair.NewSemaphore(maxPending), reads: fair.NewSemaphore(maxConcurrent),
	}
}

// Handle decides on one write.
func (c *Charts) Handle(ctx context.Context, req admission.Request) admission.Response {
	return c.review(ctx, &review{Request: req, done: func() {}})
}

// review decides on one write, and lets its objects go as soon as they have been read.
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
	}()
	found = c.decide(ctx, r)
	return respond(found)
}

// letGo releases the objects, which are not needed while registries are read, and returns the write
// with the parts that are still needed: the identity of the object and, of a HelmRepository, on
// which other objects can depend, its spec.
func (r *review) letGo(w source.Write) source.Write {
	var kept struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			UID string `json:"uid,omitempty"`
		} `json:"metadata"`
		Spec json.RawMessage `json:"spec,omitempty"`
	}
	// It has been read before; what cannot be read any more is told nothing of.
	_ = kjson.UnmarshalCaseSensitivePreserveInts(w.JSON, &kept)
	if w.Kind != sourcev1.HelmRepositoryKind || len(kept.Spec) > maxKept {
		kept.Spec = nil
	}
	w.JSON, _ = json.Marshal(kept)
	if w.Old != nil {
		w.Old = []byte("{}")
	}
	r.Name = w.Name
	r.letGoAll()
	return w
}

// maxKept bounds the spec of a HelmRepository that is kept while others are asked.
const maxKept = 64 << 10

// kindOf bounds the values of a metric's label: any client can reach the webhook.
func (c *Charts) kindOf(req admission.Request) string {
	if c.extractor.Gates(source.ID{Group: req.Kind.Group, Kind: req.Kind.Kind}) {
		return req.Kind.Kind
	}
	return "other"
}

// findings are what one write leads to.
type findings struct {
	// verdicts on each use of a chart that the write makes newly deployable; empty if there is no
	// such use. All must admit.
	verdicts []verdict.Verdict
	// dependents are verdicts on other people's objects. They only warn.
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
	req.Object.Raw, req.OldObject.Raw = nil, nil // it stays while others are asked
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
	write = r.letGo(write)
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
		c.notices.send(ctx, func(ctx context.Context, id source.ID) ([]source.Object, error) {
			return reading(ctx, c, by, func() ([]source.Object, error) { return c.extractor.Users(ctx, id) })
		}, write, found)
	}
	return found
}

// reading calls read, which reads from the API server, when there is a place.
func reading[T any](ctx context.Context, c *Charts, by fair.Share, read func() (T, error)) (T, error) {
	release, err := c.reads.Acquire(ctx, 1, by)
	if err != nil {
		var none T
		return none, &problem.Error{
			Kind: problem.KindTimeout, Detail: "too many writes are being examined at this moment", Next: "try again", Err: err,
		}
	}
	defer release()
	return read()
}

// shareOf says whose share a write takes: its namespace's, and on it its user's, who may
// write to many namespaces.
func shareOf(req admission.Request) fair.Share {
	return fair.Share{Tenants: fair.Tenant(req.Namespace), Resource: req.UserInfo.Username}
}

// askerOf tells the gate for which write it decides.
func askerOf(req admission.Request) gate.Asker {
	return gate.Asker{Namespace: req.Namespace, DryRun: isDryRun(req)}
}

// maxDependents bounds the releases that are looked at when their repository
// changes. Those beyond meet the gate when Flux pulls their charts.
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

// writeOf reads the request.
func writeOf(req admission.Request) (source.Write, error) {
	w := source.Write{
		Object: source.Object{
			ID:   source.ID{Group: req.Kind.Group, Kind: req.Kind.Kind, Namespace: req.Namespace, Name: nameOf(req)},
			JSON: req.Object.Raw,
		},
		Subresource: req.SubResource,
		User:        req.UserInfo.Username,
	}
	var options struct {
		FieldManager string `json:"fieldManager"`
	}
	if len(req.Options.Raw) > 0 {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Options.Raw, &options); err != nil {
			return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the options of the request cannot be read", Err: err}
		}
	}
	w.FieldManager = options.FieldManager
	switch {
	case len(req.Object.Raw) == 0:
		return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the request holds no object"}
	case req.Operation == admissionv1.Create:
		return w, nil
	case req.Operation == admissionv1.Update && len(req.OldObject.Raw) > 0:
		w.Old = req.OldObject.Raw
		return w, nil
	default:
		return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the operation " + chart.Quote(string(req.Operation)) + " is not supported"}
	}
}

// nameOf returns the object's name, or what the API server will start it with.
func nameOf(req admission.Request) string {
	if req.Name != "" {
		return req.Name
	}
	var object struct {
		Metadata struct {
			Name         string `json:"name"`
			GenerateName string `json:"generateName"`
		} `json:"metadata"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, &object); err != nil {
		return ""
	}
	if object.Metadata.Name == "" && object.Metadata.GenerateName != "" {
		return object.Metadata.GenerateName + "*"
	}
	return object.Metadata.Name
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

func isDryRun(req admission.Request) bool { return req.DryRun != nil && *req.DryRun }

var _ admission.Handler = (*Charts)(nil)
