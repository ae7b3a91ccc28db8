package flux_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// deployed is what the chart of a release has put into the cluster, "message extra", or "" for
// nothing.
func (m *team) deployed(t *testing.T, name string) string {
	t.Helper()
	var found corev1.ConfigMap
	err := m.Client.Get(t.Context(), client.ObjectKey{Namespace: m.name, Name: name}, &found)
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return found.Data["message"] + " " + found.Data["extra"]
}

// deploys waits until a release has put that into the cluster.
func (m *team) deploys(t *testing.T, name, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		if got := m.deployed(t, name); got != want {
			return fmt.Sprintf("release %s deploys %q, want %q: %s", name, got, want, m.ready(t, release(name, "")))
		}
		return ""
	})
}

// revisions are helm's records of a release, in order.
func (m *team) revisions(t *testing.T, name string) []string {
	t.Helper()
	var list corev1.SecretList
	if err := m.Client.List(t.Context(), &list, client.InNamespace(m.name), client.MatchingLabels{"owner": "helm", "name": name}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, secret := range list.Items {
		names = append(names, secret.Name)
	}
	slices.Sort(names)
	return names
}

func (m *team) ready(t *testing.T, text string) string {
	t.Helper()
	return harness.Condition(m.get(t, text), "Ready")
}

// becomesReady waits until an object is Ready at its present generation.
func (m *team) becomesReady(t *testing.T, text string) {
	t.Helper()
	harness.Eventually(t, func() string {
		found := m.get(t, text)
		ready := harness.Condition(found, "Ready")
		if found == nil || !strings.HasPrefix(ready, "Ready=True") || field(found, "status", "observedGeneration") != fmt.Sprint(found.GetGeneration()) {
			return ready
		}
		return ""
	})
}

// field is a value as text, or "" where it is not there.
func field(object *unstructured.Unstructured, path ...string) string {
	if object == nil {
		return ""
	}
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil || !found {
		return ""
	}
	return fmt.Sprint(value)
}

// warnings are the reasons of chartgate's warnings about an object.
func (m *team) warnings(t *testing.T, kind, name string) []string {
	t.Helper()
	var list eventsv1.EventList
	if err := m.Client.List(t.Context(), &list, client.InNamespace(m.name)); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, e := range list.Items {
		if e.ReportingController == "chartgate" && e.Type == corev1.EventTypeWarning && e.Regarding.Kind == kind && e.Regarding.Name == name {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// refused counts the writes of a user about an object that were denied, or failed because chartgate
// is down.
func (m *team) refused(t *testing.T, user, resource, name string) int {
	t.Helper()
	events, err := m.Audit(resource, m.name, name)
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
