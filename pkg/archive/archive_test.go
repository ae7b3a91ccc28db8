package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/problem"
)

// entry is one entry of an archive; a regular file if it has no type.
type entry struct {
	name, content string
	kind          byte
}

func pack(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.content))}
		if e.kind != 0 {
			header = &tar.Header{Typeflag: e.kind, Name: e.name, Mode: 0o644, Linkname: e.content}
			e.content = ""
		}
		if strings.HasSuffix(e.name, ".sh") {
			header.Mode = 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// of are a chart's files, by their paths below the folder app.
func of(pairs ...string) []entry {
	var entries []entry
	for i := 0; i < len(pairs); i += 2 {
		entries = append(entries, entry{name: "app/" + pairs[i], content: pairs[i+1]})
	}
	return entries
}

const (
	plain    = "apiVersion: v2\nname: app\nversion: 1.0.0\n"
	declares = plain + "dependencies:\n- {name: redis, version: 1.x, repository: 'https://charts.example'}\n"
	redis    = "apiVersion: v2\nname: redis\nversion: 1.2.3\n"
	v1       = "apiVersion: v1\nname: app\nversion: 1.0.0\n"
	v1Needs  = "dependencies:\n- {name: redis, version: 1.x, repository: 'https://charts.example'}\n"
)

func TestMissingDependencies(t *testing.T) {
	subchart := pack(t, entry{name: "redis/Chart.yaml", content: redis})
	for _, tc := range []struct {
		sentence string
		files    []entry
		want     []string
	}{
		{"a chart without dependencies", of("Chart.yaml", plain), nil},
		{"a sub-chart that nobody declares", of("Chart.yaml", plain, "charts/redis/Chart.yaml", redis), nil},
		{"a declared sub-chart in a folder", of("Chart.yaml", declares, "charts/redis/Chart.yaml", redis), nil},
		{"a declared sub-chart in an archive", of("Chart.yaml", declares, "charts/redis-1.2.3.tgz", subchart), nil},
		{"a declared sub-chart that is not there", of("Chart.yaml", declares), []string{`"redis"`}},
		{"one in a folder of its name, and of another name in its Chart.yaml", of("Chart.yaml", declares, "charts/redis/Chart.yaml", strings.Replace(redis, "redis", "other", 1)), []string{`"redis"`}},
		{"one in a folder of another name", of("Chart.yaml", declares, "charts/x/Chart.yaml", redis), nil},
		{"one that a condition turns off is fetched all the same", of("Chart.yaml", plain+"dependencies:\n- {name: redis, version: 1.x, repository: 'https://c.example', condition: redis.enabled}\n", "values.yaml", "redis: {enabled: false}"), []string{`"redis"`}},
		{"one of a repository in a file", of("Chart.yaml", plain+"dependencies:\n- {name: redis, version: 1.x, repository: 'file://../redis'}\n"), []string{`"redis"`}},
		{"a lock is no chart", of("Chart.yaml", declares, "Chart.lock", "dependencies:\n- {name: redis, version: 1.2.3, repository: 'https://charts.example'}\n"), []string{`"redis"`}},
		{"an old chart that declares in requirements.yaml", of("Chart.yaml", v1, "requirements.yaml", v1Needs), []string{`"redis"`}},
		{"an old chart with what it declares", of("Chart.yaml", v1, "requirements.yaml", v1Needs, "charts/redis/Chart.yaml", redis), nil},
		{"a new chart with a forgotten requirements.yaml", of("Chart.yaml", plain, "requirements.yaml", v1Needs), []string{`"redis"`}},
		{"what a sub-chart lacks, nobody fetches", of("Chart.yaml", plain, "charts/redis/Chart.yaml", strings.Replace(declares, "name: app", "name: sub", 1)), nil},
		{"a .helmignore that hides nothing", of("Chart.yaml", declares, ".helmignore", "*.swp\n.git/\n# charts/\n", "charts/redis/Chart.yaml", redis), nil},
		{"a .helmignore that hides the sub-charts", of("Chart.yaml", declares, ".helmignore", "charts/\n", "charts/redis/Chart.yaml", redis), []string{`"redis"`}},
		{"a .helmignore that hides one", of("Chart.yaml", declares, ".helmignore", "*.tgz\n", "charts/redis-1.2.3.tgz", subchart), []string{`"redis"`}},
		{"a .helmignore that hides everything but", of("Chart.yaml", declares, ".helmignore", "!Chart.yaml\n", "charts/redis-1.2.3.tgz", subchart), []string{`"redis"`}},
		{"folders are no files", append([]entry{{name: "app/", kind: tar.TypeDir}, {name: "app/charts/", kind: tar.TypeDir}}, of("Chart.yaml", plain)...), nil},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got, err := archive.MissingDependencies([]byte(pack(t, tc.files...)))
			if err != nil {
				t.Fatalf("%v: %v", err, errors.Unwrap(err))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestArchivesThatCannotBeJudged(t *testing.T) {
	var many []entry
	for i := range 20_001 {
		many = append(many, entry{name: fmt.Sprintf("app/templates/%d", i)})
	}
	nested := pack(t, of("Chart.yaml", plain)...)
	for range 6 {
		nested = pack(t, of("Chart.yaml", plain, "charts/app.tgz", nested)...)
	}
	bomb := strings.Repeat("\x00", 65<<20)
	half := strings.Repeat("\x00", 33<<20)
	good := pack(t, of("Chart.yaml", plain)...)
	for _, tc := range []struct {
		sentence, archive, because string
		kind                       problem.Kind
	}{
		{"nothing", "", "it is not a gzip archive", problem.KindNotAChart},
		{"no gzip", "x", "it is not a gzip archive", problem.KindNotAChart},
		{"no tar", zip(t, strings.Repeat("x", 600)), "it is not a tar archive", problem.KindNotAChart},
		{"cut off", good[:len(good)/2], "it ", problem.KindNotAChart},
		{"an empty tar", pack(t), "helm cannot load it", problem.KindNotAChart},
		{"no Chart.yaml", pack(t, of("values.yaml", "")...), "helm cannot load it", problem.KindNotAChart},
		{"a Chart.yaml that is a link", pack(t, append(of("x.yaml", plain), entry{name: "app/Chart.yaml", content: "x.yaml", kind: tar.TypeSymlink})...), `it holds "app/Chart.yaml", which is neither a file nor a folder`, problem.KindNotAChart},
		{"a hard link", pack(t, append(of("Chart.yaml", plain), entry{name: "app/charts/redis", content: "app/x", kind: tar.TypeLink})...), "neither a file nor a folder", problem.KindNotAChart},
		{"a device", pack(t, append(of("Chart.yaml", plain), entry{name: "app/x", kind: tar.TypeChar})...), "neither a file nor a folder", problem.KindNotAChart},
		{"a Chart.yaml that the .helmignore hides", pack(t, of("Chart.yaml", plain, ".helmignore", "Chart.yaml")...), "helm cannot load it", problem.KindNotAChart},
		{"a dependency that is null", pack(t, of("Chart.yaml", plain+"dependencies: [null]\n")...), "it", problem.KindNotAChart},
		{"a sub-chart that is no archive", pack(t, of("Chart.yaml", plain, "charts/x.tgz", "x")...), "it is not a gzip archive", problem.KindNotAChart},
		{"a .helmignore that helm cannot read", pack(t, of("Chart.yaml", plain, ".helmignore", "charts/**")...), "its .helmignore cannot be read", problem.KindNotAChart},
		{"a path out of the chart", pack(t, append(of("Chart.yaml", plain), entry{name: "app/../../etc/passwd"})...), `called "app/../../etc/passwd", which is not a plain path`, problem.KindNotAChart},
		{"a path out of the folder", pack(t, append(of("Chart.yaml", plain), entry{name: "../Chart.yaml"})...), "not a plain path", problem.KindNotAChart},
		{"an absolute path", pack(t, append(of("Chart.yaml", plain), entry{name: "/app/x"})...), "not a plain path", problem.KindNotAChart},
		{"a path with a dot", pack(t, append(of("Chart.yaml", plain), entry{name: "app/./Chart.yaml"})...), "not a plain path", problem.KindNotAChart},
		{"a path as on Windows, which helm reads otherwise in archives", pack(t, append(of("Chart.yaml", plain), entry{name: `app\charts\redis\Chart.yaml`})...), "not a plain path", problem.KindNotAChart},
		{"a file beside the folder", pack(t, append(of("Chart.yaml", plain), entry{name: "Chart.yaml", content: declares})...), "not a plain path", problem.KindNotAChart},
		{"two folders, of which helm merges and Argo CD takes one", pack(t, append(of("Chart.yaml", plain), entry{name: "b/Chart.yaml", content: declares})...), `it holds two folders, "app" and "b"`, problem.KindNotAChart},
		{"two files of one name", pack(t, of("Chart.yaml", declares, "Chart.yaml", plain)...), `it holds two files called "Chart.yaml"`, problem.KindNotAChart},
		{"a gzip bomb", pack(t, of("Chart.yaml", plain, "x", bomb)...), "it unpacks to more than 64 MiB", problem.KindLimitExceeded},
		{"a bomb in a sub-chart", pack(t, of("Chart.yaml", plain, "charts/x.tgz", pack(t, of("Chart.yaml", plain, "x", bomb)...))...), "it unpacks to more than 64 MiB", problem.KindLimitExceeded},
		{"two sub-charts that are one together", pack(t, of("Chart.yaml", plain, "charts/a.tgz", pack(t, of("x", half)...), "charts/b.tgz", pack(t, of("x", half)...))...), "it unpacks to more than 64 MiB", problem.KindLimitExceeded},
		{"too many files", pack(t, many...), "it holds more than 20000 files", problem.KindLimitExceeded},
		{"archives in archives", nested, "it holds archives in archives, more than 5 deep", problem.KindLimitExceeded},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			missing, err := archive.MissingDependencies([]byte(tc.archive))
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != tc.kind || !strings.Contains(p.Detail, "the chart's archive cannot be judged: ") || !strings.Contains(p.Detail, tc.because) || missing != nil {
				t.Errorf("%v, %v; want %q", missing, err, tc.because)
			}
		})
	}
}

func zip(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever an archive holds, it is judged or refused, and never crashes the gate.
func FuzzMissingDependencies(f *testing.F) {
	f.Add([]byte(pack(f, of("Chart.yaml", declares, "charts/redis/Chart.yaml", redis)...)))
	f.Add([]byte(pack(f, of("Chart.yaml", v1, "requirements.yaml", v1Needs, ".helmignore", "!x\n")...)))
	f.Fuzz(func(t *testing.T, content []byte) {
		missing, err := archive.MissingDependencies(content)
		var p *problem.Error
		if err != nil && (!errors.As(err, &p) || missing != nil) {
			t.Errorf("%v, %v", missing, err)
		}
	})
}
