package source_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Who writes.
const (
	editor     = "jane@acme.example"
	fluxUser   = "system:serviceaccount:flux-system:source-controller"
	helmUser   = "system:serviceaccount:flux-system:helm-controller"
	argoUser   = "system:serviceaccount:argocd:argocd-application-controller"
	otherUser  = "system:serviceaccount:argocd:argocd-application-controller-2"
	chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// hex is the digest of which all digits are the same.
func hex(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// cluster is a Reader over objects in memory. It counts how often it is asked.
type cluster struct {
	objects []source.Object
	err     error
	reads   int
}

func (c *cluster) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	c.reads++
	if c.err != nil {
		return nil, c.err
	}
	var found []source.Object
	for _, o := range c.objects {
		if o.Group == id.Group && o.Kind == id.Kind && (id.Namespace == "" || id.Namespace == o.Namespace) && (id.Name == "" || id.Name == o.Name) {
			found = append(found, o)
		}
	}
	return found, nil
}

func (c *cluster) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	c.reads++
	if c.err != nil {
		return nil, c.err
	}
	return source.ReleasesOf(c.objects, from), nil
}

// object is YAML of an object called "namespace/name".
func object(kind, name, body string) string {
	version := map[string]string{
		"HelmRelease": "helm.toolkit.fluxcd.io/v2", "Application": "argoproj.io/v1alpha1",
	}[kind]
	if version == "" {
		version = "source.toolkit.fluxcd.io/v1"
	}
	namespace, name, _ := strings.Cut(name, "/")
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {namespace: %s, name: %s}\n%s\n", version, kind, namespace, name, body)
}

func release(body string) string    { return object("HelmRelease", "apps/podinfo", body) }
func repository(body string) string { return object("HelmRepository", "apps/acme", body) }
func helmChart(body string) string  { return object("HelmChart", "apps/podinfo", body) }
func ociRepo(body string) string    { return object("OCIRepository", "apps/podinfo", body) }
func app(body string) string        { return object("Application", "argocd/podinfo", body) }

// The usual siblings.
var (
	acme        = repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts"}`)
	classicRepo = object("HelmRepository", "apps/classic", `spec: {url: "https://charts.acme.example/stable"}`)
)

// parse reads YAML documents.
func parse(t testing.TB, text string) []source.Object {
	t.Helper()
	var objects []source.Object
	for _, document := range strings.Split(text, "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(document), &fields); err != nil {
			t.Fatal(err)
		}
		o := unstructured.Unstructured{Object: fields}
		id := source.ID{Group: o.GroupVersionKind().Group, Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
		objects = append(objects, source.Object{ID: id, JSON: raw})
	}
	return objects
}

func parseOne(t testing.TB, text string) source.Object {
	t.Helper()
	objects := parse(t, text)
	if len(objects) != 1 {
		t.Fatalf("want one object, found %d in\n%s", len(objects), text)
	}
	return objects[0]
}

// fromElsewhere is what show writes where the artifact may come from another location.
const fromElsewhere = ", from elsewhere"

// show renders a use in one line.
func show(u source.Use) string {
	var b strings.Builder
	b.WriteString(u.Field + ": ")
	switch target := u.Target.(type) {
	case source.Unresolved:
		b.WriteString(string(verdict.FromError(target.Err).Reason))
		if u.Defers(target.Err) {
			b.WriteString(", deferred")
		}
	case source.Repository:
		b.WriteString("charts below " + target.Location.String())
	case source.Chart:
		fmt.Fprintf(&b, "%s %s", target.Reference, target.Reference.Selector.Pinning())
		showChart(&b, target)
	default:
		b.WriteString("nothing")
	}
	return b.String()
}

func showChart(b *strings.Builder, c source.Chart) {
	if c.FromElsewhere != nil {
		b.WriteString(fromElsewhere)
	}
	if c.MaybeChart {
		b.WriteString(", maybe")
	}
	if c.UsedElsewhere {
		b.WriteString(", used elsewhere")
	}
	if a := c.Artifact; a != nil {
		b.WriteString(", pulled " + strings.Join([]string{digit(a.Manifest), digit(a.Archive)}, "/"))
		if a.Incomparable {
			b.WriteString(" incomparable")
		}
		if a.Outdated {
			b.WriteString(" outdated")
		}
		if a.ByController {
			b.WriteString(" by the controller")
		}
	}
}

func digit(d chart.Digest) string {
	if d.IsZero() {
		return "-"
	}
	return d.Hex()[:1]
}

// row is a sentence about one write.
type row struct {
	sentence    string
	cluster     string // YAML of what is there
	old, new    string // YAML of the object; old is "" for a creation
	subresource string
	user        string // editor if ""
	manager     string // the field manager that the request names
	options     source.Options
	origin      bool     // whether it matters for which spec an artifact was pulled; most artifacts here do not say it
	want        []string // the uses; none: the write makes nothing newly deployable
}

func (r row) write(t testing.TB) source.Write {
	t.Helper()
	w := source.Write{Object: parseOne(t, r.new), Subresource: r.subresource, User: editor, FieldManager: r.manager}
	if r.user != "" {
		w.User = r.user
	}
	if r.old != "" {
		w.Old = parseOne(t, r.old).JSON
	}
	return w
}

// onStatus makes the rows writes of status.
func onStatus(rows []row) []row {
	for i := range rows {
		rows[i].subresource = "status"
	}
	return rows
}

// withoutOrigin leaves out from where an artifact comes: most sources here do not say it.
func withoutOrigin(uses []string) []string {
	for i := range uses {
		uses[i] = strings.Replace(uses[i], fromElsewhere, "", 1)
	}
	return uses
}

// onOrigin makes the rows depend on the spec for which an artifact was pulled.
func onOrigin(rows []row) []row {
	for i := range rows {
		rows[i].origin = true
	}
	return rows
}

// check compares the uses of each row. A write that makes nothing newly deployable
// must not cost a read.
func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			r.options.ArtifactWriters = append(r.options.ArtifactWriters, fluxUser)
			r.options.ReleaseWriters = append(r.options.ReleaseWriters, helmUser)
			r.options.ArgoUsers = append(r.options.ArgoUsers, argoUser)
			c := &cluster{objects: parse(t, r.cluster)}
			got := usesOf(t.Context(), source.NewExtractor(c, r.options), r.write(t))
			if !r.origin {
				got = withoutOrigin(got)
			}
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Error(diff)
			}
			if len(r.want) == 0 && c.reads > 0 {
				t.Errorf("nothing changed, and yet it cost %d reads", c.reads)
			}
		})
	}
}

// usesOf renders the uses of a write, or the error.
func usesOf(ctx context.Context, e *source.Extractor, w source.Write) []string {
	changes, err := e.Changes(w)
	if err != nil {
		var perr *problem.Error
		if !errors.As(err, &perr) {
			return []string{"error of another type: " + err.Error()}
		}
		return []string{"error: " + string(verdict.FromError(err).Reason)}
	}
	uses := e.Uses(ctx, changes)
	if changes.Empty() != (len(uses) == 0) {
		return []string{fmt.Sprintf("None is %t with %d uses", changes.Empty(), len(uses))}
	}
	var shown []string
	for _, u := range uses {
		if u.Object != w.ID {
			return []string{"a use of another object: " + u.Object.String()}
		}
		shown = append(shown, show(u))
	}
	return shown
}
