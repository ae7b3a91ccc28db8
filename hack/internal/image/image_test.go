package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	product "github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/source"
)

var (
	amd64 = product.Platform{OS: "linux", Arch: "amd64"}
	arm64 = product.Platform{OS: "linux", Arch: "arm64"}
)

// elfFile writes the header of a program, which is all of it that the image reads.
func elfFile(t *testing.T, machine elf.Machine, segments ...elf.ProgType) string {
	t.Helper()
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Ehsize: 64, Phoff: 64, Phentsize: 56, Phnum: uint16(len(segments)), Shentsize: 64,
	}
	var content bytes.Buffer
	if err := binary.Write(&content, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	for _, segment := range segments {
		if err := binary.Write(&content, binary.LittleEndian, elf.Prog64{Type: uint32(segment)}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "chartgate")
	if err := os.WriteFile(path, content.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T) Content {
	t.Helper()
	return Content{
		Binaries: []product.Binary{
			{Platform: amd64, Path: elfFile(t, elf.EM_X86_64, elf.PT_LOAD)},
			{Platform: arm64, Path: elfFile(t, elf.EM_AARCH64, elf.PT_LOAD)},
		},
		Authorities: []byte("certificates\n"), Version: "0.1.0",
		Commit: source.Commit{Revision: "4f2d1c9a0b8e7d6c5b4a39281706f5e4d3c2b1a0", Time: time.Unix(1_795_000_000, 0)},
	}
}

// TestIndex: an image for each platform, valid, and the same from files that another machine wrote at another time.
func TestIndex(t *testing.T) {
	t.Parallel()
	built, err := content(t).Index()
	if err != nil {
		t.Fatal(err)
	}
	index := stored(t, built)
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	again, err := content(t).Index()
	if err != nil {
		t.Fatal(err)
	}
	first, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Digest(); err != nil || first != second {
		t.Errorf("two builds give %s and %s, error %v", first, second, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, described := range manifest.Manifests {
		platforms = append(platforms, described.Platform.String())
		image, err := index.Image(described.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS+"/"+config.Architecture != described.Platform.String() {
			t.Errorf("the index says %s, and the image %s/%s", described.Platform, config.OS, config.Architecture)
		}
		if diff := cmp.Diff([]string{
			"etc/ 755", "etc/ssl/ 755", "etc/ssl/certs/ 755", "tmp/ 1777", "etc/ssl/certs/ca-certificates.crt 644",
			"usr/ 755", "usr/local/ 755", "usr/local/bin/ 755", "usr/local/bin/chartgate 755",
		}, files(t, image)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	if manifest.Annotations["org.opencontainers.image.version"] != "0.1.0" {
		t.Errorf("annotations of the index: %v", manifest.Annotations)
	}
}

// stored is the index as it is read from a layout.
func stored(t *testing.T, index v1.ImageIndex) v1.ImageIndex {
	t.Helper()
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "image")
	if err := Layout(dir, "0.1.0", index); err != nil {
		t.Fatal(err)
	}
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if index, err = all.ImageIndex(digest); err != nil {
		t.Fatal(err)
	}
	return index
}

// files lists the layers' entries, all of which are root's and as old as the commit.
func files(t *testing.T, image v1.Image) []string {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, layer := range layers {
		uncompressed, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		reader := tar.NewReader(uncompressed)
		for {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, header.Name+" "+strconv.FormatInt(header.Mode, 8))
			if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.ModTime.Unix() != 1_795_000_000 {
				t.Errorf("%s is of %d:%d at %s", header.Name, header.Uid, header.Gid, header.ModTime)
			}
		}
	}
	return names
}

// TestProgramsThatAreRefused: an image with them would not start.
func TestProgramsThatAreRefused(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "chartgate")
	if err := os.WriteFile(text, []byte("#!/bin/sh\necho a script\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		of   product.Binary
		want string
	}{
		{"for another architecture", product.Binary{Platform: arm64, Path: elfFile(t, elf.EM_X86_64)}, "the program is for EM_X86_64"},
		{"linked dynamically", product.Binary{Platform: amd64, Path: elfFile(t, elf.EM_X86_64, elf.PT_LOAD, elf.PT_INTERP)}, "linked dynamically"},
		{"not a program", product.Binary{Platform: amd64, Path: text}, "bad magic number"},
		{"for another system", product.Binary{Platform: product.Platform{OS: "darwin", Arch: "arm64"}, Path: elfFile(t, elf.EM_AARCH64)}, "no image for this platform"},
		{"missing", product.Binary{Platform: amd64, Path: text + ".missing"}, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := content(t)
			c.Binaries = []product.Binary{tc.of}
			if _, err := c.Index(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want %q, got %v", tc.want, err)
			}
		})
	}
	if _, err := (Content{}).Index(); err == nil {
		t.Error("an image without programs is made")
	}
}
