package node

import (
	"archive/tar"
	"bytes"
	"context"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// pause is the image of the sandbox of each pod: one static program, which is its entry point.
func (n *Node) pause() string { return n.Registry.Host() + "/pause:1" }

func (n *Node) pushPause(ctx context.Context) error {
	const entry = "/program"
	program, err := cluster.Tool("pause")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	if err := files.WriteHeader(&tar.Header{Name: entry, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := files.Write(content); err != nil {
		return err
	}
	if err := files.Close(); err != nil {
		return err
	}
	// Not compressed: it travels within this machine.
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		return err
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux",
		Config: v1.Config{Entrypoint: []string{entry}},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(image)},
	})
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(n.pause(), name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(reference, image, remote.WithContext(ctx))
}

func diffIDs(image v1.Image) []v1.Hash {
	config, err := image.ConfigFile()
	if err != nil {
		return nil // the image is made in memory
	}
	return config.RootFS.DiffIDs
}
