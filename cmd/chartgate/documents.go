package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// document is one object of a file.
type document struct {
	where  string // the file and the number of the document in it, or the cluster
	at     place  // zero for a cluster
	object unstructured.Unstructured
	// unread is why the content of an object that is known to exist could not be read.
	unread error
}

// note is a document that is skipped.
type note struct{ where, why string }

// broken is a document that cannot be read, although it is about a kind that matters.
type broken struct {
	where string
	at    place
	id    source.ID // as far as it can be told
	err   error     // of what is said to people; *problem.Error
}

// reading is what files hold.
type reading struct {
	kinds     kinds
	documents []document
	notes     []note
	places    []place  // of the objects that toObjects returns
	warnings  []string // about documents that are examined
	broken    []broken
}

// kinds are those that a reading must not miss.
type kinds struct {
	names map[string][]string // by group
	// mention finds them in text that cannot be parsed.
	mention *regexp.Regexp
}

// has reports whether an object is of such a kind. An empty group or kind is any.
func (k kinds) has(group, kind string) bool {
	for g, names := range k.names {
		if (group == "" || g == group) && (kind == "" || slices.Contains(names, kind)) {
			return group != "" || kind != ""
		}
	}
	return false
}

// gatedKinds are the kinds that deploy charts. "Application" is a common word, so in text it counts
// as a kind only. A kind that a template fills in counts by its group.
var gatedKinds = kinds{
	names: map[string][]string{
		"helm.toolkit.fluxcd.io":   {"HelmRelease"},
		"source.toolkit.fluxcd.io": {"HelmRepository", "HelmChart", "OCIRepository"},
		"argoproj.io":              {"Application"},
	},
	mention: regexp.MustCompile(`\b(HelmRelease|HelmRepository|HelmChart|OCIRepository)(List)?\b` +
		`|\bkind\W{1,9}Application(List)?\b` +
		`|(?s:(helm\.toolkit\.fluxcd|source\.toolkit\.fluxcd|argoproj)\.io/.{0,99}\bkind\W{1,9}\{\{)` +
		`|(?s:\bkind\W{1,9}\{\{.{0,99}(helm\.toolkit\.fluxcd|source\.toolkit\.fluxcd|argoproj)\.io/)`),
}

// readDocuments reads every YAML or JSON document of the paths. Lists are taken apart.
// What is not a Kubernetes object is noted; what is broken and may be of the kinds is
// broken. An error is a path that was given and cannot be read.
func readDocuments(stdin io.Reader, paths []string, of kinds) (reading, error) {
	r := reading{kinds: of}
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			return reading{}, err
		}
		for _, f := range files {
			content, err := readFile(stdin, f)
			switch {
			case err != nil && !f.inside:
				return reading{}, fmt.Errorf("%s: %s", f.path, reasonOf(err))
			case errors.Is(err, errTooLarge):
				r.reject(place{file: f.path}, source.ID{}, &problem.Error{Kind: problem.KindLimitExceeded, Detail: "the file cannot be read: " + err.Error()})
			case err != nil:
				r.reject(place{file: f.path}, source.ID{}, problem.Invalid("the file cannot be read: %s", reasonOf(err)).WithNext("make %s readable, or remove it", f.path))
			default:
				for i, part := range split(content) {
					r.document(place{file: f.path, number: i + 1, part: part})
				}
			}
		}
	}
	return r, nil
}

// document reads one document. A field that occurs twice makes it broken: tools disagree
// on which one counts.
func (r *reading) document(at place) {
	raw := at.text
	var value any
	err := yaml.UnmarshalStrict(raw, &value)
	if err == nil {
		r.value(at, value)
		return
	}
	var fields map[string]any
	at.failed = failedLine(err)
	_ = yaml.Unmarshal(raw, &fields) // to tell what it is about; it is broken in any case
	object := unstructured.Unstructured{Object: fields}
	id := idOf(object)
	mentioned := string(r.kinds.mention.Find(raw))
	switch {
	case id.Kind != "" && r.kinds.has("", strings.TrimSuffix(id.Kind, "List")):
		r.reject(at, id, r.unreadable("the "+id.Kind+" cannot be read", err))
	case mentioned != "":
		mentioned = strings.Join(strings.Fields(mentioned), " ")
		r.reject(at, source.ID{}, r.unreadable("it mentions "+problem.QuoteInput(mentioned)+" and cannot be read", err))
	default:
		r.pass(at.String(), "not readable as YAML: "+firstLine(err))
	}
}

func (r *reading) unreadable(what string, err error) *problem.Error {
	return problem.Invalid("%s: %s", what, firstLine(err)).
		WithNext("correct the YAML; what a tool renders is verified as it renders it, as in: helm template DIR | chartgate verify -f - --policy PATH")
}

func firstLine(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	return strings.Join(strings.Fields(text), " ")
}

// value sorts what a document holds.
func (r *reading) value(at place, value any) {
	switch value := value.(type) {
	case nil:
	case map[string]any:
		r.object(at, unstructured.Unstructured{Object: value})
	case []any:
		if slices.ContainsFunc(value, r.holds) {
			r.items(at, value)
			return
		}
		r.pass(at.String(), "a list, such as a JSON patch, is not a Kubernetes object")
	default:
		r.pass(at.String(), "not a Kubernetes object")
	}
}

func (r *reading) items(at place, items []any) {
	for i, item := range items {
		r.value(at.item(i), item)
	}
}

// object sorts an object, or what it lists.
func (r *reading) object(at place, object unstructured.Unstructured) {
	id := idOf(object)
	apiVersion, _ := object.Object["apiVersion"].(string)
	items, listed := object.Object["items"].([]any)
	of, isList := strings.CutSuffix(id.Kind, "List")
	if !isList && id.Kind != "" && listed {
		if r.kinds.has("", id.Kind) {
			items = r.ofKind(apiVersion, id.Kind, items)
		}
		if slices.ContainsFunc(items, r.holds) {
			r.items(at, items) // and the object itself: kustomize takes it for no list
		}
	}
	switch {
	case len(object.Object) == 0:
	case isList && listed && apiVersion != "":
		r.items(at, r.ofKind(apiVersion, of, items))
	case apiVersion != "" && id.Group == "" && r.kinds.has("", id.Kind):
		r.reject(at, id, problem.Invalid("apiVersion %s is not that of a %s", problem.QuoteInput(apiVersion), id.Kind).WithNext("write apiVersion as group/version"))
	case apiVersion == "" || id.Kind == "":
		if r.kinds.has(id.Group, id.Kind) || isList && of != "" && r.kinds.has("", of) {
			r.reject(at, id, problem.Invalid("it is about a kind that is verified, and apiVersion or kind is missing").WithNext("write both, or remove the document"))
			return
		}
		r.pass(at.String(), "not a Kubernetes object: apiVersion or kind is missing")
	case isList && (of == "" || r.kinds.has(id.Group, of)):
		text, _ := json.Marshal(object.Object)
		if of != "" || r.kinds.mention.Match(text) {
			r.reject(at, id, problem.Invalid("the %s has no items that can be read", id.Kind).WithNext("write items as a list"))
			return
		}
		r.pass(at.String(), "a List without items")
	default:
		r.documents = append(r.documents, document{where: at.String(), at: at, object: object})
	}
}

// holds reports whether a value is about one of the kinds, or lists what is. kubectl and
// kustomize-controller take every object with items for a list, whatever its kind is called.
func (r *reading) holds(value any) bool {
	fields, ok := value.(map[string]any)
	if !ok {
		return false
	}
	items, _ := fields["items"].([]any)
	return r.kinds.has("", idOf(unstructured.Unstructured{Object: fields}).Kind) || slices.ContainsFunc(items, r.holds)
}

// ofKind gives the items of a list of one kind what they may leave out.
func (r *reading) ofKind(apiVersion, kind string, items []any) []any {
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok || kind == "" || fields["kind"] != nil || fields["apiVersion"] != nil {
			continue
		}
		fields["apiVersion"], fields["kind"] = apiVersion, kind
	}
	return items
}

// tell writes for people what is skipped, and what is done in another way than in a cluster. It holds
// texts of the files.
func (r *reading) tell(w io.Writer) {
	for _, n := range r.notes {
		fmt.Fprintln(w, printable(fmt.Sprintf("skipped: %s: %s", n.where, n.why)))
	}
	for _, text := range r.warnings {
		fmt.Fprintln(w, printable("warning: "+text))
	}
}

func (r *reading) pass(where, why string) { r.notes = append(r.notes, note{where, why}) }

func (r *reading) reject(at place, id source.ID, err *problem.Error) {
	r.broken = append(r.broken, broken{where: at.String(), at: at, id: id, err: err})
}

// idOf names an object. One without a namespace is in "default", as for kubectl.
func idOf(object unstructured.Unstructured) source.ID {
	kind, _ := object.Object["kind"].(string)
	apiVersion, _ := object.Object["apiVersion"].(string)
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = "default"
	}
	return source.ID{Group: group, Kind: kind, Namespace: namespace, Name: object.GetName()}
}

// verdict returns the denial of a broken document.
func (b broken) verdict() verdict.Verdict {
	subject := verdict.Subject{Kind: b.id.Kind, Namespace: b.id.Namespace, Name: b.id.Name, Field: b.where}
	if b.id.Kind == "" || b.id.Name == "" {
		subject = verdict.Subject{Kind: "Document", Name: b.where}
	}
	return verdict.Deny(subject, verdict.FromError(b.err))
}
