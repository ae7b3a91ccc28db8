package webhook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Charts answers AdmissionReviews of the objects that deploy charts.
type Charts struct {
	extractor *source.Extractor
	gate      *gate.Gate
	slots     *semaphore.Weighted
	metrics   *Metrics
}

// NewCharts returns a handler that decides at most maxConcurrent writes at a time;
// others wait for a place within their own deadline. Writes that change no chart
// need no place.
func NewCharts(extractor *source.Extractor, gate *gate.Gate, maxConcurrent int64, metrics *Metrics) *Charts {
	return &Charts{extractor: extractor, gate: gate, slots: semaphore.NewWeighted(maxConcurrent), metrics: metrics}
}

// Handle decides on one write.
func (c *Charts) Handle(ctx context.Context, req admission.Request) (response admission.Response) {
	started := time.Now()
	var verdicts []verdict.Verdict
	defer func() {
		if r := recover(); r != nil {
			verdicts = []verdict.Verdict{deny(req, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))}
			response = respond(verdicts)
		}
		c.metrics.observe(req.Kind.Kind, verdicts, time.Since(started))
		record(logr.FromContextOrDiscard(ctx), req, verdicts, time.Since(started))
	}()
	verdicts = c.decide(ctx, req)
	return respond(verdicts)
}

// decide returns one verdict for each use of a chart that the write makes newly
// deployable; none if there is no such use. Every other outcome is a denial.
func (c *Charts) decide(ctx context.Context, req admission.Request) []verdict.Verdict {
	object, old, err := objects(req)
	if err != nil {
		return []verdict.Verdict{deny(req, err)}
	}
	changes, err := c.extractor.Changes(object, old)
	if err != nil {
		return []verdict.Verdict{deny(req, err)}
	}
	if changes.None() {
		return nil
	}
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return []verdict.Verdict{deny(req, &chart.Problem{
			Kind: chart.KindTimeout, Detail: "too many charts are being verified at this moment", Next: "try again", Err: err,
		})}
	}
	defer c.slots.Release(1)
	verdicts := c.gate.DecideAll(ctx, c.extractor.Uses(ctx, changes))
	if len(verdicts) == 0 {
		return []verdict.Verdict{deny(req, errors.New("changes without verdicts"))}
	}
	return verdicts
}

// objects reads the new and the old object of a write. The old one has no JSON for
// a creation.
func objects(req admission.Request) (object, old source.Object, err error) {
	unsupported := func(detail string) error {
		return &chart.Problem{Kind: chart.KindUnsupported, Detail: detail}
	}
	id := source.ID{Group: req.Kind.Group, Kind: req.Kind.Kind, Namespace: req.Namespace, Name: nameOf(req)}
	object = source.Object{ID: id, JSON: req.Object.Raw}
	old = source.Object{ID: id, JSON: req.OldObject.Raw}
	switch {
	case req.SubResource != "":
		return object, old, unsupported("writes of the subresource " + chart.Quote(req.SubResource) + " are not supported")
	case len(req.Object.Raw) == 0:
		return object, old, unsupported("the request holds no object")
	case req.Operation == admissionv1.Create:
		old.JSON = nil
		return object, old, nil
	case req.Operation == admissionv1.Update && len(req.OldObject.Raw) > 0:
		return object, old, nil
	default:
		return object, old, unsupported("the operation " + chart.Quote(string(req.Operation)) + " is not supported")
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
	if err := json.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, &object); err != nil {
		return ""
	}
	if object.Metadata.Name == "" && object.Metadata.GenerateName != "" {
		return object.Metadata.GenerateName + "*"
	}
	return object.Metadata.Name
}

// deny returns a denial of the whole write.
func deny(req admission.Request, err error) verdict.Verdict {
	subject := verdict.Subject{Kind: req.Kind.Kind, Namespace: req.Namespace, Name: nameOf(req)}
	return verdict.Deny(subject, verdict.FromError(err))
}

// record writes the one audit line of a decision. Writes without a use are too many
// to log at the default level.
func record(log logr.Logger, req admission.Request, verdicts []verdict.Verdict, took time.Duration) {
	log = log.WithValues("kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name,
		"operation", req.Operation, "user", req.UserInfo.Username, "dryRun", req.DryRun != nil && *req.DryRun, "took", took.String())
	if len(verdicts) == 0 {
		log.V(1).Info("unchanged")
		return
	}
	for _, v := range verdicts {
		line := log.WithValues("field", v.Subject.Field, "chart", v.Subject.Reference.String(),
			"digest", v.Subject.Digest.String(), "verdict", v.String(), "reason", v.Reason(), "signers", signers(v))
		if causes := v.Causes(); len(causes) > 0 {
			line = line.WithValues("causes", errors.Join(causes...).Error())
		}
		line.Info("decided", "message", v.Message())
	}
}

var _ admission.Handler = (*Charts)(nil)

// forbidden is the HTTP status of a denial.
func forbidden(message string, causes []metav1.StatusCause) *metav1.Status {
	return &metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    403,
		Reason:  metav1.StatusReasonForbidden,
		Message: message,
		Details: &metav1.StatusDetails{Causes: causes},
	}
}
