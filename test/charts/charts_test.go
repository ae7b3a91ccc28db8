package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	const values = "message: mine\n"
	for _, tc := range []struct {
		name    string
		files   []File
		want    []string
		message string // of the ConfigMap that Helm renders
	}{
		{name: "minimal", want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml"}, message: "hello"},
		{
			name: "a file more", files: []File{{"values-prod.yaml", "{}"}},
			want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml", "podinfo/values-prod.yaml"}, message: "hello",
		},
		{
			name: "a file replaced", files: []File{{"values.yaml", values}},
			want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml"}, message: "mine",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			archive, err := Archive("podinfo", "1.0.0", tc.files...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, names(t, archive)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if again, _ := Archive("podinfo", "1.0.0", tc.files...); !bytes.Equal(archive, again) {
				t.Error("the same arguments gave other bytes")
			}
			const metadata = "apiVersion: v2\nname: podinfo\ntype: application\nversion: 1.0.0\n\n"
			if diff := cmp.Diff(metadata, helm(t, archive, "show", "chart")); diff != "" {
				t.Errorf("Helm reads (-want +got):\n%s", diff)
			}
			rendered := `---
# Source: podinfo/templates/configmap.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: release-name
data:
  message: "` + tc.message + `"
`
			if diff := cmp.Diff(rendered, helm(t, archive, "template")); diff != "" {
				t.Errorf("Helm renders (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	archive, err := Archive("podinfo", "1.0")
	if err != nil {
		t.Fatal(err)
	}
	config, err := Config(archive)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"apiVersion":"v2","name":"podinfo","type":"application","version":"1.0"}`
	if diff := cmp.Diff(want, string(config)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if _, err := Config([]byte("not a chart")); err == nil {
		t.Error("made a config of something that is not a chart")
	}
}

// helm runs the real Helm on an archive.
func helm(t *testing.T, archive []byte, args ...string) string {
	t.Helper()
	bin := os.Getenv("CHARTGATE_BIN")
	if bin == "" {
		bin = "../../bin"
	}
	path, err := filepath.Abs(filepath.Join(bin, "helm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make tools", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "chart.tgz"), archive, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append(args, "chart.tgz")...)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("helm %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func names(t *testing.T, archive []byte) (names []string) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}
