package harness

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/process"
)

// Patience bounds every wait of a test. It is many times what a busy machine needs.
const Patience = process.Patience

// Eventually repeats a check until it passes.
func Eventually(t testing.TB, wrong func() string) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(50 * time.Millisecond) {
		problem := wrong()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still, after %s: %s", Patience, problem)
		}
	}
}

// Condition is a condition of an object as text, "Ready=False Reason: message".
func Condition(object *unstructured.Unstructured, kind string) string {
	if object == nil {
		return "the object does not exist"
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		if found, _ := c.(map[string]any); found["type"] == kind {
			return fmt.Sprintf("%s=%v %v: %v", kind, found["status"], found["reason"], found["message"])
		}
	}
	return "no condition " + kind
}

// Field is a value of an object as text, or "" if it does not exist.
func Field(object *unstructured.Unstructured, path ...string) string {
	if object == nil {
		return ""
	}
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil || !found {
		return ""
	}
	return fmt.Sprint(value)
}
