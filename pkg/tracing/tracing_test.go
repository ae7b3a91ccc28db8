package tracing_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/chartgate/chartgate/pkg/tracing"
	"github.com/chartgate/chartgate/test/fixtures/otlp"
)

// flush ends the tracing, which sends everything first.
func flush(t *testing.T, tr *tracing.Tracing) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	if err := tr.Start(ended); err != nil {
		t.Fatal(err)
	}
}

func ok(req *http.Request) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestARequestToARegistryIsAChildOfItsAdmissionAndThatOfTheAPIServersTrace(t *testing.T) {
	t.Parallel()
	collector := otlp.New()
	t.Cleanup(collector.Close)
	tr, err := tracing.New(t.Context(), collector.URL, "v1.2.3", logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	registry := tr.Transport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("Traceparent") != "" {
			t.Error("the registry is told the trace")
		}
		return ok(req), nil
	}))
	handler := tr.Handler("admission", http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		out, _ := http.NewRequestWithContext(req.Context(), http.MethodGet, "https://ghcr.io/v2/acme/podinfo/manifests/1.0.0?signature=secret", nil)
		if _, err := registry.RoundTrip(out); err != nil {
			t.Error(err)
		}
	}))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/validate-charts", nil)
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	handler.ServeHTTP(httptest.NewRecorder(), req)
	flush(t, tr)
	got := collector.Spans()
	if len(got) != 2 {
		t.Fatalf("got %d spans", len(got))
	}
	request, admission := got[0], got[1]
	for what, pair := range map[string][2]string{
		"the admission's trace":  {hex.EncodeToString(admission.TraceId), "0af7651916cd43dd8448eb211c80319c"},
		"the admission's parent": {hex.EncodeToString(admission.ParentSpanId), "b7ad6b7169203331"},
		"the request's parent":   {hex.EncodeToString(request.ParentSpanId), hex.EncodeToString(admission.SpanId)},
		"the names":              {admission.Name + ", " + request.Name, "admission, GET ghcr.io"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %s, want %s", what, pair[0], pair[1])
		}
	}
	if text := request.String(); strings.Contains(text, "secret") || !strings.Contains(text, "/v2/acme/podinfo/manifests/1.0.0") {
		t.Errorf("the span of the request: %s", text)
	}
}

func TestAFailedRequestShowsNothingOfItsURL(t *testing.T) {
	t.Parallel()
	collector := otlp.New()
	t.Cleanup(collector.Close)
	tr, err := tracing.New(t.Context(), collector.URL, "v1.2.3", logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	out, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/blob?signature=secret", nil)
	if _, err := tr.Transport(http.DefaultTransport).RoundTrip(out); err == nil {
		t.Fatal("port 1 answered")
	}
	flush(t, tr)
	got := collector.Spans()
	if len(got) != 1 || got[0].Status.GetCode() != trace.Status_STATUS_CODE_ERROR || strings.Contains(got[0].String(), "secret") {
		t.Errorf("got %v", got)
	}
}

func TestWithoutACollectorAdmissionsGoOnAndTheLogSaysSo(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	var mu sync.Mutex
	log := funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		logged.WriteString(args)
	}, funcr.Options{})
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refusing.Close)
	tr, err := tracing.New(t.Context(), refusing.URL, "v1.2.3", log)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	tr.Handler("admission", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).
		ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	flush(t, tr)
	mu.Lock()
	defer mu.Unlock()
	if answer.Code != http.StatusTeapot || !strings.Contains(logged.String(), "spans were not sent") {
		t.Errorf("answer %d, log %q", answer.Code, logged.String())
	}
}

func TestOffMakesNoSpans(t *testing.T) {
	t.Parallel()
	tr := tracing.Off()
	out, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ghcr.io/v2/", nil)
	resp, err := tr.Transport(roundTripFunc(func(req *http.Request) (*http.Response, error) { return ok(req), nil })).RoundTrip(out)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	flush(t, tr)
}

func TestAnEndpointThatIsNoURLIsRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"collector:4318", "collector", "grpc://collector:4317", "http://", "http://user:password@collector:4318", "http://a b"} {
		if _, err := tracing.New(t.Context(), endpoint, "v1.2.3", logr.Discard()); err == nil || !strings.Contains(err.Error(), "http://collector.monitoring:4318") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
