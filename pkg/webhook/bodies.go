package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/fair"
)

const (
	// maxBody bounds the body of a request: an API server takes objects of 3 MiB (etcd of
	// 1.5), and a review holds two of them and who writes.
	maxBody = 7 << 20
	// maxPolicyBody is the same for chartgate's own resources, which have some KiB.
	maxPolicyBody = 1 << 20
	// bodyBudget bounds what the bodies of all requests take together, with what decoding
	// them takes, until what is needed of them has been read. More wait.
	bodyBudget = 128 << 20
	// decodeFactor is what a review takes for each byte while it is decoded: the body, the
	// two objects in it, and what garbage is left until the collector comes.
	decodeFactor = 6
	// policyFactor is the same for a policy, of which everything is decoded: "{}," becomes
	// a requirement of a hundred bytes and more.
	policyFactor = 64
	// largeBody is what takes longer to decode than most decisions: of such bodies maxLarge
	// are decoded at a time, so that some CPU is left for others.
	largeBody = 512 << 10
	maxLarge  = 1
	// bodyTimeout is how long a body may take to arrive once there is room for it. The API
	// server has it ready, and is in the same cluster.
	bodyTimeout = 3 * time.Second
)

// Bodies reads the bodies of requests within limits that hold for all of them together:
// anyone who reaches the port may send some, and they are in memory before anyone knows
// whose write they are about. Make one with NewBodies for all paths.
type Bodies struct {
	budget *fair.Semaphore // bytes, which the addresses of clients share
	large  *fair.Semaphore // large bodies that are decoded, in the same way
	log    logr.Logger
}

// NewBodies returns Bodies that log to log.
func NewBodies(log logr.Logger) *Bodies {
	return &Bodies{budget: fair.NewSemaphore(bodyBudget), large: fair.NewSemaphore(maxLarge), log: log}
}

// Charts returns an HTTP handler that lets charts answer.
func (b *Bodies) Charts(charts *Charts) http.Handler {
	return &reviews{bodies: b, limit: maxBody, factor: decodeFactor, answer: charts.review}
}

// Policies returns an HTTP handler that lets policies answer.
func (b *Bodies) Policies(policies *Policies) http.Handler {
	return &reviews{bodies: b, limit: maxPolicyBody, factor: policyFactor, answer: func(ctx context.Context, r *review) admission.Response {
		defer r.done()
		return policies.Handle(ctx, r.Request)
	}}
}

// review is a request whose body counts until done is called, and the objects have been
// let go.
type review struct {
	admission.Request
	done func()
}

// take completes the review with all but the objects.
func (r *review) take(rest admission.Request) {
	rest.Object, rest.OldObject = r.Object, r.OldObject
	r.Request = rest
}

func (r *review) letGoAll() {
	r.Object.Raw, r.OldObject.Raw = nil, nil
	r.done()
}

// reviews is the HTTP handler of one path.
type reviews struct {
	bodies *Bodies
	limit  int64
	factor int64
	answer func(context.Context, *review) admission.Response
}

// ServeHTTP reads the body, when there is room for it, and answers.
func (h *reviews) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, done, refused := h.read(w, req)
	if refused != nil {
		refused.write(w)
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
			// Who receives the answer may be slow: nothing is held for that.
			defer found.letGoAll()
			found.take(r)
			return h.answer(ctx, found)
		}),
		LogConstructor: func(logr.Logger, *admission.Request) logr.Logger { return h.bodies.log },
	}).ServeHTTP(w, req)
}

// split takes the objects out of a review, since admission.Webhook would hold them until
// the answer has been sent. What is no review stays as it is, to be refused as such.
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

// read reads the body of a request when there is room for it. Until done is called it
// takes its part of the budget.
func (h *reviews) read(w http.ResponseWriter, req *http.Request) (body []byte, done func(), refused *refusal) {
	length := req.ContentLength
	switch encoding := req.Header.Get("Content-Encoding"); {
	case encoding != "" && encoding != "identity":
		return nil, nil, refuse(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, "the body is encoded; chartgate decompresses nothing")
	case length > h.limit:
		return nil, nil, h.tooLarge()
	case length < 0: // in chunks: an API server never does
		length = h.limit
	}
	by := fair.Share{Tenants: fair.Tenant(address(req))}
	release, err := h.bodies.budget.Acquire(req.Context(), max(h.factor*length, 1), by)
	if err != nil {
		return nil, nil, noRoom()
	}
	defer func() {
		if refused != nil {
			release()
		}
	}()
	// Where there is no such deadline (httptest.ResponseRecorder), nothing is slow.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err = readAll(req.Body, length)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil, refuse(http.StatusRequestTimeout, metav1.StatusReasonTimeout, fmt.Sprintf("the body was not complete after %s", bodyTimeout))
	case err != nil:
		return nil, nil, refuse(http.StatusBadRequest, metav1.StatusReasonBadRequest, "the body cannot be read")
	case int64(len(body)) > length:
		return nil, nil, h.tooLarge()
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(body) <= largeBody {
		return body, release, nil
	}
	next, err := h.bodies.large.Acquire(req.Context(), 1, by)
	if err != nil {
		return nil, nil, noRoom()
	}
	return body, func() { next(); release() }, nil
}

// readAll reads up to one byte more than expected, into memory that is there at once:
// growing it would leave as much garbage.
func readAll(body io.Reader, expected int64) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var buffer bytes.Buffer
	buffer.Grow(int(expected) + bytes.MinRead) // which ReadFrom wants to be free in the end
	_, err := buffer.ReadFrom(io.LimitReader(body, expected+1))
	return buffer.Bytes(), err
}

// address is who sends, as far as anyone can tell.
func address(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	return host
}

func noRoom() *refusal {
	return refuse(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "chartgate reads the bodies of too many requests at this moment: try again")
}

func (h *reviews) tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, fmt.Sprintf("the body has more than the %d MiB that chartgate reads", h.limit>>20))
}

// refusal is an answer to a request that has not been read: its UID is not known, so it cannot be
// an AdmissionReview. The API server denies the write, and shows the message.
type refusal metav1.Status

func refuse(code int32, reason metav1.StatusReason, message string) *refusal {
	return &refusal{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}
}

func (r *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // what else is sent is not read
	w.WriteHeader(int(r.Code))
	// A client that has disconnected gets no answer.
	_ = json.NewEncoder(w).Encode((*metav1.Status)(r))
}
