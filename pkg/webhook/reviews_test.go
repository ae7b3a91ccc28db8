package webhook_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// post sends a body to the handler as the API server does, and reads the answer.
func post(t *testing.T, charts *webhook.Charts, contentType, body string) admissionv1.AdmissionReview {
	t.Helper()
	return postWithin(t, "10s", charts, contentType, body)
}

func postWithin(t *testing.T, timeout string, charts *webhook.Charts, contentType, body string) admissionv1.AdmissionReview {
	t.Helper()
	return postTo(t, timeout, webhook.NewBodies(logr.Discard()).Charts(charts), contentType, body)
}

func postTo(t *testing.T, timeout string, handler http.Handler, contentType, body string) admissionv1.AdmissionReview {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/validate-charts?timeout="+timeout, strings.NewReader(body))
	if body == "" {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	webhook.WithDeadline(handler).ServeHTTP(answer, req)
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(answer.Body.Bytes(), &review); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	if review.Response == nil || review.Response.Result == nil {
		t.Fatalf("no answer: %s", answer.Body)
	}
	return review
}

func reviewOf(t *testing.T, version string, req admission.Request) string {
	t.Helper()
	raw, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/" + version, Kind: "AdmissionReview"}, Request: &req.AdmissionRequest,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestReviews(t *testing.T) {
	const head = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"`
	good := reviewOf(t, "v1", create(t, helmRelease("podinfo", "acme")))
	type answer struct {
		Allowed    bool
		Code       int32
		APIVersion string
	}
	for _, c := range []struct {
		sentence, contentType, body string
		want                        answer
	}{
		{"a good review is admitted", "application/json", good, answer{true, 200, "admission.k8s.io/v1"}},
		{"a review of the old version is answered in it", "application/json", reviewOf(t, "v1beta1", create(t, helmRelease("podinfo", "acme"))), answer{true, 200, "admission.k8s.io/v1beta1"}},
		{"a review without a request is denied", "application/json", head + `}`, answer{false, 403, "admission.k8s.io/v1"}},
		{"a review whose request is null is denied", "application/json", head + `,"request":null}`, answer{false, 403, "admission.k8s.io/v1"}},
		{"a review with an empty request is denied", "application/json", head + `,"request":{}}`, answer{false, 403, "admission.k8s.io/v1"}},
		{"a request of another type is denied", "application/json", head + `,"request":[]}`, answer{false, 400, ""}},
		{"a body that is no JSON is denied", "application/json", "{", answer{false, 400, ""}},
		{"a body that is cut off is denied", "application/json", good[:len(good)-1], answer{false, 400, ""}},
		{"no body is denied", "application/json", "", answer{false, 400, ""}},
		{"a body that is no review is denied", "application/json", `{"apiVersion":"v1","kind":"Pod"}`, answer{false, 403, "v1"}},
		{"another content type is denied", "application/yaml", good, answer{false, 400, ""}},
		{"no content type is denied", "", good, answer{false, 400, ""}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			review := post(t, newWorld(t, repositories()).charts(t, 8), c.contentType, c.body)
			got := answer{review.Response.Allowed, review.Response.Result.Code, review.APIVersion}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, review.Response.Result.Message)
			}
			if got.Allowed && review.Response.UID != "1" {
				t.Errorf("the answer is to request %q", review.Response.UID)
			}
		})
	}
}

// Our own denial must arrive while the API server still listens, whatever hangs.
func TestWhateverHangs(t *testing.T) {
	for _, c := range []struct {
		sentence string
		hang     func(*world)
	}{
		{"a registry that does not listen to its context", func(w *world) {
			w.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				<-t.Context().Done()
				return artifact.Resolved{}, nil
			}
		}},
		{"an API server", func(w *world) {
			w.read = func(ctx context.Context, _ source.ID) ([]source.Object, error) { <-ctx.Done(); return nil, ctx.Err() }
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, repositories())
			c.hang(w)
			started := time.Now()
			review := postWithin(t, "100ms", w.charts(t, 8), "application/json", reviewOf(t, "v1", create(t, helmRelease("podinfo", "acme"))))
			if diff := cmp.Diff(denied("Timeout spec.chart.spec"), saidBy(admission.Response{AdmissionResponse: *review.Response})); diff != "" {
				t.Error(diff)
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("the answer took %s", took)
			}
		})
	}
}
