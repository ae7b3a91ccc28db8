package flux_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/chartgate/chartgate/test/harness"
)

// TestWhatHelmControllerWrites checks what the gate on HelmRelease/status relies on:
// helm-controller records an attempt before helm's first record of a release exists, as which user,
// and in writes of which fields. A new version of helm-controller that changes this fails here.
func TestWhatHelmControllerWrites(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	digest := m.own().Signed(t, "1.0.0", "one")
	m.Apply(t, ociRepository("app", m.own(), "1.0.0"))
	m.becomesReady(t, source("OCIRepository", "app", ""))
	seen := m.follow(t, release("app", ""))

	m.Apply(t, releaseBy("app", "OCIRepository", "app"))
	m.deploys(t, "app", "one none")
	m.becomesReady(t, release("app", ""))
	installed := seen()
	t.Logf("install:\n%s", strings.Join(installed, "\n"))

	m.Patch(t, release("app", spec("interval: 11m")))
	m.becomesReady(t, release("app", ""))
	idle := seen()[len(installed):]
	t.Logf("another interval:\n%s", strings.Join(idle, "\n"))

	m.Patch(t, release("app", spec("values: {extra: new}")))
	m.deploys(t, "app", "one new")
	m.becomesReady(t, release("app", ""))
	upgraded := seen()[len(installed)+len(idle):]
	t.Logf("upgrade by values:\n%s", strings.Join(upgraded, "\n"))

	const attempt = "helm-controller: lastAttemptedConfigDigest lastAttemptedGeneration lastAttemptedRevision lastAttemptedRevisionDigest storageNamespace"
	if got := first(installed, "lastAttempted"); got != attempt {
		t.Errorf("before an install, helm-controller writes\n%s, want\n%s", got, attempt)
	}
	if got := harness.Field(m.Get(t, release("app", "")), "status", "lastAttemptedRevisionDigest"); got != digest {
		t.Errorf("lastAttemptedRevisionDigest is %s, the artifact's is %s", got, digest)
	}
	if diff := cmp.Diff([]string{helmController}, m.statusWriters(t, "helmreleases", "app")); diff != "" {
		t.Errorf("users that write the status (-want +got):\n%s", diff)
	}
}

func first(lines []string, part string) string {
	i := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, part) })
	if i < 0 {
		return ""
	}
	return lines[i]
}

// statusWriters are the users whose writes of a status were admitted.
func (m *team) statusWriters(t *testing.T, resource, name string) []string {
	t.Helper()
	events, err := m.Audit(resource, m.Name, name)
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]bool{}
	for _, e := range events {
		if e.ObjectRef.Subresource == "status" && e.ResponseStatus.Code == 200 {
			users[e.User.Username] = true
		}
	}
	return slices.Sorted(maps.Keys(users))
}

// follow watches an object, and answers with what each write of its status so far changed: "field
// manager: fields", with conditions as "Type=Status Reason".
func (m *team) follow(t *testing.T, text string) func() []string {
	t.Helper()
	object := m.Object(t, text)
	resource := m.Resource(t, admin, object)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	events, err := resource.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + object.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var writes []string
	go func() {
		var before *unstructured.Unstructured
		for event := range events.ResultChan() {
			after, ok := event.Object.(*unstructured.Unstructured)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			if fields := changedFields(before, after); len(fields) > 0 {
				mu.Lock()
				writes = append(writes, lastManager(after)+": "+strings.Join(fields, " "))
				mu.Unlock()
			}
			before = after
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(writes)
	}
}

// changedFields are the fields of the status that differ.
func changedFields(before, after *unstructured.Unstructured) []string {
	var old map[string]any
	if before != nil {
		old, _, _ = unstructured.NestedMap(before.Object, "status")
	}
	status, _, _ := unstructured.NestedMap(after.Object, "status")
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(merged(old, status))) {
		if cmp.Equal(old[name], status[name]) {
			continue
		}
		if name == "conditions" {
			name = fmt.Sprintf("conditions(%s; %s)", harness.Condition(after, "Reconciling"), harness.Condition(after, "Ready"))
		}
		fields = append(fields, name)
	}
	return fields
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}

// lastManager is the field manager that wrote the status last.
func lastManager(object *unstructured.Unstructured) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "status" && (last.Time == nil || !entry.Time.Before(last.Time)) {
			last = entry
		}
	}
	return last.Manager
}
