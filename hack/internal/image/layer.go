package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is the one file of a layer.
type file struct {
	path    string // without a leading slash
	content []byte
	mode    int64
	// beside is a folder for every user's files, in the same layer; none if empty.
	beside string
}

// layer holds the file, and the directories above it: owned by root, at a fixed time, without what differs between
// machines.
func (f file) layer(modified time.Time) (v1.Layer, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, dir := range parents(f.path) {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: modified, Format: tar.FormatPAX}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	if f.beside != "" {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: f.beside + "/", Mode: 0o1777, ModTime: modified, Format: tar.FormatPAX}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", f.beside, err)
		}
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content)), ModTime: modified, Format: tar.FormatPAX,
	}
	if err := writer.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if _, err := writer.Write(f.content); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}

// parents are the directories above a path, the outermost first.
func parents(p string) []string {
	var dirs []string
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}
