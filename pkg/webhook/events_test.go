package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/source"
)

// maxNote is the API server's limit on the note of an Event (events.k8s.io/v1).
const maxNote = 1024

// hintFor is how a note ends, with the object that it is on.
func hintFor(resource string) string {
	return "\nOnce fixed: kubectl -n apps annotate --overwrite " + resource + ` reconcile.fluxcd.io/requestedAt="$(date +%s)"`
}

// told is an event without its text.
type told struct{ On, UID, Type, Reason, Action string }

func toldBy(w *world) []told {
	var all []told
	for _, e := range w.events {
		all = append(all, told{e.On, e.UID, e.Type, e.Reason, e.Action})
	}
	return all
}

func warning(on, uid, reason string) told { return told{on, uid, "Warning", reason, "Admit"} }

// Flux shows nothing of a denied status write, so the webhook tells people itself.
func TestEvents(t *testing.T) {
	helmChart := func(digest string) string {
		body := "spec: {chart: podinfo, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}"
		if digest != "" {
			body += "\nstatus: {artifact: {digest: \"" + hex(digest) + "\"}}"
		}
		return object("HelmChart", "apps/apps-podinfo", body)
	}
	ociRepository := object("OCIRepository", "apps/shared", `spec: {url: "oci://ghcr.io/acme/unsigned", ref: {tag: 1.0.0}}`)
	byReference := object("HelmRelease", "apps/x", "spec: {chartRef: {kind: OCIRepository, name: shared, namespace: apps}}")
	const v1, v2 = "source.toolkit.fluxcd.io/v1 ", "helm.toolkit.fluxcd.io/v2 "
	for _, c := range []struct {
		sentence, cluster string
		req               admission.Request
		want              []told
	}{
		{"an admitted write makes no Event", "", create(t, helmRelease("podinfo", "acme")), nil},
		{"an unchanged write makes no Event", "", update(t, helmRelease("unsigned", "acme"), helmRelease("unsigned", "acme"), ""), nil},
		{"a deferral makes no Event", "", create(t, helmRelease("podinfo", "absent")), nil},
		{"a waiver makes no Event", "", create(t, helmRelease("unsigned", "old")), nil},
		{"a denial is told on the object", "", create(t, helmRelease("unsigned", "acme")), []told{warning(v2+"HelmRelease apps/unsigned", "unsigned-uid", "SignatureMissing")}},
		{"a warning is told on the object", "", create(t, helmRelease("unsigned", "warn")), []told{warning(v2+"HelmRelease apps/unsigned", "unsigned-uid", "SignatureMissing")}},
		{"a denied artifact is told on the releases that install it", helmRelease("podinfo", "acme") + helmRelease("other", "acme"), update(t, helmChart(""), helmChart("c"), "status"),
			[]told{warning(v1+"HelmChart apps/apps-podinfo", "apps-podinfo-uid", "DigestMismatch"), warning(v2+"HelmRelease apps/podinfo", "podinfo-uid", "DigestMismatch")}},
		{"an admitted artifact is not", helmRelease("podinfo", "acme"), update(t, helmChart(""), helmChart("b"), "status"), nil},
		{"a denied OCIRepository is told on the releases of its namespace", byReference, create(t, ociRepository),
			[]told{warning(v1+"OCIRepository apps/shared", "shared-uid", "SignatureMissing"), warning(v2+"HelmRelease apps/x", "x-uid", "SignatureMissing")}},
		{"each denial is told", "", create(t, object("Application", "argocd/x", "spec: {sources: [{repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}, {repoURL: ghcr.io/acme, chart: unsigned, targetRevision: 1.0.0}]}")),
			[]told{warning("argoproj.io/v1alpha1 Application argocd/x", "x-uid", "NoPolicy"), warning("argoproj.io/v1alpha1 Application argocd/x", "x-uid", "SignatureMissing")}},
		{"a dry run makes no Event", byReference, change(create(t, ociRepository), func(r *admissionv1.AdmissionRequest) { r.DryRun = new(bool); *r.DryRun = true }), nil},
		{"what is no dry run is news", byReference, change(create(t, helmRelease("unsigned", "acme")), func(r *admissionv1.AdmissionRequest) { r.DryRun = new(bool) }),
			[]told{warning(v2+"HelmRelease apps/unsigned", "unsigned-uid", "SignatureMissing")}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, repositories()+c.cluster)
			w.charts(t, 8).Handle(t.Context(), c.req)
			if diff := cmp.Diff(c.want, toldBy(w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAttackEventsInOtherNamespaces: many releases, of many namespaces, refer to a source that somebody writes again and
// again to be denied. No other namespace gets an Event, and its own gets few.
func TestAttackEventsInOtherNamespaces(t *testing.T) {
	const of = "spec: {chartRef: {kind: OCIRepository, name: shared, namespace: apps}}"
	var releases strings.Builder
	for i := range 40 {
		releases.WriteString(object("HelmRelease", fmt.Sprintf("team-%d/x", i), of) + object("HelmRelease", fmt.Sprintf("apps/x-%d", i), of))
	}
	w := newWorld(t, releases.String())
	w.charts(t, 8).Handle(t.Context(), create(t, object("OCIRepository", "apps/shared", `spec: {url: "oci://ghcr.io/acme/unsigned", ref: {tag: 1.0.0}}`)))
	if len(w.events) != 11 {
		t.Errorf("%d Events, want one on the source and ten on releases", len(w.events))
	}
	for _, e := range w.events {
		if !strings.Contains(e.On, " apps/") {
			t.Errorf("an Event on %s", e.On)
		}
	}
}

func TestNotes(t *testing.T) {
	w := newWorld(t, repositories())
	w.charts(t, 8).Handle(t.Context(), create(t, helmRelease("unsigned", "acme")))
	want := []event{{
		On: "helm.toolkit.fluxcd.io/v2 HelmRelease apps/unsigned", UID: "unsigned-uid", Type: "Warning", Reason: "SignatureMissing", Action: "Admit",
		Note: "HelmRelease apps/unsigned denied (SignatureMissing): oci://ghcr.io/acme/unsigned:1.0.0@" + hex("a") + ` has no signature
  where:    spec.chart.spec
  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)
  found:    0 bundles, 0 legacy signatures
  next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@` + hex("a"),
	}}
	if diff := cmp.Diff(want, w.events); diff != "" {
		t.Error(diff)
	}
}

// The API server refuses longer notes. What is cut is the message, not the hint.
func TestNotesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 240)
	unsigned := fmt.Sprintf("spec: {chart: {spec: {chart: %s/unsigned, version: 1.0.0-%s, sourceRef: {kind: HelmRepository, name: acme}}}}", long[:180], long[:100])
	for _, c := range []struct {
		sentence, cut, kind string
		req                 admission.Request
	}{
		{"a denial", "…", "helmrelease", update(t, object("HelmRelease", "apps/"+long, "spec: {}"), object("HelmRelease", "apps/"+long, unsigned), "")},
		{"a denial with per cent signs", "", "helmchart", update(t, object("HelmChart", "apps/"+long, "spec: {}"), object("HelmChart", "apps/"+long, "spec: {chart: x, sourceRef: {kind: \""+strings.Repeat("%s", 300)+`"}}`), "")},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, repositories())
			w.charts(t, 8).Handle(t.Context(), c.req)
			if len(w.events) != 1 {
				t.Fatalf("%d events", len(w.events))
			}
			note := w.events[0].Note
			if len(note) > maxNote || !strings.HasSuffix(note, c.cut+hintFor(c.kind+"/"+long)) || strings.Contains(note, "MISSING") {
				t.Errorf("%d bytes: %s", len(note), note)
			}
		})
	}
}

// A repository that changes under other people's releases.
func TestDependents(t *testing.T) {
	const evil = `spec: {type: oci, url: "oci://ghcr.io/acme"}`
	moved := object("HelmRepository", "apps/acme", evil)
	before := object("HelmRepository", "apps/acme", `spec: {type: oci, url: "oci://ghcr.io/old"}`)
	const summary = "oci://ghcr.io/acme/unsigned:1.0.0@"
	warned := "this change breaks HelmRelease apps/unsigned: " + summary + hex("a") + " has no signature (SignatureMissing); next: release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@" + hex("a")
	w := newWorld(t, helmRelease("podinfo", "acme")+helmRelease("unsigned", "acme")+helmRelease("stranger", "other"))
	got := w.charts(t, 8).Handle(t.Context(), update(t, before, moved, ""))
	if diff := cmp.Diff(said{Allowed: true, Warnings: []string{warned}}, saidBy(got)); diff != "" {
		t.Errorf("a release of another user must warn, not deny: %s", diff)
	}
	if diff := cmp.Diff([]told{warning("helm.toolkit.fluxcd.io/v2 HelmRelease apps/unsigned", "unsigned-uid", "SignatureMissing")}, toldBy(w)); diff != "" {
		t.Error(diff)
	}
	note := w.events[0].Note
	if !strings.HasPrefix(note, "the change of HelmRepository apps/acme breaks HelmRelease apps/unsigned (SignatureMissing): "+summary) || !strings.HasSuffix(note, hintFor("helmrelease/unsigned")) {
		t.Errorf("note: %s", note)
	}
}

func TestDependentsOfDeniedRepositoriesAreNotAsked(t *testing.T) {
	w := newWorld(t, helmRelease("unsigned", "acme"))
	got := w.charts(t, 8).Handle(t.Context(), create(t, object("HelmRepository", "apps/acme", `spec: {type: oci, url: "oci://ghcr.io/evil"}`)))
	if diff := cmp.Diff(denied("NoPolicy spec.url"), saidBy(got)); diff != "" {
		t.Error(diff)
	}
	if w.asked.Load() > 0 {
		t.Error("a registry was asked")
	}
}

// Many releases of one repository must not make its write slow, or its answer long.
func TestDependentsAreBounded(t *testing.T) {
	var releases strings.Builder
	for i := range 80 {
		releases.WriteString(object("HelmRelease", fmt.Sprintf("team-%d/x", i), "spec: {chart: {spec: {chart: unsigned, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme, namespace: apps}}}}"))
	}
	w := newWorld(t, releases.String())
	got := w.charts(t, 8).Handle(t.Context(), create(t, repository("acme")))
	if !got.Allowed || len(w.events) != 50 {
		t.Errorf("allowed %t, %d events", got.Allowed, len(w.events))
	}
	if n := len(got.Warnings); n != 16 || got.Warnings[15] != "35 more warnings, for which the API server has no room" {
		t.Errorf("%d warnings: %q", n, got.Warnings)
	}
}

// Telling people is a courtesy: the decision stands without it.
func TestClustersThatCannotTellWhoIsAffected(t *testing.T) {
	for _, c := range []struct {
		sentence string
		req      admission.Request
		want     said
		events   int
	}{
		{"a repository is admitted without its dependents", create(t, repository("acme")), said{Allowed: true}, 0},
		{"a denial is told on the object alone", create(t, object("HelmChart", "apps/x", "spec: {chart: ./x, sourceRef: {kind: Unknown, name: x}}")), denied("Unsupported spec"), 1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, "")
			w.read = func(context.Context, source.ID) ([]source.Object, error) { return nil, errors.New("injected") }
			got := w.charts(t, 8).Handle(t.Context(), c.req)
			if diff := cmp.Diff(c.want, saidBy(got)); diff != "" {
				t.Error(diff)
			}
			if len(w.events) != c.events {
				t.Errorf("%d events, want %d", len(w.events), c.events)
			}
		})
	}
}
