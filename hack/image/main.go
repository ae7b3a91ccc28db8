// Command image builds chartgate's container image as an OCI layout, and its SBOM, and can push the image.
//
//	go run ./hack/image -version=v0.1.0 -bin=bin -push=registry.corp.example/chartgate
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/command"
	"github.com/chartgate/chartgate/hack/internal/image"
	"github.com/chartgate/chartgate/hack/internal/sbom"
	"github.com/chartgate/chartgate/hack/internal/source"
)

type options struct {
	version, platforms, bin, output, push string
	plainHTTP                             bool
}

func main() {
	var o options
	flag.StringVar(&o.version, "version", "", "version that the program prints, as v0.1.0")
	flag.StringVar(&o.platforms, "platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flag.StringVar(&o.bin, "bin", "bin", "folder with ca-certificates.crt; it takes the image, too")
	flag.StringVar(&o.output, "output", "", "folder that takes the image; image in -bin if empty")
	flag.StringVar(&o.push, "push", "", "repository to push to, as registry.corp.example/chartgate")
	flag.BoolVar(&o.plainHTTP, "plain-http", false, "the registry speaks HTTP")
	command.Main("image", func(ctx context.Context) error { return o.run(ctx) }) // with the flags, which are parsed by then
}

func (o *options) run(ctx context.Context) error {
	if o.output == "" {
		o.output = filepath.Join(o.bin, "image")
	}
	content, err := o.content(ctx)
	if err != nil {
		return err
	}
	index, err := content.Index()
	if err != nil {
		return err
	}
	if err := image.Layout(o.output, content.Version, index); err != nil {
		return err
	}
	document, err := sbom.Image(content)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.output+".spdx.json", document, 0o644); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	if o.push == "" {
		return nil
	}
	return o.pushed(ctx, index, digest)
}

// content builds the binaries.
func (o options) content(ctx context.Context) (image.Content, error) {
	platforms, err := binary.ParsePlatforms(o.platforms)
	if err != nil {
		return image.Content{}, err
	}
	commit, err := source.Tree{}.Head(ctx)
	if err != nil {
		return image.Content{}, err
	}
	c := image.Content{Version: image.Tag(o.version), Commit: commit}
	if c.Authorities, err = os.ReadFile(filepath.Join(o.bin, "ca-certificates.crt")); err != nil {
		return c, fmt.Errorf("%w: run `make image`", err)
	}
	builder := binary.Builder{Root: ".", Version: o.version, Dir: o.output + ".binaries"}
	for _, p := range platforms {
		b, err := builder.Build(ctx, p)
		if err != nil {
			return c, err
		}
		c.Binaries = append(c.Binaries, b)
	}
	return c, nil
}

func (o options) pushed(ctx context.Context, index v1.ImageIndex, digest v1.Hash) error {
	var named []name.Option
	if o.plainHTTP {
		named = append(named, name.Insecure)
	}
	repository, err := name.NewRepository(o.push, named...)
	if err != nil {
		return err
	}
	tag := repository.Tag(image.Tag(o.version))
	if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return err
	}
	fmt.Printf("%s@%s\n", tag, digest)
	return nil
}
