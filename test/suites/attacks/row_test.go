package attacks_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/harness"
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

// inDryRun makes a write a dry run.
func inDryRun(w write) write {
	w.dryRun = true
	return w
}

// check runs the attacks, and those on today's kinds again on an installation in mode Warn.
func (w *site) check(t *testing.T, rows []row) {
	t.Helper()
	w.checkHere(t, rows)
	if w == currentSite.Value() {
		theWarningSite(t).checkWarned(t, rows)
	}
}

// checkHere runs the attacks. After a denial the object must not exist or be unchanged; after an
// admission it must be stored.
func (w *site) checkHere(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			for _, object := range w.Objects(t, r.given) {
				w.expect(t, write{by: admin, verb: "create", want: admitted}, object)
			}
			for _, write := range r.writes {
				if write.verb == "push" {
					w.repush(t, write.object)
					continue
				}
				w.expect(t, write, w.Object(t, write.object))
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

// do makes the request and reads the answer. A denial by anything but chartgate fails the test.
func (w *site) do(t *testing.T, r write, object *unstructured.Unstructured) (answer, message string) {
	t.Helper()
	var dryRun []string
	if r.dryRun {
		dryRun = []string{metav1.DryRunAll}
	}
	got, err := w.Try(t, r.by, func(client dynamic.Interface) error {
		resource := harness.ResourceOf(client, object)
		switch r.verb {
		case "create":
			made, err := resource.Create(t.Context(), object, metav1.CreateOptions{DryRun: dryRun})
			if err == nil && !r.dryRun {
				w.RemoveAfter(t, made)
			}
			return err
		case "delete":
			return resource.Delete(t.Context(), object.GetName(), metav1.DeleteOptions{})
		}
		var subresources []string
		if r.verb == "status" {
			subresources = []string{"status"}
		}
		body := must(json.Marshal(object.Object))(t)
		_, err := resource.Patch(t.Context(), object.GetName(), types.MergePatchType, body, metav1.PatchOptions{DryRun: dryRun}, subresources...)
		return err
	})
	// The API server itself warns about old versions.
	warnings := slices.DeleteFunc(got.Warnings, func(text string) bool { return strings.Contains(text, "is deprecated") })
	switch {
	case err != nil:
		answer = "not chartgate's: " + w.Public(err.Error())
	case got.BySchema:
		answer = "not chartgate's: " + got.Message
	case got.Message == "" && len(warnings) > 0:
		answer = warned
	default:
		answer = strings.Join(got.Causes, "; ")
	}
	if message = got.Message; message == "" {
		message = strings.Join(warnings, "\n")
	}
	return answer, message
}

// version is the resource version of an object, or of all of a kind where it has no name; "" if it
// does not exist.
func (w *site) version(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	if object.GetName() == "" {
		list := must(w.Resource(t, admin, object).List(t.Context(), metav1.ListOptions{}))(t)
		return fmt.Sprint(len(list.Items))
	}
	if stored := w.Stored(t, object); stored != nil {
		return stored.GetResourceVersion()
	}
	return ""
}
