package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// world is everything that the handler works with, in memory.
type world struct {
	objects []source.Object
	set     *policy.Set
	options source.Options
	// resolve replaces the registry's answer.
	resolve func(context.Context, chart.Reference) (artifact.Resolved, error)
	// read replaces the cluster's answer.
	read func(context.Context, source.ID) ([]source.Object, error)

	reads, asked atomic.Int64 // questions to the cluster and to the registry
	mode         webhook.Mode
	metrics      *prometheus.Registry
	mu           sync.Mutex
	events       []event
}

// newWorld has policies on three folders of ghcr.io: acme (enforced), warn (mode
// Warn) and old (unverified). The name of a chart says who signed it.
func newWorld(t testing.TB, cluster string) *world {
	t.Helper()
	return &world{objects: parse(t, cluster), set: policies(t), metrics: prometheus.NewRegistry()}
}

func policies(t testing.TB) *policy.Set {
	t.Helper()
	named := func(name string, change func(*v1alpha1.ChartPolicySpec)) v1alpha1.ChartPolicy {
		p := v1alpha1.ChartPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ChartPolicySpec{
			Match:   v1alpha1.Match{Charts: []string{"oci://ghcr.io/" + name + "/**"}},
			Require: []v1alpha1.Requirement{{AnyOf: []string{"release"}}},
		}}
		change(&p.Spec)
		return p
	}
	set, report := policy.Compile(policy.Input{
		Identities: []v1alpha1.TrustedIdentity{{
			ObjectMeta: metav1.ObjectMeta{Name: "release"},
			Spec:       v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: "https://issuer.example", Subject: "release@acme.example"}},
		}},
		Policies: []v1alpha1.ChartPolicy{
			named("acme", func(*v1alpha1.ChartPolicySpec) {}),
			named("warn", func(s *v1alpha1.ChartPolicySpec) { s.Mode = v1alpha1.ModeWarn }),
			named("old", func(s *v1alpha1.ChartPolicySpec) {
				s.Require, s.AllowUnverified = nil, &v1alpha1.AllowUnverified{Reason: "migration", Until: "2099-12-31"}
			}),
		},
	})
	if len(report.Policies)+len(report.Identities) > 0 {
		t.Fatal(report)
	}
	return set
}

func (w *world) charts(t testing.TB, maxConcurrent int64) *webhook.Charts {
	t.Helper()
	metrics, err := webhook.NewMetrics(w.metrics)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }
	return webhook.NewCharts(webhook.ChartsOptions{
		Extractor: source.NewExtractor(w, w.options), Gate: gate.New(w, w, w, now), MaxConcurrent: maxConcurrent,
		Metrics: metrics, Events: webhook.NewEventNotifier(w), Mode: w.mode,
	})
}

// Current implements gate.Policies.
func (w *world) Current() *policy.Set { return w.set }

// Read implements source.Reader.
func (w *world) Read(ctx context.Context, id source.ID) ([]source.Object, error) {
	w.reads.Add(1)
	if w.read != nil {
		return w.read(ctx, id)
	}
	return w.find(id), nil
}

// Releases implements source.Reader.
func (w *world) Releases(ctx context.Context, from source.ID) ([]source.Object, error) {
	w.reads.Add(1)
	if w.read != nil {
		objects, err := w.read(ctx, source.ID{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"})
		return source.ReleasesOf(objects, from), err
	}
	return source.ReleasesOf(w.objects, from), nil
}

func (w *world) find(id source.ID) []source.Object {
	var found []source.Object
	for _, o := range w.objects {
		if o.Group == id.Group && o.Kind == id.Kind && (id.Namespace == "" || id.Namespace == o.Namespace) && (id.Name == "" || id.Name == o.Name) {
			found = append(found, o)
		}
	}
	return found
}

// Resolve implements gate.Registry: every chart has the digest aaa… and the archive bbb….
func (w *world) Resolve(ctx context.Context, ref chart.Reference, _ sourceauth.Auth) (artifact.Resolved, error) {
	w.asked.Add(1)
	if w.resolve != nil {
		return w.resolve(ctx, ref)
	}
	return resolved(ref), nil
}

// Artifact implements gate.Registry: what is no chart has Other set.
func (w *world) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, _ artifact.LayerRule) (artifact.Resolved, error) {
	return w.Resolve(ctx, ref, access)
}

func resolved(ref chart.Reference) artifact.Resolved {
	manifest, _ := chart.ParseDigest(hex("a"))
	layer, _ := chart.ParseDigest(hex("b"))
	return artifact.Resolved{Location: ref.Location, Digest: manifest, Layer: layer, LayerType: artifact.MediaTypeLayer, Direct: true, First: true, Alone: true}
}

// Signatures implements gate.Registry.
func (w *world) Signatures(_ context.Context, r artifact.Resolved, _ attachment.Search) iter.Seq2[attachment.Attachment, error] {
	return func(yield func(attachment.Attachment, error) bool) {
		if r.Location.Name() != "unsigned" {
			yield(attachment.Attachment{Format: attachment.Bundle, Content: []byte(r.Location.Name())}, nil)
		}
	}
}

// Tags implements gate.Registry.
func (w *world) Tags(context.Context, chart.Location) ([]string, error) {
	return nil, errors.New("no admission lists tags")
}

// Archive implements gate.Registry.
func (w *world) Archive(context.Context, artifact.Resolved, sourceauth.Auth) ([]byte, error) {
	return nil, errors.New("there are no archives")
}

// State implements gate.Verifier.
func (w *world) State(context.Context, evidence.Wanted) string { return "root" }

// Verify implements gate.Verifier.
func (w *world) Verify(_ context.Context, d chart.Digest, m attachment.Attachment, _ evidence.Wanted) ([]evidence.Evidence, error) {
	who := "release@acme.example"
	if string(m.Content) == "stranger" {
		who = "mallory@evil.example"
	}
	e := evidence.New(d, evidence.ChartSignature, evidence.Signer{Issuer: "https://issuer.example", Subject: who})
	e.Logged, e.TrustRoot = true, evidence.DefaultTrustRoot
	return []evidence.Evidence{e}, nil
}

// event is what a test compares of an Event.
type event struct{ On, UID, Type, Reason, Action, Note string }

// Eventf implements webhook.EventRecorder.
func (w *world) Eventf(regarding, _ runtime.Object, kind, reason, action, note string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := regarding.(*corev1.ObjectReference)
	w.events = append(w.events, event{
		fmt.Sprintf("%s %s %s/%s", o.APIVersion, o.Kind, o.Namespace, o.Name), string(o.UID), kind, reason, action, fmt.Sprintf(note, args...),
	})
}

func hex(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// object is YAML of an object called "namespace/name", with the UID "name-uid".
func object(kind, name, body string) string {
	version := "source.toolkit.fluxcd.io/v1"
	switch kind {
	case "HelmRelease":
		version = "helm.toolkit.fluxcd.io/v2"
	case "Application":
		version = "argoproj.io/v1alpha1"
	}
	namespace, name, _ := strings.Cut(name, "/")
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {namespace: %s, name: %s, uid: %s-uid}\n%s\n", version, kind, namespace, name, name, body)
}

// helmRelease is a release called as its chart, from the repository with the name.
func helmRelease(chart, repository string) string {
	return object("HelmRelease", "apps/"+chart, fmt.Sprintf("spec: {chart: {spec: {chart: %s, version: 1.0.0, sourceRef: {kind: HelmRepository, name: %s}}}}", chart, repository))
}

// repository is a HelmRepository for the folder of ghcr.io with its name.
func repository(name string) string {
	return object("HelmRepository", "apps/"+name, fmt.Sprintf("spec: {type: oci, url: \"oci://ghcr.io/%s\"}", name))
}

func repositories() string { return repository("acme") + repository("warn") + repository("old") }

func parse(t testing.TB, text string) []source.Object {
	t.Helper()
	var objects []source.Object
	for _, document := range strings.Split(text, "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		o := unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		id := source.ID{Group: o.GroupVersionKind().Group, Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
		objects = append(objects, source.Object{ID: id, JSON: raw})
	}
	return objects
}

// create is the request that makes the object.
func create(t testing.TB, text string) admission.Request {
	t.Helper()
	o := parse(t, text)[0]
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: o.Namespace, Name: o.Name,
		Kind:     metav1.GroupVersionKind{Group: o.Group, Version: "v1", Kind: o.Kind},
		UserInfo: authenticationv1.UserInfo{Username: "jane@acme.example"},
		Object:   runtime.RawExtension{Raw: o.JSON},
	}}
}

// update is the request that replaces old by text.
func update(t testing.TB, old, text, subresource string) admission.Request {
	t.Helper()
	req := create(t, text)
	req.Operation, req.SubResource, req.OldObject.Raw = admissionv1.Update, subresource, parse(t, old)[0].JSON
	return req
}
