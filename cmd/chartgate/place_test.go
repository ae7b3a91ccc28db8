package main

import (
	"strings"
	"testing"
)

// Where the field of an object is in its file.
func TestPlaces(t *testing.T) {
	const list = `# a file as people write it
apiVersion: v1
kind: List
items:
- kind: HelmRelease
  apiVersion: helm.toolkit.fluxcd.io/v2
- apiVersion: helm.toolkit.fluxcd.io/v2
  kind: HelmRelease
  spec:
    chart:
      spec:
        chart: podinfo
`
	const application = `--- # the second
apiVersion: argoproj.io/v1alpha1
kind: Application
spec:
  sources:
  - {repoURL: a}
  - {repoURL: b}
`
	for _, c := range []struct {
		sentence, content, field string
		document                 int
		want                     position
	}{
		{"a field of an item of a list", list, "spec.chart.spec", 1, position{11, 7}},
		{"a field that is not there, at what is", list, "spec.chart.spec.version.x", 1, position{11, 7}},
		{"an object as a whole", list, "", 1, position{7, 3}},
		{"an object that lacks the field", list, "spec", 0, position{5, 3}},
		{"a second document, behind a comment in its marker", "a: b\n" + application, "spec.sources[1]", 1, position{8, 5}},
		{"a document after one that ends", "a: b\n...\n# x\nspec: {chart: {spec: {}}}\n", "spec.chart", 1, position{4, 8}},
		{"carriage returns", strings.ReplaceAll("a: b\n"+application, "\n", "\r\n"), "spec.sources[0].repoURL", 1, position{7, 6}},
		{"JSON values in a row", "{\"a\": 1}\n\n{\n  \"spec\": {\n    \"chart\": 1}}", "spec.chart", 1, position{5, 5}},
		{"a bare list", "- a: b\n- spec:\n    url: x\n", "spec.url", 1, position{3, 5}},
		{"an alias", "x: &x\n  chart: {spec: 1}\nspec: *x\n", "spec.chart", 0, position{2, 3}},
		{"an index that is too large", application, "spec.sources[7]", 0, position{5, 3}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			parts := split([]byte(c.content))
			at := place{file: "x.yaml"}
			switch {
			case strings.HasPrefix(c.content, "# a file"), strings.HasPrefix(c.content, "- a"):
				at.part = parts[0]
				at = at.item(c.document)
			default:
				at.part = parts[c.document]
			}
			if got := at.find(c.field); got != c.want {
				t.Errorf("want %v, got %v", c.want, got)
			}
		})
	}
}

// A document that cannot be read is at the line at which the parser failed.
func TestPlacesOfBrokenDocuments(t *testing.T) {
	for _, c := range []struct {
		sentence, content string
		want              position
	}{
		{"a field twice", "a: b\n---\nkind: HelmRelease\nspec: {}\nspec: {}\n", position{5, 1}},
		{"no YAML", "kind: HelmRelease\nspec:\n  a: [\n  b: ]: c\n", position{4, 1}},
		{"a kind without an apiVersion", "a: b\n---\n\nkind: HelmRelease\nspec: {}\n", position{4, 1}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := (&shop{host: "ghcr.io"}).files(t, map[string]string{"x.yaml": c.content})
			read, err := readDocuments(nil, []string{dir}, gatedKinds)
			if err != nil || len(read.broken) != 1 {
				t.Fatalf("%v, %+v", err, read)
			}
			if got := read.broken[0].at.find(""); got != c.want {
				t.Errorf("want %v, got %v: %v", c.want, got, read.broken[0].err)
			}
		})
	}
}
