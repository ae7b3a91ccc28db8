package e2e_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// row is a sentence about one object that somebody creates.
type row struct {
	sentence string
	given    string // YAML of objects that are there already
	object   string // YAML of the object
	want     answer
}

// answer is what the API server says to a write.
type answer struct {
	Causes   []string // "Reason field" of each denial; none: admitted
	Message  string   // the whole message, as chartgate wrote it
	Warnings []string
}

// denied is the answer with one denial.
func denied(cause, message string) answer {
	return answer{Causes: []string{cause}, Message: strings.TrimSpace(message)}
}

// admitted is the answer to what may go on, with warnings or, mostly, none.
func admitted(warnings ...string) answer { return answer{Warnings: warnings} }

// check creates the objects of all rows: in a dry run, which must have the same answer, and for good.
func (w *site) check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			w.given(t, r.given)
			object := w.object(t, r.object)
			for _, dryRun := range []bool{true, false} {
				got := w.try(t, object, dryRun)
				if diff := cmp.Diff(r.want, got); diff != "" {
					t.Errorf("dry run %t (-want +got):\n%s\nThe message is\n%s", dryRun, diff, got.Message)
				}
			}
			if exists := w.exists(t, object); exists != (len(r.want.Causes) == 0) {
				t.Errorf("the object is there: %t", exists)
			}
		})
	}
}

// forgetDryRuns waits until chartgate remembers no answer of a registry for dry runs (pkg/gate/dryrun.go, recentFor): rows
// whose login or registry is another than a moment ago would be answered from that.
func forgetDryRuns(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(11 * time.Second):
	}
}

// try creates an object, which is removed after the test, and returns the API server's answer.
func (w *site) try(t *testing.T, object *unstructured.Unstructured, dryRun bool) answer {
	t.Helper()
	var options metav1.CreateOptions
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return w.answer(t, func(c dynamic.Interface) error {
		_, err := resource(c, object).Create(t.Context(), object.DeepCopy(), options)
		if err == nil && !dryRun {
			w.removeAfter(t, object)
		}
		return err
	})
}

// answer makes a write and translates the answer.
func (w *site) answer(t *testing.T, write func(dynamic.Interface) error) answer {
	t.Helper()
	recorder := &recorder{}
	config := rest.CopyConfig(w.Config)
	config.WarningHandlerWithContext = recorder
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	result, err := toAnswer(write(client))
	if err != nil {
		t.Fatal(err)
	}
	result.Message = w.public(result.Message)
	for _, warning := range recorder.warnings {
		result.Warnings = append(result.Warnings, w.public(warning))
	}
	return result
}

// toAnswer reads an API error: a denial by a webhook of chartgate's, or by the schema of a definition. Anything else is an
// error.
func toAnswer(err error) (answer, error) {
	if err == nil {
		return answer{}, nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return answer{}, err
	}
	message := byWebhook.ReplaceAllString(err.Error(), "")
	if message == err.Error() && !apierrors.IsInvalid(err) {
		return answer{}, err
	}
	got := answer{Message: message}
	for _, cause := range status.Status().Details.Causes {
		got.Causes = append(got.Causes, strings.TrimSpace(string(cause.Type)+" "+cause.Field))
	}
	return got, nil
}

// byWebhook is what the API server writes in front of a webhook's message.
var byWebhook = regexp.MustCompile(`^admission webhook "[a-z]+[.]chartgate[.]dev" denied the request: `)

// recorder keeps the warnings that kubectl would print.
type recorder struct {
	mu       sync.Mutex
	warnings []string
}

func (r *recorder) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, text)
}

// objects reads YAML that names registries as rows do.
func (w *site) objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.Objects(w.local(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func (w *site) object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	objects := w.objects(t, text)
	if len(objects) != 1 {
		t.Fatalf("want one object, found %d in\n%s", len(objects), text)
	}
	return objects[0]
}

// create creates an object that must be admitted, for the time of the test.
func (w *site) create(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if got := w.try(t, object, false); len(got.Causes) > 0 {
		t.Fatalf("%s %s should be admitted: %s", object.GetKind(), object.GetName(), got.Message)
	}
}

func (w *site) exists(t *testing.T, object *unstructured.Unstructured) bool {
	t.Helper()
	_, err := w.resource(t, object).Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func (w *site) removeAfter(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	t.Cleanup(func() {
		// The test's context is over by now.
		err := w.resource(t, object).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

func (w *site) resource(t *testing.T, object *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	return resource(client, object)
}

func resource(c dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if object.GetNamespace() == "" {
		return c.Resource(plural)
	}
	return c.Resource(plural).Namespace(object.GetNamespace())
}

// given creates what all rows of a table share.
func (w *site) given(t *testing.T, text string) {
	t.Helper()
	for _, object := range w.objects(t, text) {
		w.create(t, object)
	}
}
