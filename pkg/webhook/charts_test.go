package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// said is what a test compares of a response.
type said struct {
	Allowed  bool
	Causes   []string // "Reason field"
	Warnings []string
}

func denied(causes ...string) said { return said{Causes: causes} }

func saidBy(r admission.Response) said {
	s := said{Allowed: r.Allowed, Warnings: r.Warnings}
	if r.Result != nil && r.Result.Details != nil {
		for _, cause := range r.Result.Details.Causes {
			s.Causes = append(s.Causes, strings.TrimSpace(string(cause.Type)+" "+cause.Field))
		}
	}
	return s
}

func change(req admission.Request, f func(*admissionv1.AdmissionRequest)) admission.Request {
	f(&req.AdmissionRequest)
	return req
}

func TestRequests(t *testing.T) {
	good := create(t, helmRelease("podinfo", "acme"))
	old := helmRelease("podinfo", "old")
	for _, c := range []struct {
		sentence string
		req      admission.Request
		want     said
	}{
		{"a signed chart is admitted", good, said{Allowed: true}},
		{"an unsigned chart is denied", create(t, helmRelease("unsigned", "acme")), denied("SignatureMissing spec.chart.spec")},
		{"a stranger's chart is denied", create(t, helmRelease("stranger", "acme")), denied("IdentityNotAllowed spec.chart.spec")},
		{"an update to an unsigned chart is denied", update(t, old, helmRelease("unsigned", "acme"), ""), denied("SignatureMissing spec.chart.spec")},
		{"an update that changes no chart is admitted", update(t, helmRelease("unsigned", "acme"), helmRelease("unsigned", "acme"), ""), said{Allowed: true}},
		{"a creation with an old object is compared with nothing", change(update(t, helmRelease("unsigned", "acme"), helmRelease("unsigned", "acme"), ""), func(r *admissionv1.AdmissionRequest) {
			r.Operation = admissionv1.Create
		}), denied("SignatureMissing spec.chart.spec")},
		{"an update without an old object is denied", change(update(t, old, old, ""), func(r *admissionv1.AdmissionRequest) { r.OldObject.Raw = nil }), denied("Unsupported")},
		{"a deletion is no operation of ours", change(good, func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete }), denied("Unsupported")},
		{"a deletion with an object and an old one is no operation of ours", change(update(t, old, old, ""), func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete }), denied("Unsupported")},
		{"a connection is no operation of ours", change(good, func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Connect }), denied("Unsupported")},
		{"no operation is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Operation = "" }), denied("Unsupported")},
		{"an operation in lower case is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Operation = "create" }), denied("Unsupported")},
		{"no object is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }), denied("Unsupported")},
		{"an object that cannot be read is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(`{"spec":1}`) }), denied("ReferenceInvalid")},
		{"an unknown kind is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Kind.Kind = "Pod" }), denied("Unsupported")},
		{"a kind of another group is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.Kind.Group = "evil.example" }), denied("Unsupported")},
		{"an unknown subresource is denied", change(good, func(r *admissionv1.AdmissionRequest) { r.SubResource = "scale" }), denied("Unsupported")},
		{"the version of a kind does not matter", change(good, func(r *admissionv1.AdmissionRequest) { r.Kind.Version = "v99" }), said{Allowed: true}},
		{"a deferral warns", create(t, helmRelease("podinfo", "absent")), said{Allowed: true,
			Warnings: []string{"not verified yet: HelmRepository apps/absent does not exist; the chart will be verified when it is pulled"}}},
		{"a chart in mode Warn warns", create(t, helmRelease("unsigned", "warn")), said{Allowed: true, Warnings: []string{
			"chartgate would deny this (SignatureMissing): oci://ghcr.io/warn/unsigned:1.0.0@" + hex("a") + " has no signature; policy: warn requires a signature by release (subject release@acme.example, issuer https://issuer.example); next: release@acme.example must sign it: cosign sign --yes ghcr.io/warn/unsigned@" + hex("a")}}},
		{"a chart of the migration window warns", create(t, helmRelease("unsigned", "old")), said{Allowed: true, Warnings: []string{
			"chartgate admitted this unverified: policy old allows oci://ghcr.io/old/unsigned:1.0.0 (migration; until 2099-12-31)"}}},
		{"each bad source of an application has a cause", create(t, object("Application", "argocd/x",
			"spec: {sources: [{repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}, {repoURL: ghcr.io/acme, chart: unsigned, targetRevision: 1.0.0}, {repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}]}")),
			denied("SignatureMissing spec.sources[1]", "NoPolicy spec.sources[2]")},
		{"a dry run is decided alike", change(create(t, helmRelease("unsigned", "acme")), func(r *admissionv1.AdmissionRequest) { r.DryRun = new(bool); *r.DryRun = true }), denied("SignatureMissing spec.chart.spec")},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := saidBy(newWorld(t, repositories()).charts(t, 8).Handle(t.Context(), c.req))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, warning := range got.Warnings {
				if strings.ContainsAny(warning, "\n\r\x00") {
					t.Errorf("the API server drops this warning: %q", warning)
				}
			}
		})
	}
}

// Whatever goes wrong is a denial, whose message tells no secrets.
func TestFaults(t *testing.T) {
	secret := errors.New("token=hunter2")
	for _, c := range []struct {
		sentence string
		inject   func(*world)
		want     said
	}{
		{"the registry panics", func(w *world) {
			w.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { panic("hunter2") }
		}, denied("InternalError spec.chart.spec")},
		{"the registry fails", func(w *world) {
			w.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { return artifact.Resolved{}, secret }
		}, denied("InternalError spec.chart.spec")},
		{"the registry says nothing", func(w *world) {
			w.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { return artifact.Resolved{}, nil }
		}, denied("InternalError spec.chart.spec")},
		{"the cluster panics", func(w *world) {
			w.read = func(context.Context, source.ID) ([]source.Object, error) { panic("hunter2") }
		}, denied("InternalError")},
		{"the cluster fails", func(w *world) {
			w.read = func(context.Context, source.ID) ([]source.Object, error) { return nil, secret }
		}, denied("InternalError spec.chart.spec")},
		{"the policies have not been loaded", func(w *world) { w.set = nil }, denied("InternalError spec.chart.spec")},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, repositories())
			c.inject(w)
			response := w.charts(t, 8).Handle(t.Context(), create(t, helmRelease("podinfo", "acme")))
			if diff := cmp.Diff(c.want, saidBy(response)); diff != "" {
				t.Error(diff)
			}
			if text := fmt.Sprint(response); strings.Contains(text, "hunter2") || strings.Contains(text, "goroutine") {
				t.Errorf("the answer tells too much: %s", text)
			}
		})
	}
}

// occupied is a webhook with one place to read from the API server, which a write holds that gets no
// answer until it is let go.
func (w *world) occupied(t *testing.T) (charts *webhook.Charts, letGo func() admission.Response) {
	t.Helper()
	blocked, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.read = func(_ context.Context, id source.ID) ([]source.Object, error) {
		once.Do(func() { close(blocked); <-free })
		return w.find(id), nil
	}
	charts = w.charts(t, 1)
	first := make(chan admission.Response, 1)
	go func() { first <- charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))) }()
	<-blocked
	return charts, func() admission.Response {
		close(free)
		return <-first
	}
}

// handleInVain is the answer to a write that has no time to wait for a place.
func handleInVain(t *testing.T, charts *webhook.Charts) admission.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	return charts.Handle(ctx, create(t, helmRelease("other", "acme")))
}

// One place to read from the API server, held by a write that gets no answer.
func TestConcurrency(t *testing.T) {
	w := newWorld(t, repositories())
	charts, letGo := w.occupied(t)
	second := handleInVain(t, charts)
	if diff := cmp.Diff(denied("Timeout"), saidBy(second)); diff != "" {
		t.Errorf("a second write must wait, and be denied at its deadline: %s", diff)
	}
	if !strings.Contains(second.Result.Message, "too many writes are being examined") {
		t.Errorf("the second write is not told why: %s", second.Result.Message)
	}
	unchanged := charts.Handle(t.Context(), update(t, helmRelease("other", "acme"), helmRelease("other", "acme"), ""))
	if diff := cmp.Diff(said{Allowed: true}, saidBy(unchanged)); diff != "" {
		t.Errorf("a write that changes no chart must not wait: %s", diff)
	}
	if diff := cmp.Diff(said{Allowed: true}, saidBy(letGo())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(said{Allowed: true}, saidBy(charts.Handle(t.Context(), create(t, helmRelease("other", "acme"))))); diff != "" {
		t.Errorf("the place must be free again: %s", diff)
	}
}

// A write whose registry does not answer holds no place.
func TestASlowRegistryHoldsNoPlace(t *testing.T) {
	w := newWorld(t, repositories())
	blocked, free := make(chan struct{}), make(chan struct{})
	w.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		if ref.Location.Name() == "podinfo" {
			close(blocked)
			<-free
		}
		return resolved(ref), nil
	}
	charts := w.charts(t, 1)
	first := make(chan admission.Response, 1)
	go func() { first <- charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))) }()
	<-blocked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if diff := cmp.Diff(said{Allowed: true}, saidBy(charts.Handle(ctx, create(t, helmRelease("other", "acme"))))); diff != "" {
		t.Errorf("another chart must not wait: %s", diff)
	}
	close(free)
	if diff := cmp.Diff(said{Allowed: true}, saidBy(<-first)); diff != "" {
		t.Error(diff)
	}
}

// Writes that wait for a registry hold memory: there is an end to them.
func TestPendingWritesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, repositories())
		free := make(chan struct{})
		w.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			<-free
			return resolved(ref), nil
		}
		charts := w.charts(t, 1000)
		const bound = 600 // of maxPending, for one namespace
		answers := make(chan admission.Response, bound)
		for range bound {
			go func() { answers <- charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))) }()
		}
		synctest.Wait()
		if diff := cmp.Diff(denied("LimitExceeded"), saidBy(charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))))); diff != "" {
			t.Errorf("one write more: %s", diff)
		}
		elsewhere := create(t, helmRelease("podinfo", "acme"))
		elsewhere.Namespace = "others"
		if answer := charts.Handle(t.Context(), elsewhere); !answer.Allowed { // deferred: it has no source yet
			t.Errorf("the write of another namespace: %s", answer.Result.Message)
		}
		unchanged := charts.Handle(t.Context(), update(t, helmRelease("podinfo", "acme"), helmRelease("podinfo", "acme"), ""))
		if diff := cmp.Diff(said{Allowed: true}, saidBy(unchanged)); diff != "" {
			t.Errorf("a write that changes no chart: %s", diff)
		}
		close(free)
		for range bound {
			if diff := cmp.Diff(said{Allowed: true}, saidBy(<-answers)); diff != "" {
				t.Error(diff)
			}
		}
		if diff := cmp.Diff(said{Allowed: true}, saidBy(charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme"))))); diff != "" {
			t.Errorf("afterwards: %s", diff)
		}
	})
}

// A panic must not keep its place.
func TestPlacesAfterPanics(t *testing.T) {
	w := newWorld(t, repositories())
	charts := w.charts(t, 1)
	w.read = func(context.Context, source.ID) ([]source.Object, error) { panic("injected") }
	for range 3 {
		charts.Handle(t.Context(), create(t, helmRelease("podinfo", "acme")))
	}
	w.read = nil
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if diff := cmp.Diff(said{Allowed: true}, saidBy(charts.Handle(ctx, create(t, helmRelease("podinfo", "acme"))))); diff != "" {
		t.Error(diff)
	}
}

// An expired deadline denies, whatever it interrupts.
func TestDeadlineIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := saidBy(newWorld(t, repositories()).charts(t, 8).Handle(ctx, create(t, helmRelease("podinfo", "acme"))))
	if got.Allowed {
		t.Error("admitted after the deadline")
	}
}
