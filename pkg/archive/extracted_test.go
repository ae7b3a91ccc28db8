package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/chart"
)

func extracted(t *testing.T, layer, ignore string) chart.Digest {
	t.Helper()
	digest, err := archive.Extracted(t.Context(), []byte(layer), ignore)
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
	folders := make([]entry, 400)
	for i := range folders {
		folders[i] = entry{name: fmt.Sprintf("podinfo/%d/", i) + strings.Repeat("x/", 28) + "y"}
	}
	const unread, manifold = "source-controller does not extract", "more than 10000 files and folders"
	for _, c := range []struct{ is, layer, ignore, want string }{
		{is: "no archive", layer: "x", want: "not a gzip archive"},
		{is: "no tar in the gzip archive", layer: gzipped(t, strings.Repeat("x", 600)), want: "not a tar archive"},
		{is: "a path out of the folder", layer: pack(t, entry{name: "../x"}), want: unread},
		{is: "an absolute path", layer: pack(t, entry{name: "/etc/x"}), want: unread},
		{is: "the folder above", layer: pack(t, entry{name: "..", kind: tar.TypeDir}), want: "out of its folder"},
		{is: "a device", layer: pack(t, entry{name: "x", kind: tar.TypeChar}), want: "neither a file nor a folder"},
		{is: "a file that is a folder, too", layer: pack(t, entry{name: "x"}, entry{name: "x/y"}), want: "as a file and as a folder"},
		{is: "a folder that is a file, too", layer: pack(t, entry{name: "x/y"}, entry{name: "x"}), want: "as a file and as a folder"},
		{is: "too many files", layer: pack(t, many...), want: manifold},
		{is: "too many folders that only paths name", layer: pack(t, folders...), want: manifold},
		{is: "folders too deep", layer: pack(t, entry{name: strings.Repeat("x/", 40) + "y"}), want: "more than 32 deep"},
		{is: "too much content", layer: pack(t, entry{name: "x", content: strings.Repeat("0", 65<<20)}), want: "more than 64 MiB"},
		{is: "rules too long for its files", layer: pack(t, many[:5000]...), ignore: strings.Repeat("*a", 20_000), want: "too long for its number of files"},
		{is: "rules in the archive that are too long", layer: pack(t, append([]entry{{name: "a/.sourceignore", content: strings.Repeat("x", 65<<10)}}, many[:5000]...)...), want: "too long for its number of files"},
	} {
		digest, err := archive.Extracted(t.Context(), []byte(c.layer), c.ignore)
		if err == nil || !strings.Contains(err.Error(), c.want) || !digest.IsZero() {
			t.Errorf("%s: got %s, %v; want an error with %q", c.is, digest, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if digest, err := archive.Extracted(ended, []byte(pack(t, podinfo...)), ""); err == nil || !digest.IsZero() {
		t.Errorf("in no time: %s, %v", digest, err)
	}
}

func gzipped(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
