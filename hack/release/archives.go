package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chartgate/chartgate/hack/internal/binary"
)

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
	mode    os.FileMode
}

// archive packs a program with the license: a zip for Windows, tar.gz for the others.
func (r *release) archive(b binary.Binary) (name string, err error) {
	program, err := os.ReadFile(b.Path)
	if err != nil {
		return "", err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return "", err
	}
	entries := []entry{{filepath.Base(b.Path), program, 0o755}, {"LICENSE", license, 0o644}}
	pack, extension := tarGzip, ".tar.gz"
	if b.OS == "windows" {
		pack, extension = zipped, ".zip"
	}
	content, err := pack(entries, r.commit.Time)
	if err != nil {
		return "", err
	}
	name = strings.Join([]string{"chartgate", r.number, b.OS, b.Arch}, "_") + extension
	return name, r.write(name, content)
}

// tarGzip packs files that are all of one time and of root.
func tarGzip(entries []entry, modified time.Time) ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	writer := tar.NewWriter(compressed)
	for _, e := range entries {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: int64(e.mode), Size: int64(len(e.content)), ModTime: modified, Format: tar.FormatPAX,
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := writer.Write(e.content); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	err := compressed.Close()
	return out.Bytes(), err
}

func zipped(entries []entry, modified time.Time) ([]byte, error) {
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: modified}
		header.SetMode(e.mode)
		file, err := writer.CreateHeader(header)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := file.Write(e.content); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	err := writer.Close()
	return out.Bytes(), err
}

// checksums writes the digests of files of the release as sha256sum does.
func (r *release) checksums(files []string) error {
	slices.Sort(files)
	var text strings.Builder
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(r.output, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(content), name)
	}
	return r.write(checksumsFile, []byte(text.String()))
}

const checksumsFile = "checksums.txt"

// write writes a file of the release.
func (r *release) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(r.output, name), content, 0o644)
}
