// Package charts makes minimal Helm charts, the same bytes for the same arguments.
package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// ConfigMediaType is that of a chart's config blob: the metadata of Chart.yaml as JSON.
	ConfigMediaType = "application/vnd.cncf.helm.config.v1+json"
	// LayerMediaType is that of the chart archive.
	LayerMediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// File is a file of a chart; its name is relative to the chart's directory.
type File struct{ Name, Body string }

// Archive is a valid chart: Chart.yaml, values.yaml, one ConfigMap, and the files, which replace those of the
// same name.
func Archive(name, version string, files ...File) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, f := range merge(minimal(name, version), files) {
		header := &tar.Header{Name: name + "/" + f.Name, Mode: 0o644, Size: int64(len(f.Body)), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Name, err)
		}
		if _, err := io.WriteString(archive, f.Body); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func minimal(name, version string) []File {
	return []File{
		{"Chart.yaml", fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %q\ntype: application\n", name, version)},
		{"values.yaml", "message: hello\n"},
		{"templates/configmap.yaml", `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  message: {{ .Values.message | quote }}
`},
	}
}

func merge(files, more []File) []File {
next:
	for _, m := range more {
		for i := range files {
			if files[i].Name == m.Name {
				files[i] = m
				continue next
			}
		}
		files = append(files, m)
	}
	return files
}

// Config is the config blob that Helm pushes beside an archive.
func Config(archive []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("read chart archive: %w", err)
	}
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("find Chart.yaml: %w", err)
		}
		if _, file, _ := strings.Cut(header.Name, "/"); file != "Chart.yaml" {
			continue
		}
		metadata, err := io.ReadAll(files)
		if err != nil {
			return nil, fmt.Errorf("read Chart.yaml: %w", err)
		}
		return yaml.YAMLToJSON(metadata)
	}
}
