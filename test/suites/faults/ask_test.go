package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

const (
	// announced is the timeout that the API server sends if the test waits for its end.
	announced = 2 * time.Second
	// starved is the additional time that a busy machine may take. pkg/webhook tests that the
	// webhook's own margin is half a second.
	starved = 20 * time.Second
	// longestTimeout is the timeout for answers that do not take time, the longest that an API
	// server sends.
	longestTimeout = 30 * time.Second
)

// write is what a user asks the API server to write.
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

// ask sends an AdmissionReview as an API server does, and waits hardly longer than its timeout.
func (w *world) ask(t *testing.T, what write, timeout time.Duration) answer {
	t.Helper()
	got, err := w.post(t.Context(), what, timeout)
	if err != nil {
		t.Fatalf("no answer within %s: %v", timeout, err)
	}
	return got
}

// timeoutFor is the timeout of a write that must be denied for a reason: a short one for the reason
// Timeout.
func timeoutFor(want verdict.Reason) time.Duration {
	if want == verdict.Timeout {
		return announced
	}
	return longestTimeout
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
		return answer{}, fmt.Errorf("the review has no answer: %+v", review)
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

// rawTexts are parts of texts by libraries and faulty servers, which messages must not contain.
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

// application is an Argo CD Application of a chart by version. It needs the registry only.
func (w *world) application(repository, version string) write {
	return w.argo(map[string]any{
		"repoURL": w.registry.Host() + "/" + path.Dir(repository), "chart": path.Base(repository), "targetRevision": version,
	})
}

// byDigest is an Application of a chart by digest.
func (w *world) byDigest(repository, digest string) write {
	return w.argo(map[string]any{"repoURL": "oci://" + w.registry.Host() + "/" + repository, "targetRevision": digest})
}

func (w *world) argo(source map[string]any) write {
	return write{
		group: "argoproj.io", version: "v1alpha1", kind: "Application", namespace: "argocd", name: "podinfo",
		object: object("argoproj.io/v1alpha1", "Application", "argocd", map[string]any{"spec": map[string]any{"source": source}}),
	}
}

// unchanged is another write of the same object with a new status, as Argo CD sends often.
func unchanged(what write) write {
	var fields map[string]any
	if err := json.Unmarshal([]byte(what.object), &fields); err != nil {
		panic(err)
	}
	fields["status"] = map[string]any{"reconciledAt": "2026-11-20T12:00:00Z"}
	what.old, what.object = what.object, encode(fields)
	return what
}

// release is a HelmRelease of acme/podinfo through the HelmRepository "acme", which must be read.
func (w *world) release() write {
	w.api.Put("/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/helmrepositories/acme", json.RawMessage(object(
		"source.toolkit.fluxcd.io/v1", "HelmRepository", "apps",
		map[string]any{"spec": map[string]any{"type": "oci", "url": "oci://" + w.registry.Host() + "/acme"}})))
	return write{
		group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease", namespace: "apps", name: "podinfo",
		object: object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", map[string]any{"spec": map[string]any{"chart": map[string]any{
			"spec": map[string]any{"chart": "podinfo", "version": "1.0.0", "sourceRef": map[string]any{"kind": "HelmRepository", "name": "acme"}},
		}}}),
	}
}

func object(apiVersion, kind, namespace string, fields map[string]any) string {
	fields["apiVersion"], fields["kind"] = apiVersion, kind
	fields["metadata"] = map[string]any{"namespace": namespace, "name": "podinfo"}
	return encode(fields)
}

func encode(fields map[string]any) string {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// push makes a chart "acme/podinfo", version 1.0.0, and returns its digest.
func (w *world) push(t *testing.T, repository string) string {
	t.Helper()
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := w.registry.PushChart(repository, "1.0.0", archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// variant makes another chart in a repository, which differs in an annotation, and returns its
// digest.
func (w *world) variant(t *testing.T, repository string, number int) string {
	t.Helper()
	raw, err := w.registry.Manifest(repository, w.push(t, repository))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["annotations"] = map[string]string{"number": fmt.Sprint(number)}
	digest, err := w.registry.PushManifest(repository, fmt.Sprintf("1.0.%d", number+1), "application/vnd.oci.image.manifest.v1+json", []byte(encode(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// bundle signs a chart as cosign 3 does and returns the digest of the bundle's manifest.
func (w *world) bundle(t *testing.T, repository, digest string, opts ...sigstore.Option) string {
	t.Helper()
	bundle, err := theSigstore(t).Bundle(acme(), digest, sigstore.SignPredicateType, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := w.registry.AttachBundle(repository, digest, bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	return attached
}

// legacy signs a chart as cosign 2 does.
func (w *world) legacy(t *testing.T, repository, digest string, opts ...sigstore.Option) {
	t.Helper()
	signing := harness.Signing{Sigstore: theSigstore(t).Sigstore, By: acme(), Registry: w.registry, Options: opts}
	if err := signing.Legacy(repository, digest); err != nil {
		t.Fatal(err)
	}
}
