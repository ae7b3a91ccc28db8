package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// reference is what was pushed.
type reference struct {
	repository string // ghcr.io/chartgate/chartgate
	digest     string // sha256:…
}

// String names the content, whatever tags there are.
func (r reference) String() string { return r.repository + "@" + r.digest }

// registryAt is where the release goes, with the login of the Docker configuration.
type registryAt struct {
	prefix    string // ghcr.io/chartgate
	plainHTTP bool
}

func (r registryAt) repository(path string) (name.Repository, error) {
	var options []name.Option
	if r.plainHTTP {
		options = append(options, name.Insecure)
	}
	return name.NewRepository(r.prefix+"/"+path, options...)
}

func remoteOptions(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// pushIndex pushes an image without a tag: what is not signed yet has no name.
func (r registryAt) pushIndex(ctx context.Context, path string, index v1.ImageIndex) (reference, error) {
	repository, err := r.repository(path)
	if err != nil {
		return reference{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return reference{}, err
	}
	err = remote.WriteIndex(repository.Digest(digest.String()), index, remoteOptions(ctx)...)
	return reference{repository.Name(), digest.String()}, err
}

// pushArtifact pushes an artifact, without a tag too.
func (r registryAt) pushArtifact(ctx context.Context, path string, a artifact) (reference, error) {
	repository, err := r.repository(path)
	if err != nil {
		return reference{}, err
	}
	for _, b := range []blob{a.config, a.content} {
		if err := remote.WriteLayer(repository, static.NewLayer(b.bytes, b.mediaType), remoteOptions(ctx)...); err != nil {
			return reference{}, err
		}
	}
	err = remote.Put(repository.Digest(a.digest.String()), a, remoteOptions(ctx)...)
	return reference{repository.Name(), a.digest.String()}, err
}

// errExists says that a tag is there already, with other content.
var errExists = errors.New("the version exists already, with other content")

// tagIsFree returns errExists if the tag names other content. A tag that names this content is fine: a release that was
// interrupted can be repeated.
func (r registryAt) tagIsFree(ctx context.Context, path, tag, digest string) error {
	repository, err := r.repository(path)
	if err != nil {
		return err
	}
	found, err := remote.Head(repository.Tag(tag), remoteOptions(ctx)...)
	if answer, is := errors.AsType[*transport.Error](err); is && answer.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if found.Digest.String() != digest {
		return fmt.Errorf("%s: %w: %s", repository.Tag(tag), errExists, found.Digest)
	}
	return nil
}

// tag gives what was pushed its name. A name that it has already stays, since some registries let no tag be written twice.
func (r registryAt) tag(ctx context.Context, path, tag, digest string) error {
	repository, err := r.repository(path)
	if err != nil {
		return err
	}
	if named, err := remote.Head(repository.Tag(tag), remoteOptions(ctx)...); err == nil && named.Digest.String() == digest {
		return nil
	}
	pushed, err := remote.Get(repository.Digest(digest), remoteOptions(ctx)...)
	if err != nil {
		return err
	}
	return remote.Tag(repository.Tag(tag), pushed, remoteOptions(ctx)...)
}

// blob is content with its type.
type blob struct {
	mediaType types.MediaType
	bytes     []byte
}

// artifact is a manifest with one layer, of any types.
type artifact struct {
	config, content blob
	manifest        []byte
	digest          v1.Hash
}

func newArtifact(config, content blob, annotations map[string]string) (artifact, error) {
	a := artifact{config: config, content: content}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: annotations}
	var err error
	if manifest.Config, err = config.descriptor(); err != nil {
		return a, err
	}
	layer, err := content.descriptor()
	if err != nil {
		return a, err
	}
	manifest.Layers = []v1.Descriptor{layer}
	if a.manifest, err = json.Marshal(manifest); err != nil {
		return a, err
	}
	a.digest, err = hash(a.manifest)
	return a, err
}

// RawManifest implements remote.Taggable.
func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// MediaType makes the registry take it for an OCI manifest.
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (b blob) descriptor() (v1.Descriptor, error) {
	digest, err := hash(b.bytes)
	return v1.Descriptor{MediaType: b.mediaType, Digest: digest, Size: int64(len(b.bytes))}, err
}

func hash(b []byte) (v1.Hash, error) {
	digest, _, err := v1.SHA256(bytes.NewReader(b))
	return digest, err
}
