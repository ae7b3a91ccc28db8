package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/harness"
)

// row is a sentence about one object that a user creates.
type row struct {
	sentence string
	given    string // YAML of objects that are there already
	object   string // YAML of the object
	want     harness.Answer
}

// unsignedChart is a chart without signatures, as messages name it.
const unsignedChart = "oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0>"

// unsigned is the denial of a chart without a signature by the policy acme-charts.
func unsigned(object, field, chart string) harness.Answer {
	name, digest, _ := strings.Cut(strings.TrimPrefix(chart, "oci://"), "@")
	name, _, _ = strings.Cut(name, ":")
	return harness.Denied("SignatureMissing "+field, object+" denied (SignatureMissing): "+chart+` has no signature
  where:    `+field+`
  policy:   `+acmeWants+`
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes `+name+"@"+digest)
}

// check creates the objects of all rows: in a dry run, which must have the same answer, and then
// really.
func (w *site) check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			w.given(t, r.given)
			object := w.Object(t, r.object)
			for _, dryRun := range []bool{true, false} {
				got := w.try(t, object, dryRun)
				if diff := cmp.Diff(r.want, got); diff != "" {
					t.Errorf("dry run %t (-want +got):\n%s\nThe message is\n%s", dryRun, diff, got.Message)
				}
			}
			if stored := w.Stored(t, object) != nil; stored != (len(r.want.Causes) == 0) {
				t.Errorf("the object is stored: %t", stored)
			}
		})
	}
}

// forgetDryRuns waits until chartgate has forgotten the registries' answers that it keeps for dry
// runs (pkg/gate/dryrun.go, recentFor): rows that change a login or a registry would get these
// answers.
func forgetDryRuns(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(11 * time.Second):
	}
}

// try creates an object, which is removed after the test, and returns the API server's answer.
func (w *site) try(t *testing.T, object *unstructured.Unstructured, dryRun bool) harness.Answer {
	t.Helper()
	var options metav1.CreateOptions
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return w.answer(t, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, object).Create(t.Context(), object.DeepCopy(), options)
		if err == nil && !dryRun {
			w.RemoveAfter(t, object)
		}
		return err
	})
}

// answer makes a write and returns the answer.
func (w *site) answer(t *testing.T, write func(dynamic.Interface) error) harness.Answer {
	t.Helper()
	got, err := w.Try(t, harness.Admin, write)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// create creates an object that must be admitted, for the time of the test.
func (w *site) create(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if got := w.try(t, object, false); len(got.Causes) > 0 {
		t.Fatalf("%s %s should be admitted: %s", object.GetKind(), object.GetName(), got.Message)
	}
}

// given creates what all rows of a table share.
func (w *site) given(t *testing.T, text string) {
	t.Helper()
	for _, object := range w.Objects(t, text) {
		w.create(t, object)
	}
}

// becomes waits until the creation of an object, in a dry run, has this answer.
func (w *site) becomes(t *testing.T, object *unstructured.Unstructured, want harness.Answer) {
	t.Helper()
	harness.Eventually(t, func() string {
		got := w.try(t, object, true)
		if diff := cmp.Diff(want, got); diff != "" {
			return diff + "\nThe message is\n" + got.Message
		}
		return ""
	})
}

// condition waits for the condition Ready: status, reason, message.
func (w *site) condition(t *testing.T, object *unstructured.Unstructured, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		return cmp.Diff("Ready="+want, harness.Condition(w.Stored(t, object), "Ready"))
	})
}

// mustPatch changes an object and must succeed.
func (w *site) mustPatch(t *testing.T, object *unstructured.Unstructured, patch string) {
	t.Helper()
	if got := w.patch(t, object, patch, false); len(got.Causes) > 0 {
		t.Errorf("change %s %s: %s", object.GetKind(), object.GetName(), got.Message)
	}
}

func (w *site) remove(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if err := w.Resource(t, harness.Admin, object).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// step is a sentence about one change of an object; each step starts with the result of the one
// before.
type step struct {
	sentence string
	patch    string // merge patch, in YAML
	want     harness.Answer
}

// update makes the changes of all steps: in a dry run, which must have the same answer, and then
// really.
func (w *site) update(t *testing.T, object *unstructured.Unstructured, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.sentence, func(t *testing.T) {
			for _, dryRun := range []bool{true, false} {
				got := w.patch(t, object, s.patch, dryRun)
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("dry run %t (-want +got):\n%s\nThe message is\n%s", dryRun, diff, got.Message)
				}
			}
		})
	}
}

func (w *site) patch(t *testing.T, object *unstructured.Unstructured, patch string, dryRun bool) harness.Answer {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(w.local(patch)))
	if err != nil {
		t.Fatal(err)
	}
	var options metav1.PatchOptions
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return w.answer(t, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, object).Patch(t.Context(), object.GetName(), types.MergePatchType, raw, options)
		return err
	})
}
