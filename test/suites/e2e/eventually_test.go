package e2e_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// eventually tries until nothing is wrong. A minute is many times what a busy machine needs.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		problem := wrong()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still, after a minute: %s", problem)
		}
	}
}

// becomes waits until the creation of an object has an answer. It is only tried.
func (w *site) becomes(t *testing.T, object *unstructured.Unstructured, want answer) {
	t.Helper()
	eventually(t, func() string {
		got := w.try(t, object, true)
		if diff := cmp.Diff(want, got); diff != "" {
			return diff + "\nThe message is\n" + got.Message
		}
		return ""
	})
}
