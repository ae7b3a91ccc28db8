package faults_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// What a write says in mode Warn where chartgate does not answer, and where it does.
const silent, warned = "", "chartgate would deny this ("

// newcomer is a cluster in which chartgate was installed in mode Warn, without any policy.
type newcomer struct {
	*harness.Site
	name string // of the next objects
	n    int
}

// TestWarnNeverRefuses: in mode Warn, no write is refused, whatever happens to chartgate; and where
// it answers, each write that mode Enforce denies has a warning.
func TestWarnNeverRefuses(t *testing.T) {
	c := &newcomer{}
	c.Site = harness.OpenForTest(t, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps"}},
		// Less than the longest wait of any write below, of which several wait for a timeout.
		Values: map[string]any{"mode": "Warn", "webhook": map[string]any{"timeoutSeconds": 2}}, Stopped: true,
	})
	c.write(t, "chartgate has not been started", silent)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.write(t, "there is no policy", warned)
	if err := c.Gate.Pause(); err != nil {
		t.Fatal(err)
	}
	c.write(t, "chartgate does not answer", silent)
	if err := errors.Join(c.Gate.Resume(), c.Gate.Kill()); err != nil {
		t.Fatal(err)
	}
	c.Gate = nil
	c.write(t, "chartgate was killed", silent)

	c.write(t, "chartgate panics", warned, panicking(t, webhook.Warn))
	c.write(t, "something answers with an error", silent, answering(http.StatusInternalServerError, "{}"))
	c.write(t, "something answers what is no review", silent, answering(http.StatusOK, "hello"))
	c.write(t, "something answers another request", silent, answering(http.StatusOK, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"x","allowed":false}}`))

	// The control: with the value Enforce, and nothing else changed, the same writes are refused.
	own := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	own.Name = "chartgate" // other fields of it are the test's by now
	if err := c.Client.Delete(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Install(t.Context(), map[string]any{"mode": "Enforce"}, false); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() string {
		if said := c.attempt(t, c.creations()[0]); !strings.Contains(said, "failed calling webhook") {
			return "it is not refused yet: " + said
		}
		return ""
	})
	for _, w := range c.creations() {
		if said := c.attempt(t, w); !strings.Contains(said, "failed calling webhook") {
			t.Errorf("control: %s: %q", w, said)
		}
	}
	c.serve(t, panicking(t, webhook.Enforce))
	for _, w := range c.creations() {
		if said := c.attempt(t, w); !strings.Contains(said, "denied the request") {
			t.Errorf("control: %s: %q", w, said)
		}
	}
}

// creations are objects that mode Enforce refuses, whatever policies there are.
func (c *newcomer) creations() []string {
	c.n++
	c.name = fmt.Sprintf("app-%d", c.n)
	return []string{
		harness.Source("HelmRepository", c.name, "spec: {type: oci, url: 'oci://registry.example.com/charts'}"),
		harness.Source("HelmRepository", c.name+"-odd", "spec: {type: oci, url: 'oci://user@registry.example.com/charts'}"),
		harness.Source("HelmChart", c.name, "spec: {interval: 10m, chart: ./x, sourceRef: {kind: GitRepository, name: x}}"),
		harness.Source("OCIRepository", c.name, "spec: {interval: 10m, url: 'oci://registry.example.com/x', ref: {tag: 1.0.0}, "+harness.HelmLayer+"}"),
		harness.HelmRelease(c.name, "spec: {interval: 10m, chart: {spec: {chart: ./x, sourceRef: {kind: Bucket, name: x}}}}"),
		harness.Application(c.name, harness.ApplicationSpec("source: {repoURL: registry.example.com, chart: x, targetRevision: 1.0.0}")),
	}
}

// changes are writes of these objects.
func (c *newcomer) changes() []string {
	status := "status: {artifact: {url: 'http://x', path: x, lastUpdateTime: '2026-01-01T00:00:00Z', revision: '1.0.0', digest: 'sha256:0'}}"
	return []string{
		harness.Source("HelmChart", c.name, status), harness.Source("OCIRepository", c.name, status),
		harness.HelmRelease(c.name, "status: {helmChart: apps/absent, lastAttemptedRevision: 1.0.0}"),
		harness.HelmRelease(c.name, "spec: {chart: {spec: {sourceRef: {kind: GitRepository, name: other}}}}"),
		harness.Application(c.name, "operation: {sync: {revision: 1.0.0, manifests: ['{}']}}"),
	}
}

// write makes all writes, in front of a server if there is one, and checks that they are stored, and
// that each has that warning.
func (c *newcomer) write(t *testing.T, sentence, warning string, server ...http.Handler) {
	t.Helper()
	for _, s := range server {
		c.serve(t, s)
	}
	check := func(w, said string) {
		switch {
		case !strings.HasPrefix(said, "stored"):
			t.Errorf("%s, and it is refused: %s: %s", sentence, w, said)
		case warning != silent && strings.Contains(said, "not verified yet"):
			// Its source does not exist, so it would be deferred in mode Enforce too.
		case !strings.Contains(said, warning) || warning == silent && said != "stored":
			t.Errorf("%s: %s: %s", sentence, w, said)
		}
	}
	creations := c.creations()
	for _, w := range creations {
		check(w, c.attempt(t, w))
	}
	for _, w := range c.changes() {
		check(w, c.attempt(t, w))
	}
}

// attempt creates an object or, if it exists, patches it or its status. It returns "stored" and the
// warnings, or why it was refused.
func (c *newcomer) attempt(t *testing.T, text string) string {
	t.Helper()
	object := c.Object(t, text)
	var failed error
	answer, err := c.Try(t, harness.Admin, func(client dynamic.Interface) error {
		resource := harness.ResourceOf(client, object)
		_, failed = resource.Get(t.Context(), object.GetName(), metav1.GetOptions{})
		if failed != nil {
			_, failed = resource.Create(t.Context(), object, metav1.CreateOptions{})
			return failed
		}
		body, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var subresources []string
		if object.Object["status"] != nil {
			subresources = append(subresources, "status")
		}
		_, failed = resource.Patch(t.Context(), object.GetName(), types.MergePatchType, body, metav1.PatchOptions{}, subresources...)
		return failed
	})
	if failed != nil || err != nil {
		return errors.Join(failed, err).Error()
	}
	return "stored" + strings.Join(answer.Warnings, "")
}

// serve puts another server into chartgate's place, and waits until the API server calls it.
func (c *newcomer) serve(t *testing.T, handler http.Handler) {
	t.Helper()
	called := &counter{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		called.add()
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	err := c.Client.Get(t.Context(), client.ObjectKey{Name: "chartgate"}, configuration)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca}
	}
	if err := errors.Join(err, c.Client.Update(t.Context(), configuration)); err != nil {
		t.Fatal(err)
	}
	until(t, "the API server calls the server", func() bool {
		c.attempt(t, c.creations()[0])
		return called.value() > 0
	})
}

func answering(code int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	})
}

// panicking is the webhook as "chartgate serve" wires it, with a cluster, policies and a registry
// that panic.
func panicking(t *testing.T, mode webhook.Mode) http.Handler {
	t.Helper()
	metrics, err := webhook.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	charts := webhook.NewCharts(webhook.ChartsOptions{
		Extractor: source.NewExtractor(broken{}, source.Options{}), Gate: gate.New(broken{}, nil, nil, nil), MaxConcurrent: 32, Metrics: metrics, Mode: mode,
	})
	return webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(charts))
}

type broken struct{}

func (broken) Current() *policy.Set { panic("injected") }

func (broken) Read(context.Context, source.ID) ([]source.Object, error) { panic("injected") }

func (broken) Releases(context.Context, source.ID) ([]source.Object, error) { panic("injected") }
