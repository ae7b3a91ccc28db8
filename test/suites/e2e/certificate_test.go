package e2e_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestManagedCertificate: chartgate fills the chart's empty Secret, and tells every webhook of its configuration the CA,
// with no other rights than those of the chart. That it answers through it is shown by every other test of this site.
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
	// And the one with failurePolicy Ignore is called too.
	got := w.try(t, w.Object(t, harness.Policy("broken", `{match: {charts: ["ghcr.io/acme/**"]}, require: [{anyOf: [acme-release]}]}`)), true)
	if len(got.Causes) != 1 || got.Causes[0] != "PolicyInvalid spec" {
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
