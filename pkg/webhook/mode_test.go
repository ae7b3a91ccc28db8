package webhook_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
)

func TestModes(t *testing.T) {
	var zero webhook.Mode
	for _, c := range []struct {
		sentence, name string
		want           webhook.Mode
		refused        bool
	}{
		{"the zero value enforces", zero.String(), webhook.Enforce, false},
		{"Enforce", "Enforce", webhook.Enforce, false},
		{"Warn", "Warn", webhook.Warn, false},
		{"a mode that does not exist", "Audit", webhook.Enforce, true},
		{"a mode in lower case", "warn", webhook.Enforce, true},
		{"no mode", "", webhook.Enforce, true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got, err := webhook.ParseMode(c.name)
			if got != c.want || (err != nil) != c.refused {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestTheMetricSaysWhichModeIsOn(t *testing.T) {
	for mode, want := range map[webhook.Mode]map[string]float64{
		webhook.Enforce: {"chartgate_mode{Enforce}": 1, "chartgate_mode{Warn}": 0},
		webhook.Warn:    {"chartgate_mode{Enforce}": 0, "chartgate_mode{Warn}": 1},
	} {
		r := prometheus.NewRegistry()
		if err := mode.Register(r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, counts(t, r)); diff != "" {
			t.Error(diff)
		}
		if mode.Register(r) == nil {
			t.Error("no error for a metric that is registered twice")
		}
	}
}

// denial is a write that is denied, and why.
type denial struct {
	sentence string
	inject   func(*world)
	req      func(*testing.T) admission.Request
	reason   string
}

func denials() []denial {
	none := func(*world) {}
	made := func(text string) func(*testing.T) admission.Request {
		return func(t *testing.T) admission.Request { return create(t, text) }
	}
	but := func(f func(*admissionv1.AdmissionRequest)) func(*testing.T) admission.Request {
		return func(t *testing.T) admission.Request { return change(create(t, helmRelease("podinfo", "acme")), f) }
	}
	registry := func(f func(context.Context) (artifact.Resolved, error)) func(*world) {
		return func(w *world) {
			w.resolve = func(ctx context.Context, _ chart.Reference) (artifact.Resolved, error) { return f(ctx) }
		}
	}
	cluster := func(f func() ([]source.Object, error)) func(*world) {
		return func(w *world) { w.read = func(context.Context, source.ID) ([]source.Object, error) { return f() } }
	}
	good := made(helmRelease("podinfo", "acme"))
	artifactOf := func(digest string) string {
		return object("HelmChart", "apps/apps-podinfo", "spec: {chart: podinfo, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}"+
			"\nstatus: {artifact: {digest: \""+hex(digest)+"\"}}")
	}
	return []denial{
		{"an unsigned chart", none, made(helmRelease("unsigned", "acme")), "SignatureMissing"},
		{"a stranger's chart", none, made(helmRelease("stranger", "acme")), "IdentityNotAllowed"},
		{"a chart without a policy", none, made(object("HelmRepository", "apps/x", `spec: {type: oci, url: "oci://ghcr.io/evil"}`)), "NoPolicy"},
		{"a chart in Git", none, made(object("HelmChart", "apps/x", "spec: {chart: ./x, sourceRef: {kind: GitRepository, name: x}}")), "NotOCI"},
		{"a chart in a bucket", none, made(object("HelmChart", "apps/x", "spec: {chart: ./x, sourceRef: {kind: Bucket, name: x}}")), "NotOCI"},
		{"another artifact than the signed one", none, func(t *testing.T) admission.Request { return update(t, artifactOf("b"), artifactOf("c"), "status") }, "DigestMismatch"},
		{"manifests that are sent with a sync", none, made(object("Application", "argocd/x", `spec: {source: {repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}}`+
			"\noperation: {sync: {revision: 1.0.0, manifests: [\"{}\"]}}")), "Unsupported"},
		{"a reference that cannot be read", none, made(object("HelmRepository", "apps/x", `spec: {type: oci, url: "oci://"}`)), "ReferenceInvalid"},
		{"an object that cannot be read", none, but(func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(`{"spec":1}`) }), "ReferenceInvalid"},
		{"no object", none, but(func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }), "Unsupported"},
		{"an unknown kind", none, but(func(r *admissionv1.AdmissionRequest) { r.Kind.Kind = "Pod" }), "Unsupported"},
		{"an unknown operation", none, but(func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete }), "Unsupported"},
		{"a registry that panics", registry(func(context.Context) (artifact.Resolved, error) { panic("hunter2") }), good, "InternalError"},
		{"a registry that fails", registry(func(context.Context) (artifact.Resolved, error) { return artifact.Resolved{}, errors.New("hunter2") }), good, "InternalError"},
		{"a registry that does not answer in time", registry(func(ctx context.Context) (artifact.Resolved, error) {
			<-ctx.Done()
			return artifact.Resolved{}, ctx.Err()
		}), good, "Timeout"},
		{"a cluster that panics", cluster(func() ([]source.Object, error) { panic("hunter2") }), good, "InternalError"},
		{"a cluster that fails", cluster(func() ([]source.Object, error) { return nil, errors.New("hunter2") }), good, "InternalError"},
		{"policies that have not been loaded", func(w *world) { w.set = nil }, good, "InternalError"},
	}
}

// folders are a Git repository and a bucket that no policy waives.
var folders = object("GitRepository", "apps/x", "spec: {url: 'https://github.com/acme/apps'}") + object("Bucket", "apps/x", "spec: {endpoint: minio.acme.example, bucketName: charts}")

// TestWarnAdmitsWhatEnforceDenies: the same write, denied by an installation that enforces, is
// admitted by one that warns, and everyone can see that.
func TestWarnAdmitsWhatEnforceDenies(t *testing.T) {
	for _, c := range denials() {
		t.Run(c.sentence, func(t *testing.T) {
			enforcing := newWorld(t, repositories()+folders)
			c.inject(enforcing)
			got := review(t, enforcing, c.req(t))
			if got.Allowed || !strings.Contains(got.Result.Message, " denied ("+c.reason+"): ") {
				t.Fatalf("Enforce: %+v", got)
			}
			warning := newWorld(t, repositories()+folders)
			warning.mode = webhook.Warn
			c.inject(warning)
			got = review(t, warning, c.req(t))
			if !got.Allowed || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "chartgate would deny this ("+c.reason+"): ") {
				t.Errorf("Warn: %+v", got)
			}
			if !strings.HasSuffix(got.AuditAnnotations["verdict"], "Warned") || got.AuditAnnotations["reason"] != c.reason {
				t.Errorf("audit annotations: %v", got.AuditAnnotations)
			}
			for _, w := range []*world{enforcing, warning} {
				if len(w.events) == 0 || w.events[0].Reason != c.reason {
					t.Errorf("events: %+v", w.events)
				}
			}
			if note := warning.events[0].Note; !strings.Contains(note, " admitted because chartgate only warns ("+c.reason+"): ") {
				t.Errorf("note: %s", note)
			}
			for name, count := range counts(t, warning.metrics) {
				if strings.Contains(name, ",Denied}") || strings.HasSuffix(name, ","+c.reason+",Warned}") && count != 1 {
					t.Errorf("metric %s %f", name, count)
				}
			}
		})
	}
}

// Only what Enforce denies is different.
func TestWarnChangesNoAdmission(t *testing.T) {
	for _, text := range []string{helmRelease("podinfo", "acme"), helmRelease("unsigned", "warn"), helmRelease("unsigned", "old"), helmRelease("podinfo", "absent")} {
		enforcing, warning := newWorld(t, repositories()+folders), newWorld(t, repositories()+folders)
		warning.mode = webhook.Warn
		want, got := review(t, enforcing, create(t, text)), review(t, warning, create(t, text))
		if diff := cmp.Diff(want, got); diff != "" || !got.Allowed {
			t.Errorf("%s%s", text, diff)
		}
	}
}

func review(t *testing.T, w *world, req admission.Request) *admissionv1.AdmissionResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if w.resolve == nil && w.read == nil {
		ctx = t.Context() // nothing waits
	}
	response := w.charts(t, 8).Handle(ctx, req)
	return &response.AdmissionResponse
}

func TestWarnAdmitsWritesThatWaitTooLong(t *testing.T) {
	w := newWorld(t, repositories()+folders)
	w.mode = webhook.Warn
	charts, letGo := w.occupied(t)
	second := handleInVain(t, charts)
	letGo()
	if !second.Allowed || !strings.HasPrefix(strings.Join(second.Warnings, ""), "chartgate would deny this (Timeout): ") {
		t.Errorf("%+v", second)
	}
}

func TestWarnAdmitsMoreWritesThanMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, repositories()+folders)
		w.mode = webhook.Warn
		free := make(chan struct{})
		w.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			<-free
			return resolved(ref), nil
		}
		charts := w.charts(t, 1000)
		var group sync.WaitGroup
		for range 600 {
			group.Go(func() { charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))) })
		}
		synctest.Wait()
		more := charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme")))
		close(free)
		group.Wait()
		if !more.Allowed || !strings.HasPrefix(strings.Join(more.Warnings, ""), "chartgate would deny this (LimitExceeded): ") {
			t.Errorf("%+v", more)
		}
	})
}

// A request whose body is not read is answered too: its UID and the name of the object come first.
func TestWarnAdmitsWhatIsNotRead(t *testing.T) {
	sent := reviewOf(t, "v1", create(t, helmRelease("unsigned", "acme")))
	for _, c := range []struct {
		sentence string
		body     func() io.Reader
		length   int64
		encoding string
		why      string
	}{
		{"a body that says it is too large", reading(sent), 8 << 20, "", "more than the 7 MiB"},
		{"a body that is too large, in chunks", reading(large(t, 8<<20)), -1, "", "more than the 7 MiB"},
		{"a body that breaks off", func() io.Reader { return io.MultiReader(strings.NewReader(sent[:len(sent)-9]), broken{}) }, int64(len(sent)), "", "cannot be read"},
		{"a body that says it is encoded", reading(sent), int64(len(sent)), "gzip", "is encoded"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			for _, mode := range []webhook.Mode{webhook.Warn, webhook.Enforce} {
				w := newWorld(t, repositories()+folders)
				w.mode = mode
				var lines []string
				log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
				answer := httptest.NewRecorder()
				req := request(c.body(), c.length, "10.0.0.1")
				req.Header.Set("Content-Encoding", c.encoding)
				webhook.NewBodies(log).Charts(w.charts(t, 8)).ServeHTTP(answer, req)
				admitted := strings.Contains(answer.Body.String(), `"allowed":true`)
				switch {
				case mode == webhook.Enforce && (admitted || answer.Code < 400):
					t.Errorf("Enforce: %d %s", answer.Code, answer.Body)
				case mode == webhook.Warn && (!admitted || !strings.Contains(answer.Body.String(), `"uid":"1"`) ||
					!strings.Contains(answer.Body.String(), "chartgate would deny this (LimitExceeded): ") || !strings.Contains(answer.Body.String(), c.why)):
					t.Errorf("Warn: %d %s", answer.Code, answer.Body)
				case mode == webhook.Warn && (len(lines) != 1 || !strings.Contains(lines[0], `"namespace"="apps"`) || !strings.Contains(lines[0], `"verdict"="Warned"`)):
					t.Errorf("log: %q", lines)
				case mode == webhook.Warn && counts(t, w.metrics)["chartgate_decisions_total{HelmRelease,LimitExceeded,Warned}"] != 1:
					t.Errorf("metrics: %v", slices.Collect(maps.Keys(counts(t, w.metrics))))
				case len(w.events) > 0:
					t.Errorf("a write that may be a dry run made an Event: %+v", w.events)
				}
			}
		})
	}
}

func reading(text string) func() io.Reader {
	return func() io.Reader { return strings.NewReader(text) }
}

// broken is the end of a body whose sender has gone.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// While others hold the room for bodies, a write is admitted by what comes first in it.
func TestWarnAdmitsWhatFindsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, repositories()+folders)
		w.mode = webhook.Warn
		handler := webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(w.charts(t, 8)))
		let := make(chan struct{})
		var group sync.WaitGroup
		for _, from := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"} {
			group.Go(func() {
				handler.ServeHTTP(httptest.NewRecorder(), request(&stalled{body: strings.NewReader("{}"), reading: new(atomic.Int32), let: let}, 6<<20, from))
			})
		}
		synctest.Wait()
		answer := httptest.NewRecorder()
		body := large(t, 6<<20)
		handler.ServeHTTP(answer, request(strings.NewReader(body), int64(len(body)), "10.0.0.5"))
		close(let)
		group.Wait()
		if text := answer.Body.String(); !strings.Contains(text, `"allowed":true`) || !strings.Contains(text, `"uid":"1"`) || !strings.Contains(text, "too many requests") {
			t.Errorf("%d %s", answer.Code, text)
		}
	})
}

// Without a UID there is nothing to answer. The API server always writes one.
func TestWhatHasNoUIDGetsNoAdmission(t *testing.T) {
	for _, body := range []string{"", "{", "[]", `{"request":{}}`, `{"kind":"x","request":null}`, `{"request":{"uid":1}}`, `{"request":{"object":{"uid":"1"},"uid":"1"}}`, `{"uid":"1"}`} {
		w := newWorld(t, repositories()+folders)
		w.mode = webhook.Warn
		answer := httptest.NewRecorder()
		webhook.NewBodies(logr.Discard()).Charts(w.charts(t, 8)).ServeHTTP(answer, request(strings.NewReader(body), 8<<20, "10.0.0.1"))
		if answer.Code != 413 || strings.Contains(answer.Body.String(), "allowed") {
			t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
		}
	}
}
