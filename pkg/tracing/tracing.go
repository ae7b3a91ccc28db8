// Package tracing sends OpenTelemetry traces: one span for each admission, and one for each request
// to a registry. It is the only importer of OpenTelemetry's SDK.
package tracing

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracing makes spans and sends them to a collector. Spans wait in a bounded queue: a collector
// that is slow or down costs spans, and no admission waits for it.
type Tracing struct {
	tracer trace.Tracer
	stop   func(context.Context) error
}

// Off returns a Tracing that makes no spans.
func Off() *Tracing {
	return &Tracing{
		tracer: noop.NewTracerProvider().Tracer(scope),
		stop:   func(context.Context) error { return nil },
	}
}

// scope names chartgate as the maker of its spans.
const scope = "github.com/chartgate/chartgate"

// New returns a Tracing that sends spans by OTLP over HTTP to the endpoint, as
// "http://collector:4318". The path is /v1/traces unless the endpoint has one. The SDK's variables
// OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS apply. An error means that the endpoint is not
// a URL of http or https; whether a collector answers there is seen later, in the log.
func New(ctx context.Context, endpoint, version string, log logr.Logger) (*Tracing, error) {
	to, err := url.Parse(endpoint)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" || to.User != nil {
		return nil, fmt.Errorf("%q is not a URL as http://collector.monitoring:4318", endpoint)
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.String()))
	if err != nil {
		return nil, fmt.Errorf("make the exporter of traces: %w", err)
	}
	about := resource.NewSchemaless(semconv.ServiceName("chartgate"), semconv.ServiceVersion(version))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(logging{exporter, log}),
		sdktrace.WithResource(about),
	)
	return &Tracing{tracer: provider.Tracer(scope), stop: provider.Shutdown}, nil
}

// logging writes failures to chartgate's log. The SDK itself would print them as plain text.
type logging struct {
	sdktrace.SpanExporter
	log logr.Logger
}

// ExportSpans sends spans to the collector.
func (l logging) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := l.SpanExporter.ExportSpans(ctx, spans); err != nil {
		l.log.Error(err, "spans were not sent to the collector, and are lost", "spans", len(spans))
	}
	return nil
}

// flushTime bounds the time in which the last spans are sent at the end of the process.
const flushTime = 5 * time.Second

// Start waits until ctx ends, and sends what is left. It is a Runnable of a manager.
func (t *Tracing) Start(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	return t.stop(ctx)
}

// NeedLeaderElection lets every replica send its spans.
func (*Tracing) NeedLeaderElection() bool { return false }

// Handler makes a span of each request. The trace context of the API server, which traces
// admissions if it is configured to, is the parent.
func (t *Tracing) Handler(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := propagation.TraceContext{}.Extract(req.Context(), propagation.HeaderCarrier(req.Header))
		ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, req.WithContext(ctx))
	})
}

// Transport makes a span of each request to a registry. The span holds no query: that of a
// redirected request can be a credential. The registry is not told the trace.
func (t *Tracing) Transport(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		ctx, span := t.tracer.Start(req.Context(), req.Method+" "+req.URL.Host, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				semconv.HTTPRequestMethodKey.String(req.Method),
				semconv.ServerAddress(req.URL.Hostname()),
				semconv.URLPath(req.URL.Path),
			))
		defer span.End()
		resp, err := next.RoundTrip(req.WithContext(ctx))
		if err != nil {
			// The text of an error can hold the URL with its query.
			span.SetStatus(codes.Error, "no answer")
			return nil, err
		}
		span.SetAttributes(semconv.HTTPResponseStatusCode(resp.StatusCode))
		return resp, nil
	})
}

// roundTripFunc is a function as an http.RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
