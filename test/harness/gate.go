package harness

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WithoutGate runs a function while chartgate's webhooks are not configured. The probe is an object
// whose creation chartgate denies.
func (s *Site) WithoutGate(t testing.TB, probe *unstructured.Unstructured, do func()) {
	t.Helper()
	configuration := &unstructured.Unstructured{}
	configuration.SetGroupVersionKind(schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"})
	if err := s.Client.Get(t.Context(), client.ObjectKey{Name: "chartgate"}, configuration); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Delete(t.Context(), configuration.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	s.gated(t, probe, false)
	do()
	configuration.SetResourceVersion("")
	configuration.SetUID("")
	if err := s.Client.Create(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	s.gated(t, probe, true)
}

// gated waits until the API server calls chartgate, or does not.
func (s *Site) gated(t testing.TB, probe *unstructured.Unstructured, want bool) {
	t.Helper()
	resource := s.Resource(t, Admin, probe)
	Eventually(t, func() string {
		_, err := resource.Create(t.Context(), probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if denied := err != nil && strings.Contains(err.Error(), ".chartgate.dev"); denied != want {
			return fmt.Sprintf("gated %t: %v", denied, err)
		}
		return ""
	})
}

// Refused counts the writes of a user about an object that were denied, or failed because chartgate
// is down.
func (s *Site) Refused(t testing.TB, user string, object *unstructured.Unstructured) int {
	t.Helper()
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	events, err := s.Audit(plural.Resource, object.GetNamespace(), object.GetName())
	if err != nil {
		t.Fatal(err)
	}
	var refused int
	for _, e := range events {
		if e.User.Username == user && (e.ResponseStatus.Code == 403 || e.ResponseStatus.Code == 500) {
			refused++
		}
	}
	return refused
}
