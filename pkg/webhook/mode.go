package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Mode says what becomes of the writes that the gate denies. This file holds all that mode Warn
// does; with any other value, a denial stays a denial.
type Mode int

const (
	// Enforce refuses them. It is the zero value.
	Enforce Mode = iota
	// Warn admits them with a warning. The installation is then no gate.
	Warn
)

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	for _, m := range []Mode{Enforce, Warn} {
		if name == m.String() {
			return m, nil
		}
	}
	return Enforce, fmt.Errorf("the mode is %s, not Enforce or Warn", problem.QuoteInput(name))
}

// String returns the name of the mode.
func (m Mode) String() string {
	if m == Warn {
		return "Warn"
	}
	return "Enforce"
}

// Register registers the metric that says which mode is on.
func (m Mode) Register(registerer prometheus.Registerer) error {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chartgate_mode",
		Help: "1 for the mode of the installation: Enforce, or Warn, in which nothing is denied.",
	}, []string{"mode"})
	for _, mode := range []Mode{Enforce, Warn} {
		gauge.WithLabelValues(mode.String()).Set(0)
	}
	gauge.WithLabelValues(m.String()).Set(1)
	return registerer.Register(gauge)
}

// apply is the one place where a denial by the gate becomes an admission.
func (m Mode) apply(found findings) findings {
	if m != Warn {
		return found
	}
	var verdicts []verdict.Verdict
	for _, v := range found.verdicts {
		verdicts = append(verdicts, verdict.AdmitAnyway(v))
	}
	found.verdicts = verdicts
	return found
}

// unread answers a request whose body was not read, by the part of it that is known: the API server
// writes the UID and the name of the object before the objects. Without a UID there can be no
// answer, and the API server admits the write because of its failurePolicy, Ignore. It reports
// whether there is an answer.
func (c *Charts) unread(ctx context.Context, read []byte, why *refusal) (admission.Response, bool) {
	req := headOf(read)
	err := &problem.Error{Kind: problem.KindLimitExceeded, Detail: why.Message, Next: "apply it again"}
	response := c.conclude(ctx, req, findings{verdicts: denied(req, err)}, time.Now())
	response.UID = req.UID
	return response, response.Allowed && req.UID != ""
}

const (
	// maxHead bounds the part of a review that is read when there is no room for all of it.
	maxHead = 4 << 10
	// maxHeadTime bounds how long that takes: the API server has sent it with the request.
	maxHeadTime = 200 * time.Millisecond
)

// admitUnread answers a request that could not be read, in mode Warn.
func (h *reviews) admitUnread(w http.ResponseWriter, req *http.Request, read []byte, why *refusal) bool {
	if len(read) == 0 && req.Body != nil {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxHeadTime))
		read, _ = io.ReadAll(io.LimitReader(req.Body, maxHead)) // what has arrived
	}
	response, answered := h.unread(logr.NewContext(req.Context(), h.bodies.log), read, why)
	if !answered {
		return false
	}
	review := admissionv1.AdmissionReview{Response: &response.AdmissionResponse}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // the rest of the body is not read
	_ = json.NewEncoder(w).Encode(review) // an error means that the client has gone
	return true
}

// headOf reads what a review says before its objects.
func headOf(text []byte) admission.Request {
	var req admission.Request
	d := json.NewDecoder(bytes.NewReader(text))
	if !enter(d) {
		return req
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return req
		}
		if name == "request" {
			break
		}
		if d.Decode(new(json.RawMessage)) != nil {
			return req
		}
	}
	if !enter(d) {
		return req
	}
	fields := map[json.Token]any{
		"uid": &req.UID, "kind": &req.Kind, "name": &req.Name, "namespace": &req.Namespace,
		"operation": &req.Operation, "subResource": &req.SubResource, "userInfo": &req.UserInfo,
	}
	for d.More() {
		name, err := d.Token()
		if err != nil || name == "object" || name == "oldObject" {
			return req
		}
		into, wanted := fields[name]
		if !wanted {
			into = new(json.RawMessage)
		}
		if d.Decode(into) != nil {
			return req
		}
	}
	return req
}

// enter reads the beginning of an object.
func enter(d *json.Decoder) bool {
	token, err := d.Token()
	return err == nil && token == json.Delim('{')
}
