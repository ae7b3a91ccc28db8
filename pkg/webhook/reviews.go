package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"
)

// Charts returns the HTTP handler of the path at which charts answer.
func (b *Bodies) Charts(charts *Charts) http.Handler {
	h := &reviews{bodies: b, limit: maxBody, factor: decodeFactor, answer: charts.review}
	if charts.mode == Warn {
		h.unread = charts.unread
	}
	return h
}

// Policies returns the HTTP handler of the path at which policies answer.
func (b *Bodies) Policies(policies *Policies) http.Handler {
	return &reviews{bodies: b, limit: maxPolicyBody, factor: policyFactor, answer: func(ctx context.Context, r *review) admission.Response {
		defer r.done()
		return policies.Handle(ctx, r.Request)
	}}
}

// reviews is the HTTP handler of one path.
type reviews struct {
	bodies *Bodies
	limit  int64
	factor int64
	answer func(context.Context, *review) admission.Response
	// unread answers what could not be read, if it can; nil where that is refused.
	unread func(ctx context.Context, read []byte, why *refusal) (admission.Response, bool)
}

// ServeHTTP reads the body, when there is room for it, and answers.
func (h *reviews) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, done, refused := h.read(w, req)
	if refused != nil {
		if h.unread == nil || !h.admitUnread(w, req, body, refused) {
			refused.write(w)
		}
		return
	}
	defer done()
	found := &review{done: done}
	body = split(body, found)
	if req.Body = http.NoBody; len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	(&admission.Webhook{
		Handler: admission.HandlerFunc(func(ctx context.Context, r admission.Request) admission.Response {
			// A client may be slow to take the answer: no memory is held for that.
			defer found.free()
			found.take(r)
			return h.answer(ctx, found)
		}),
		LogConstructor: func(logr.Logger, *admission.Request) logr.Logger { return h.bodies.log },
	}).ServeHTTP(w, req)
}

// split takes the objects out of a review, since admission.Webhook would hold them until the answer
// has been sent. A body that is not a review stays as it is, and admission.Webhook refuses it.
func split(body []byte, into *review) []byte {
	var whole admissionv1.AdmissionReview
	// The decoder is that of admission.Webhook, so both read the same.
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &whole); err != nil || whole.Request == nil {
		return body
	}
	into.Object, into.OldObject = whole.Request.Object, whole.Request.OldObject
	whole.Request.Object.Raw, whole.Request.OldObject.Raw = nil, nil
	rest, err := json.Marshal(whole)
	if err != nil {
		into.Object.Raw, into.OldObject.Raw = nil, nil
		return body
	}
	return rest
}

// review is a request. Its body counts in the budget of all bodies until done is called.
type review struct {
	admission.Request
	done func()
}

// take completes the review with everything but the objects.
func (r *review) take(rest admission.Request) {
	rest.Object, rest.OldObject = r.Object, r.OldObject
	r.Request = rest
}

// free lets the objects and the place in the budget go.
func (r *review) free() {
	r.Object.Raw, r.OldObject.Raw = nil, nil
	r.done()
}

// refusal is the answer to a request that has not been read. It cannot be an AdmissionReview,
// because the UID of the request is not known. The API server denies the write, and shows the
// message.
type refusal metav1.Status

func refuse(code int32, reason metav1.StatusReason, message string) *refusal {
	return &refusal{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}
}

func (r *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // the rest of the body is not read
	w.WriteHeader(int(r.Code))
	// An error means that the client has gone.
	_ = json.NewEncoder(w).Encode((*metav1.Status)(r))
}
