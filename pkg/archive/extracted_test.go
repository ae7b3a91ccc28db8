package archive_test

import (
	"archive/tar"
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/chart"
)

func extracted(t *testing.T, layer, ignore string) chart.Digest {
	t.Helper()
	digest, err := archive.Extracted([]byte(layer), ignore)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

var podinfo = []entry{
	{name: "podinfo/Chart.yaml", content: "name: podinfo\nversion: 1.0.0\n"},
	{name: "podinfo/templates/a.yaml", content: "kind: ConfigMap\n"},
}

func with(more ...entry) []entry { return append(append([]entry{}, podinfo...), more...) }

// That source-controller itself gets the same digests is tested behind the real one (suites/flux).
func TestArchivesOfTheSameFiles(t *testing.T) {
	plain := extracted(t, pack(t, podinfo...), "")
	for _, c := range []struct {
		is     string
		layer  []entry
		ignore string
	}{
		{is: "with the files in another order", layer: []entry{podinfo[1], podinfo[0]}},
		{is: "with a folder of its own", layer: with(entry{name: "podinfo/templates/", kind: tar.TypeDir})},
		{is: "with a symbolic link, which is not extracted", layer: with(entry{name: "podinfo/link", content: "/etc/passwd", kind: tar.TypeSymlink})},
		{is: "with a picture, which is left out as no rules say otherwise", layer: with(entry{name: "podinfo/icon.png", content: "x"})},
		{is: "with a file that spec.ignore names", layer: with(entry{name: "podinfo/notes.txt", content: "x"}), ignore: "notes.txt"},
		{is: "with an earlier file of the same name", layer: append([]entry{{name: "podinfo/Chart.yaml", content: "name: other\n"}}, podinfo...)},
	} {
		if got := extracted(t, pack(t, c.layer...), c.ignore); got != plain {
			t.Errorf("%s: the digest is %s, not %s", c.is, got, plain)
		}
	}
}

func TestArchivesOfOtherFiles(t *testing.T) {
	seen := map[chart.Digest]string{}
	for _, c := range []struct {
		is     string
		layer  []entry
		ignore string
	}{
		{is: "the chart", layer: podinfo},
		{is: "another content", layer: []entry{podinfo[0], {name: podinfo[1].name, content: "kind: Secret\n"}}},
		{is: "another name", layer: []entry{podinfo[0], {name: "podinfo/templates/b.yaml", content: podinfo[1].content}}},
		{is: "one file more", layer: with(entry{name: "podinfo/notes.txt", content: "x"})},
		{is: "one folder more", layer: with(entry{name: "podinfo/crds/", kind: tar.TypeDir})},
		{is: "a template that spec.ignore names", layer: podinfo, ignore: "a.yaml"},
		{is: "a picture that stays, as there are rules", layer: with(entry{name: "podinfo/icon.png", content: "x"}), ignore: "notes.txt"},
		{is: "a template that a .sourceignore names", layer: with(entry{name: "podinfo/.sourceignore", content: "a.yaml\n"})},
	} {
		digest := extracted(t, pack(t, c.layer...), c.ignore)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s have the same digest", c.is, other)
		}
		seen[digest] = c.is
	}
}

func TestLayersThatCannotBeExtracted(t *testing.T) {
	many := make([]entry, 10_001)
	for i := range many {
		many[i] = entry{name: fmt.Sprintf("podinfo/%d", i)}
	}
	for _, c := range []struct{ is, layer, ignore, want string }{
		{is: "no archive", layer: "x", want: "cannot be extracted"},
		{is: "a path out of the folder", layer: pack(t, entry{name: "../x"}), want: "cannot be extracted"},
		{is: "a device", layer: pack(t, entry{name: "x", kind: tar.TypeChar}), want: "cannot be extracted"},
		{is: "too many files", layer: pack(t, many...), want: "more than 10000 files"},
		{is: "too much content", layer: pack(t, entry{name: "x", content: strings.Repeat("0", 65<<20)}), want: "cannot be extracted"},
		{is: "too many rules", layer: pack(t, podinfo...), ignore: strings.Repeat("x\n", 201), want: "more than 200 rules"},
		{is: "rules that are too long", layer: pack(t, podinfo...), ignore: strings.Repeat("x", 65<<10), want: "more than 64 KiB"},
		{is: "rules in the archive that are too long", layer: pack(t, with(entry{name: "a/.sourceignore", content: strings.Repeat("x", 65<<10)})...), want: "more than 64 KiB"},
	} {
		digest, err := archive.Extracted([]byte(c.layer), c.ignore)
		if err == nil || !strings.Contains(err.Error(), c.want) || !digest.IsZero() {
			t.Errorf("%s: got %s, %v; want an error with %q", c.is, digest, err, c.want)
		}
	}
}
