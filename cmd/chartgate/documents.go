package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// document is one object of a file.
type document struct {
	file   string
	where  string // the file and the document in it, for people
	object unstructured.Unstructured
}

// note is a document that is passed over.
type note struct{ where, why string }

// broken is a document that cannot be read, although it is about a kind that matters.
type broken struct {
	where string
	id    source.ID // as far as it can be told
	err   error     // of what is said to people; *problem.Error
}

// reading is what files hold.
type reading struct {
	kinds     kinds
	documents []document
	notes     []note
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
				r.reject(f.path, source.ID{}, &problem.Error{Kind: problem.KindLimitExceeded, Detail: "the file cannot be read: " + err.Error()})
			case err != nil:
				r.reject(f.path, source.ID{}, problem.Invalid("the file cannot be read: %s", reasonOf(err)).WithNext("make %s readable, or remove it", f.path))
			default:
				r.file(f.path, content)
			}
		}
	}
	return r, nil
}

// file reads the documents of a file.
func (r *reading) file(path string, content []byte) {
	for i, raw := range split(content) {
		before := len(r.documents)
		r.document(fmt.Sprintf("%s: document %d", path, i+1), raw)
		for n := before; n < len(r.documents); n++ {
			r.documents[n].file = path
		}
	}
}

// split takes a stream of documents apart at its markers. YAML documents also end at
// "...": what follows is not seen by parsers of one document.
func split(content []byte) [][]byte {
	content = toUTF8(content)
	content = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	var documents [][]byte
	var current []byte
	for line := range bytes.Lines(content) {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		switch rest, begins := bytes.CutPrefix(line, []byte("---")); {
		case begins && isBlank(rest):
			documents, current = append(documents, current), slices.Clone(rest)
		case bytes.HasPrefix(line, []byte("...")) && isBlank(line[3:]):
			documents, current = append(documents, current), nil
		default:
			current = append(current, line...)
		}
	}
	var found [][]byte
	for _, document := range append(documents, current) {
		if !isEmpty(document) {
			found = append(found, splitJSON(document)...)
		}
	}
	return found
}

// isBlank reports whether text that follows a marker is not the end of a longer word.
func isBlank(rest []byte) bool { return len(rest) == 0 || strings.ContainsRune(" \t\n", rune(rest[0])) }

// isEmpty reports whether a document holds comments and YAML directives only.
func isEmpty(document []byte) bool {
	for line := range bytes.Lines(document) {
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}

// splitJSON takes JSON values apart that follow each other. Other text is one document.
func splitJSON(document []byte) [][]byte {
	decoder := json.NewDecoder(bytes.NewReader(document))
	var values [][]byte
	for {
		var value json.RawMessage
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF):
			return values
		case err != nil:
			return [][]byte{document}
		}
		values = append(values, value)
	}
}

// toUTF8 decodes UTF-16, which YAML parsers take by its byte order mark.
func toUTF8(content []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return content
	}
	var units []uint16
	for i := 2; i+1 < len(content); i += 2 {
		units = append(units, order.Uint16(content[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}

// document reads one document. A field that occurs twice makes it broken: tools disagree
// on which one counts.
func (r *reading) document(where string, raw []byte) {
	var value any
	err := yaml.UnmarshalStrict(raw, &value)
	if err == nil {
		r.value(where, value)
		return
	}
	var fields map[string]any
	_ = yaml.Unmarshal(raw, &fields) // to tell what it is about; it is broken in any case
	object := unstructured.Unstructured{Object: fields}
	id := idOf(object)
	mentioned := string(r.kinds.mention.Find(raw))
	switch {
	case id.Kind != "" && r.kinds.has("", strings.TrimSuffix(id.Kind, "List")):
		r.reject(where, id, r.unreadable("the "+id.Kind+" cannot be read", err))
	case mentioned != "":
		mentioned = strings.Join(strings.Fields(mentioned), " ")
		r.reject(where, source.ID{}, r.unreadable("it mentions "+chart.Quote(mentioned)+" and cannot be read", err))
	default:
		r.pass(where, "not readable as YAML: "+firstLine(err))
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
func (r *reading) value(where string, value any) {
	switch value := value.(type) {
	case nil:
	case map[string]any:
		r.object(where, unstructured.Unstructured{Object: value})
	case []any:
		about := func(item any) bool {
			fields, ok := item.(map[string]any)
			return ok && r.kinds.has("", idOf(unstructured.Unstructured{Object: fields}).Kind)
		}
		if slices.ContainsFunc(value, about) {
			r.items(where, value)
			return
		}
		r.pass(where, "a list, such as a JSON patch, is not a Kubernetes object")
	default:
		r.pass(where, "not a Kubernetes object")
	}
}

func (r *reading) items(where string, items []any) {
	for i, item := range items {
		r.value(fmt.Sprintf("%s: items[%d]", where, i), item)
	}
}

// object sorts an object, or what it lists.
func (r *reading) object(where string, object unstructured.Unstructured) {
	id := idOf(object)
	apiVersion, _ := object.Object["apiVersion"].(string)
	items, listed := object.Object["items"].([]any)
	of, isList := strings.CutSuffix(id.Kind, "List")
	switch {
	case len(object.Object) == 0:
	case isList && listed && apiVersion != "":
		r.items(where, r.ofKind(apiVersion, of, items))
	case apiVersion != "" && id.Group == "" && r.kinds.has("", id.Kind):
		r.reject(where, id, problem.Invalid("apiVersion %s is not that of a %s", chart.Quote(apiVersion), id.Kind).WithNext("write apiVersion as group/version"))
	case apiVersion == "" || id.Kind == "":
		if r.kinds.has(id.Group, id.Kind) || isList && of != "" && r.kinds.has("", of) {
			r.reject(where, id, problem.Invalid("it is about a kind that is verified, and apiVersion or kind is missing").WithNext("write both, or remove the document"))
			return
		}
		r.pass(where, "not a Kubernetes object: apiVersion or kind is missing")
	case isList && (of == "" || r.kinds.has(id.Group, of)):
		text, _ := json.Marshal(object.Object)
		if of != "" || r.kinds.mention.Match(text) {
			r.reject(where, id, problem.Invalid("the %s has no items that can be read", id.Kind).WithNext("write items as a list"))
			return
		}
		r.pass(where, "a List without items")
	default:
		r.documents = append(r.documents, document{where: where, object: object})
	}
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

func (r *reading) pass(where, why string) { r.notes = append(r.notes, note{where, why}) }

func (r *reading) reject(where string, id source.ID, err *problem.Error) {
	r.broken = append(r.broken, broken{where: where, id: id, err: err})
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

// siblings are the objects of the given documents, as if they were in a cluster.
type siblings []source.Object

// toObjects converts documents. What is given twice with the same content is one object.
// A patch of an object of a gated kind is none: it is passed over or, where it changes
// which chart is deployed, broken.
func (r *reading) toObjects() (siblings, error) {
	var objects siblings
	for _, d := range r.documents {
		raw, err := json.Marshal(d.object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.where, err)
		}
		id := idOf(d.object)
		lacks, changes := patches(id, d.object)
		same := func(o source.Object) bool { return o.ID == id && bytes.Equal(o.JSON, raw) }
		switch {
		case lacks != "" && changes:
			r.reject(d.where, id, problem.Invalid("it names no %s, so it is a patch or incomplete, and changes which chart is deployed", lacks).
				WithNext("verify what Kustomize makes of it: kustomize build DIR | chartgate verify -f - --policy PATH"))
		case lacks != "":
			r.pass(d.where, fmt.Sprintf("the %s names no %s: a patch that changes no chart", id.Kind, lacks))
		case id.Name != "" && slices.ContainsFunc(objects, same):
		default:
			objects = append(objects, source.Object{ID: id, JSON: raw})
		}
	}
	return objects, nil
}

// patches tells what an object of a gated kind lacks that its API requires, and whether
// it has fields that decide about the chart.
func patches(id source.ID, object unstructured.Unstructured) (lacks string, changes bool) {
	if !gatedKinds.has(id.Group, id.Kind) {
		return "", false
	}
	spec, ok := object.Object["spec"].(map[string]any)
	if !ok && object.Object["spec"] != nil {
		return "", false // broken, which the extractor says
	}
	if template, ok := spec["chart"].(map[string]any); ok && id.Kind == "HelmRelease" {
		template, _ := template["spec"].(map[string]any)
		for _, field := range []string{"chart", "sourceRef"} {
			if template[field] == nil {
				return "spec.chart.spec." + field, true
			}
		}
	}
	if id.Kind == "Application" {
		return patchesApplication(spec)
	}
	decide := map[string][]string{
		"HelmRepository": {"url", "type"}, "OCIRepository": {"url", "ref", "layerSelector"}, "HelmChart": {"chart", "version", "sourceRef", "valuesFiles"},
	}[id.Kind]
	if decide == nil || spec[decide[0]] != nil {
		return "", false
	}
	status, _ := object.Object["status"].(map[string]any)
	return "spec." + decide[0], status["artifact"] != nil || slices.ContainsFunc(decide, func(field string) bool { return spec[field] != nil })
}

// Read implements source.Reader.
func (s siblings) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	return s.find(id), nil
}

// Releases implements source.Reader.
func (s siblings) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return source.ReleasesOf(s, from), nil
}

func (s siblings) find(id source.ID) []source.Object {
	var found []source.Object
	for _, object := range s {
		if object.Group == id.Group && object.Kind == id.Kind &&
			(id.Namespace == "" || object.Namespace == id.Namespace) &&
			(id.Name == "" || object.Name == id.Name) {
			found = append(found, object)
		}
	}
	return found
}

// patchesApplication looks for a source that no Application could have: each names a repository,
// by the definition of Applications.
func patchesApplication(spec map[string]any) (lacks string, changes bool) {
	incomplete := func(field string, source any) string {
		if s, ok := source.(map[string]any); ok && s["repoURL"] == nil {
			for _, decides := range []string{"chart", "targetRevision"} {
				if s[decides] != nil {
					return field + ".repoURL"
				}
			}
		}
		return ""
	}
	if lacks := incomplete("spec.source", spec["source"]); lacks != "" {
		return lacks, true
	}
	sources, _ := spec["sources"].([]any)
	for i, source := range sources {
		if lacks := incomplete(fmt.Sprintf("spec.sources[%d]", i), source); lacks != "" {
			return lacks, true
		}
	}
	if hydrator, ok := spec["sourceHydrator"].(map[string]any); ok {
		if lacks := incomplete("spec.sourceHydrator.drySource", hydrator["drySource"]); lacks != "" {
			return lacks, true
		}
	}
	// With repoURL alone it may be a patch as well: an Application has a destination.
	if source, ok := spec["source"].(map[string]any); ok && spec["destination"] == nil && source["repoURL"] != nil && source["targetRevision"] == nil && source["path"] == nil {
		return "spec.destination", true
	}
	return "", false
}
