package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/chart"
)

// mediaTypeLegacy is that of cosign's simple-signing payloads
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
const mediaTypeLegacy = "application/vnd.dev.cosign.simplesigning.v1+json"

// legacy yields the layers of the tag sha256-<hex>.sig, newest first: cosign
// appends.
func (s search) legacy(ctx context.Context) materials {
	return func(yield func(chart.Material, error) bool) {
		layers, err := s.legacyLayers(ctx)
		if err != nil {
			yield(chart.Material{}, s.unusable(ctx, "the legacy signatures of "+s.name, "list of signatures", err))
			return
		}
		payloads := map[string]answer{} // signers of one chart mostly sign the same payload
		for _, layer := range layers[:min(len(layers), maxLegacy)] {
			material, err := s.legacyMaterial(ctx, layer, payloads)
			if err != nil {
				err = s.unusable(ctx, fmt.Sprintf("the legacy signature %s of %s", chart.Quote(layer.Digest.String()), s.name), "signature", err)
			}
			if !yield(material, err) {
				return
			}
		}
		if len(layers) > maxLegacy {
			yield(chart.Material{}, s.tooMany("legacy signatures", len(layers), maxLegacy))
		}
	}
}

// legacyLayers returns the signatures' descriptors; no tag means none.
func (s search) legacyLayers(ctx context.Context) ([]ocispec.Descriptor, error) {
	found, err := s.manifest(ctx, "sha256-"+s.chart.Hex()+".sig")
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// COSIGN_DOCKER_MEDIA_TYPES makes cosign write Docker's media type.
	m, err := decodeManifest(found, mediaTypeManifest, mediaTypeDockerManifest)
	if err != nil {
		return nil, err
	}
	layers := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType != mediaTypeLegacy })
	slices.Reverse(layers)
	return layers, nil
}

func (s search) legacyMaterial(ctx context.Context, layer ocispec.Descriptor, payloads map[string]answer) (chart.Material, error) {
	size := 0
	for name, value := range layer.Annotations {
		size += len(name) + len(value)
	}
	if size > maxAnnotations {
		return chart.Material{}, fault{chart.KindLimitExceeded, fmt.Sprintf("its annotations have more than the %d KiB that chartgate reads", maxAnnotations>>10)}
	}
	payload, known := payloads[layer.Digest.String()]
	if !known {
		var err error
		if payload, err = s.blob(ctx, layer, maxPayload); err != nil {
			return chart.Material{}, err
		}
		payloads[layer.Digest.String()] = payload
	}
	return chart.Material{
		Format:      chart.Legacy,
		Source:      payload.digest,
		Content:     slices.Clone(payload.body),
		Annotations: layer.Annotations,
	}, nil
}
