package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	// announced is the timeout that the API server announces where all of it passes.
	announced = 2 * time.Second
	// starved is what a machine with too much to do may take besides. That the webhook's own margin is half a second is
	// tested in pkg/webhook.
	starved = 2 * time.Second
	// patience is announced where an answer does not take time.
	patience = 30 * time.Second
)

// write is what somebody asks the API server to write.
type write struct {
	group, version, kind, namespace, name string
	object, old                           string // JSON; without old it is a creation
}

// answer is the webhook's.
type answer struct {
	allowed bool
	verdict string
	reason  verdict.Reason
	message string
}

// ask sends the AdmissionReview that an API server sends, and waits hardly longer than it.
func (w *world) ask(t *testing.T, what write, timeout time.Duration) answer {
	t.Helper()
	got, err := w.post(t.Context(), what, timeout)
	if err != nil {
		t.Fatalf("no answer within %s: %v", timeout, err)
	}
	return got
}

// timeoutFor is announced where that is the reason wanted: a short one if it is to be waited for.
func timeoutFor(want verdict.Reason) time.Duration {
	if want == verdict.Timeout {
		return announced
	}
	return patience
}

func (w *world) post(ctx context.Context, what write, timeout time.Duration) (answer, error) {
	body, err := json.Marshal(what.review())
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+starved)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/validate-charts?timeout=%s", w.hook.URL, timeout), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(resp.Body).Decode(&review); err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	if review.Response == nil || review.Response.Result == nil || review.Response.UID != "1" {
		return answer{}, fmt.Errorf("the answer is none: %+v", review)
	}
	return answer{
		allowed: review.Response.Allowed,
		verdict: review.Response.AuditAnnotations["verdict"],
		reason:  verdict.Reason(review.Response.AuditAnnotations["reason"]),
		message: review.Response.Result.Message,
	}, nil
}

func (what write) review() admissionv1.AdmissionReview {
	request := &admissionv1.AdmissionRequest{
		UID:       "1",
		Kind:      metav1.GroupVersionKind{Group: what.group, Version: what.version, Kind: what.kind},
		Operation: admissionv1.Create,
		Namespace: what.namespace,
		Name:      what.name,
		Object:    runtime.RawExtension{Raw: []byte(what.object)},
	}
	if what.old != "" {
		request.Operation, request.OldObject.Raw = admissionv1.Update, []byte(what.old)
	}
	return admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request:  request,
	}
}

// mustDeny checks a denial and its message.
func mustDeny(t *testing.T, want verdict.Reason, got answer) {
	t.Helper()
	if got.allowed || got.reason != want {
		t.Errorf("want a denial for %s, got %s for %q: %s", want, got.verdict, got.reason, got.message)
	}
	headline, _, _ := strings.Cut(got.message, "\n")
	if !strings.Contains(headline, "denied ("+string(want)+"): ") {
		t.Errorf("the first line does not say why: %s", headline)
	}
	if len(got.message) > 4<<10 {
		t.Errorf("the message has %d bytes", len(got.message))
	}
	for _, raw := range rawTexts() {
		if strings.Contains(got.message, raw) {
			t.Errorf("the message holds %q, which is a library's or a stranger's text:\n%s", raw, got.message)
		}
	}
}

// rawTexts are pieces of what libraries and faulty servers write, and people must not read.
func rawTexts() []string {
	return []string{
		canary, "injected", "EOF", "dial tcp", "connect:", "reset by peer", "context ", "http:", "http://", "https://127", "Get \"",
		"invalid character", "cannot unmarshal", "json:", "tls:", "x509:", "goroutine", "panic", "oras", "stream error", "i/o timeout",
		"the server ", "client rate limiter", "proto:",
	}
}

// mustAdmit checks an admission by evidence.
func mustAdmit(t *testing.T, got answer) {
	t.Helper()
	if !got.allowed || got.verdict != "Verified" {
		t.Errorf("want it verified, got %s: %s", got.verdict, got.message)
	}
}
