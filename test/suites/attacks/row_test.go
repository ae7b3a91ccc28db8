package attacks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// row is an attack by writes of objects. All but the last prepare it.
type row struct {
	sentence, source string
	given            string // YAML of objects that the admin has created
	writes           []write
}

// write is one request to the API server.
type write struct {
	by     string
	verb   string // create, delete, patch (a merge patch), status (the same of the subresource), or push (to the registry)
	object string // YAML: the object, or what the patch changes of it
	dryRun bool
	want   string
}

// The answers that are no denial. A denial is "Reason field", or several separated by "; ".
const (
	admitted = ""
	warned   = "admitted with a warning"
)

func create(by, object, want string) write {
	return write{by: by, verb: "create", object: object, want: want}
}
func patch(by, object, want string) write {
	return write{by: by, verb: "patch", object: object, want: want}
}
func status(by, object, want string) write {
	return write{by: by, verb: "status", object: object, want: want}
}

// inDryRun is a write that is only tried.
func inDryRun(w write) write {
	w.dryRun = true
	return w
}

// check attacks. What is denied must not be there afterwards, or be as it was; what is admitted must.
func (w *site) check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			for _, object := range w.objects(t, r.given) {
				w.expect(t, write{by: admin, verb: "create", want: admitted}, object)
			}
			for _, write := range r.writes {
				if write.verb == "push" {
					w.repush(t, write.object)
					continue
				}
				w.expect(t, write, w.object(t, write.object))
			}
		})
	}
}

func (w *site) expect(t *testing.T, r write, object *unstructured.Unstructured) {
	t.Helper()
	before := w.version(t, object)
	got, message := w.do(t, r, object)
	if diff := cmp.Diff(r.want, got); diff != "" {
		t.Errorf("%s of %s %s (-want +got):\n%s\n%s", r.verb, object.GetKind(), object.GetName(), diff, message)
	}
	persisted := w.version(t, object) != before
	if wanted := (r.want == admitted || r.want == warned) && !r.dryRun; persisted != wanted {
		t.Errorf("%s of %s %s was persisted: %t", r.verb, object.GetKind(), object.GetName(), persisted)
	}
}

// do makes the request and translates the answer.
func (w *site) do(t *testing.T, r write, object *unstructured.Unstructured) (answer, message string) {
	t.Helper()
	warnings := &recorder{}
	client, err := w.as(r.by, warnings)
	if err != nil {
		t.Fatal(err)
	}
	var dryRun []string
	if r.dryRun {
		dryRun = []string{metav1.DryRunAll}
	}
	resource := resourceOf(client, object)
	var made *unstructured.Unstructured
	switch r.verb {
	case "create":
		made, err = resource.Create(t.Context(), object, metav1.CreateOptions{DryRun: dryRun})
	case "delete":
		err = resource.Delete(t.Context(), object.GetName(), metav1.DeleteOptions{})
	default:
		var subresources []string
		if r.verb == "status" {
			subresources = []string{"status"}
		}
		body := must(json.Marshal(object.Object))(t)
		_, err = resource.Patch(t.Context(), object.GetName(), types.MergePatchType, body, metav1.PatchOptions{DryRun: dryRun}, subresources...)
	}
	if made != nil && !r.dryRun {
		w.removeAfter(t, made)
	}
	answer = w.answer(t, err)
	if answer == admitted && len(warnings.warnings) > 0 {
		answer = warned
	}
	return answer, w.message(err, warnings)
}

func (w *site) message(err error, warnings *recorder) string {
	if err != nil {
		return w.public.Replace(err.Error())
	}
	return w.public.Replace(strings.Join(warnings.warnings, "\n"))
}

// answer reads what the API server said. Anything but a denial by chartgate is no answer to an attack.
func (w *site) answer(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return admitted
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !byWebhook.MatchString(err.Error()) || status.Status().Details == nil {
		return "not chartgate's: " + w.public.Replace(err.Error())
	}
	var causes []string
	for _, cause := range status.Status().Details.Causes {
		causes = append(causes, strings.TrimSpace(string(cause.Type)+" "+cause.Field))
	}
	return strings.Join(causes, "; ")
}

var byWebhook = regexp.MustCompile(`^admission webhook "[a-z]+[.]chartgate[.]dev" denied the request: `)

// recorder keeps the warnings that kubectl would print, but for the API server's own about old versions.
type recorder struct {
	mu       sync.Mutex
	warnings []string
}

func (r *recorder) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !strings.Contains(text, "is deprecated") {
		r.warnings = append(r.warnings, text)
	}
}

// objects reads YAML with the names that rows use.
func (w *site) objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	return must(cluster.Objects(w.names.Replace(text)))(t)
}

func (w *site) object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	objects := w.objects(t, text)
	if len(objects) != 1 {
		t.Fatalf("want one object, found %d in\n%s", len(objects), text)
	}
	return objects[0]
}

// version is the resource version of an object, or of all of a kind where it has no name; "" where there is none.
func (w *site) version(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	client := must(w.as(admin, &recorder{}))(t)
	if object.GetName() == "" {
		list := must(resourceOf(client, object).List(t.Context(), metav1.ListOptions{}))(t)
		return fmt.Sprint(len(list.Items))
	}
	found, err := resourceOf(client, object).Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	return must(found, err)(t).GetResourceVersion()
}

// removeAfter removes an object after the test, whatever holds it.
func (w *site) removeAfter(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	client := must(w.as(admin, &recorder{}))(t)
	t.Cleanup(func() {
		ctx := context.Background() // the test's is over by now
		resource, name := resourceOf(client, object), object.GetName()
		err := resource.Delete(ctx, name, metav1.DeleteOptions{})
		if err == nil {
			_, err = resource.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

func resourceOf(c dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	return c.Resource(plural).Namespace(object.GetNamespace())
}
