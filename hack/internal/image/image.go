// Package image makes chartgate's container image from static binaries, without a base image and without a container
// engine. The same input makes the same digest.
package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/folder"
	"github.com/chartgate/chartgate/hack/internal/source"
)

// Where the two files are. Go's crypto/x509 looks for certificate authorities there first, and besides in SSL_CERT_DIR.
const (
	program      = "usr/local/bin/chartgate"
	certificates = "etc/ssl/certs/ca-certificates.crt"
)

// temporary is the one folder that the user can write to, where the root file system is not read-only. It is HOME, below
// which "verify" and "scan" keep the metadata of trust roots.
const temporary = "tmp"

// user is the one that distroless images call nonroot. It is a number, as Kubernetes needs it for runAsNonRoot.
const user = "65532:65532"

// Content says what is in an image.
type Content struct {
	// Binaries are programs for Linux, one for each platform.
	Binaries []binary.Binary
	// Authorities are certificates in PEM.
	Authorities []byte
	// Version is without the leading v, as 0.1.0.
	Version string
	Commit  source.Commit
}

// Index makes the image index, with one image for each platform.
func (c Content) Index() (v1.ImageIndex, error) {
	if len(c.Binaries) == 0 {
		return nil, errors.New("no binary for linux")
	}
	authorities, err := file{path: certificates, content: c.Authorities, mode: 0o644, beside: temporary}.layer(c.Commit.Time)
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range c.Binaries {
		image, err := c.image(b, authorities)
		if err != nil {
			return nil, fmt.Errorf("%s for %s: %w", b.Path, b.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: b.OS, Architecture: b.Arch}},
		})
	}
	annotated, is := mutate.Annotations(index, c.annotations()).(v1.ImageIndex)
	if !is {
		return nil, errors.New("the index cannot carry annotations")
	}
	return annotated, nil
}

func (c Content) image(b binary.Binary, authorities v1.Layer) (v1.Image, error) {
	content, err := os.ReadFile(b.Path)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(b); err != nil {
		return nil, err
	}
	layer, err := file{path: program, content: content, mode: 0o755}.layer(c.Commit.Time)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: c.Commit.Time}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		// The certificates are first, so that registries and nodes keep their layer from one version to the next.
		mutate.Addendum{Layer: authorities, History: v1.History{Created: created, CreatedBy: "hack/image", Comment: "certificate authorities"}},
		mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "hack/image", Comment: "chartgate " + c.Version}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = b.OS, b.Arch, created
	config.Config = v1.Config{
		User: user, Entrypoint: []string{"/" + program}, WorkingDir: "/",
		Env: []string{"PATH=/usr/local/bin", "HOME=/" + temporary}, Labels: c.annotations(),
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	annotated, is := mutate.Annotations(image, c.annotations()).(v1.Image)
	if !is {
		return nil, errors.New("the image cannot carry annotations")
	}
	return annotated, nil
}

// annotations are those that OCI defines. They are labels of the images, too.
func (c Content) annotations() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         "chartgate",
		"org.opencontainers.image.description":   "Admits Helm charts to a cluster only when they carry a signature that you trust",
		"org.opencontainers.image.url":           source.URL,
		"org.opencontainers.image.source":        source.URL,
		"org.opencontainers.image.documentation": source.URL + "/tree/" + c.Commit.Revision + "/docs",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       c.Version,
		"org.opencontainers.image.revision":      c.Commit.Revision,
		"org.opencontainers.image.created":       c.Commit.Time.Format(time.RFC3339),
	}
}

// checkStatic refuses a program that does not run on the platform, or not without libraries, of which the image has none.
func checkStatic(b binary.Binary) error {
	want, known := map[binary.Platform]elf.Machine{
		{OS: "linux", Arch: "amd64"}: elf.EM_X86_64,
		{OS: "linux", Arch: "arm64"}: elf.EM_AARCH64,
	}[b.Platform]
	if !known {
		return errors.New("there is no image for this platform")
	}
	program, err := elf.Open(b.Path)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	if program.Machine != want {
		return fmt.Errorf("the program is for %s, and the platform is %s", program.Machine, want)
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("the program is linked dynamically; build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// Layout writes an OCI image layout: a folder that skopeo, crane and others read, with the index under the name of its tag.
func Layout(dir, tag string, index v1.ImageIndex) error {
	if err := folder.Renew(dir, "oci-layout"); err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
}

// Tag is the tag of a version in registries: as charts name it, without the leading v.
func Tag(version string) string { return strings.TrimPrefix(version, "v") }
