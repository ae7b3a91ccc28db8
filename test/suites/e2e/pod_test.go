package e2e_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestShutdown: a pod that ends answers the requests that it has accepted; without a pod no chart
// is admitted, but policies can be corrected; and a new pod takes over.
func TestShutdown(t *testing.T) {
	w := theOldSite(t)
	w.given(t, repositories())
	release, waiting := make(chan struct{}), make(chan struct{}, 100)
	w.fallback.Fail("/acme/charts/legacy/", func(rw http.ResponseWriter, r *http.Request, healthy http.Handler) {
		waiting <- struct{}{}
		<-release
		healthy.ServeHTTP(rw, r)
	})
	var group errgroup.Group
	const last = 5
	for n := range last {
		object := w.Object(t, helmRelease(fmt.Sprintf("last-%d", n), "{interval: 10m, "+harness.FromRepository("quay", "legacy", "1.0.0")+"}"))
		group.Go(func() error {
			_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
	}
	<-waiting
	harness.Eventually(t, func() string { return cmp.Diff(last, w.inFlight(t)) })
	if err := w.Gate.Terminate(); err != nil {
		t.Fatal(err)
	}
	w.stopsListening(t)
	close(release)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if err := w.Gate.Wait(); err != nil {
		t.Error(err)
	}
	w.checkWithoutPod(t)
	w.checkReadiness(t)
	w.becomes(t, w.Object(t, releaseOf("podinfo", "6.7.1")), harness.Admitted())
}

func (w *site) stopsListening(t *testing.T) {
	t.Helper()
	harness.Eventually(t, func() string {
		conn, err := net.Dial("tcp", w.Installation.Address())
		if err != nil {
			return ""
		}
		_ = conn.Close()
		return "the webhook still listens"
	})
}

func (w *site) checkWithoutPod(t *testing.T) {
	t.Helper()
	object := w.Object(t, releaseOf("podinfo", "6.7.1"))
	_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{})
	if !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("without a pod, a signed chart: %v", err)
	}
	w.create(t, w.Object(t, harness.Policy("corrected", `{match: {charts: ["oci://ghcr.io/acme/corrected/*"]}, require: [{anyOf: [acme-release]}]}`)))
}

// checkReadiness starts a new pod, which is not ready before it has its certificate, even if
// everything else is. It cannot write the certificate into a Secret that nobody may change; once that
// is gone, it makes another one, which RBAC allows for this name.
func (w *site) checkReadiness(t *testing.T) {
	t.Helper()
	key := metav1.ObjectMeta{Namespace: cluster.Namespace, Name: "chartgate-certificate"}
	if err := w.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: key}); err != nil {
		t.Fatal(err)
	}
	fixed := &corev1.Secret{ObjectMeta: key, Immutable: new(true)}
	err := w.Client.Create(t.Context(), fixed)
	if err != nil {
		t.Fatal(err)
	}
	if w.Gate, err = w.Installation.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() string {
		if err := w.Gate.Ready(t.Context()); err == nil {
			t.Fatal("ready without a certificate")
		}
		for _, line := range []string{"policies in force", "field is immutable"} {
			if !strings.Contains(w.Gate.Log(), line) {
				return "it has not logged: " + line
			}
		}
		return ""
	})
	if err := w.Gate.Ready(t.Context()); err == nil {
		t.Error("ready without a certificate, with policies")
	}
	if err := errors.Join(w.Client.Delete(t.Context(), fixed), w.Gate.WaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// TestManagedCertificate: with the rights that the chart grants, chartgate fills the chart's empty
// Secret, and writes the CA to every webhook of its configuration. Every other test of this site
// shows that calls with it succeed.
func TestManagedCertificate(t *testing.T) {
	w := theOldSite(t)
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: cluster.Namespace, Name: "chartgate-certificate"}
	if err := w.Client.Get(t.Context(), key, &secret); err != nil {
		t.Fatal(err)
	}
	var configuration admissionv1.ValidatingWebhookConfiguration
	if err := w.Client.Get(t.Context(), types.NamespacedName{Name: "chartgate"}, &configuration); err != nil {
		t.Fatal(err)
	}
	if len(configuration.Webhooks) < 2 {
		t.Fatalf("want a webhook for charts and one for policies, found %d", len(configuration.Webhooks))
	}
	serving := parseCertificate(t, secret.Data["tls.crt"])
	for _, webhook := range configuration.Webhooks {
		roots := x509.NewCertPool()
		roots.AddCert(parseCertificate(t, webhook.ClientConfig.CABundle))
		name := webhook.ClientConfig.Service.Name + "." + webhook.ClientConfig.Service.Namespace + ".svc"
		if _, err := serving.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("webhook %s: %v", webhook.Name, err)
		}
	}
	// The webhook with failurePolicy Ignore is called too.
	got := w.try(t, w.Object(t, harness.Policy("broken", `{match: {charts: ["ghcr.io/acme/**"]}, require: [{anyOf: [acme-release]}]}`)), true)
	if len(got.Causes) != 1 || got.Causes[0] != "PolicyInvalid spec.match.charts[0]" {
		t.Errorf("a broken policy: %+v", got)
	}
}

func parseCertificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate in %q", text)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
