package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	const values = "message: mine\n"
	for _, tc := range []struct {
		name  string
		files []File
		want  []string
	}{
		{name: "minimal", want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml"}},
		{
			name: "a file more", files: []File{{"values-prod.yaml", "{}"}},
			want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml", "podinfo/values-prod.yaml"},
		},
		{
			name: "a file replaced", files: []File{{"values.yaml", values}},
			want: []string{"podinfo/Chart.yaml", "podinfo/values.yaml", "podinfo/templates/configmap.yaml"},
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
			chart, err := loader.LoadArchive(bytes.NewReader(archive))
			if err != nil {
				t.Fatalf("Helm cannot load it: %v", err)
			}
			if err := chart.Validate(); err != nil {
				t.Errorf("Helm calls it invalid: %v", err)
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
