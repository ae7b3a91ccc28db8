package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/chart"
)

// The layers that cosign 2 attaches
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and
// ATTESTATION_SPEC.md).
const (
	mediaTypeLegacy      = "application/vnd.dev.cosign.simplesigning.v1+json"
	mediaTypeAttestation = "application/vnd.dsse.envelope.v1+json"

	// annotationAttestation marks a layer with the predicate's type.
	annotationAttestation = "predicateType"
)

// layered is material in the layers of the manifest under the tag sha256-<hex> and a
// suffix.
type layered struct {
	suffix    string
	noun      string // for messages, after "legacy"
	mediaType string
	format    chart.Format
	order     func(a, b ocispec.Descriptor) int
	limit     func(ocispec.Descriptor) int64
}

// legacy yields the legacy signatures, newest first.
func (s search) legacy(ctx context.Context) materials {
	return s.layers(ctx, layered{
		suffix: ".sig", noun: "signature", mediaType: mediaTypeLegacy, format: chart.Legacy,
		order: func(_, _ ocispec.Descriptor) int { return 0 },
		limit: func(ocispec.Descriptor) int64 { return maxPayload },
	})
}

// attestations yields the legacy attestations: those marked with a wanted predicate
// first, then the newest first. Who wants none is not shown any.
func (s search) attestations(ctx context.Context) materials {
	if len(s.predicates) == 0 {
		return func(func(chart.Material, error) bool) {}
	}
	rank := func(d ocispec.Descriptor) int {
		predicate, marked := d.Annotations[annotationAttestation]
		switch {
		case s.wants(predicate):
			return 0
		case !marked:
			return 1
		default:
			return 2
		}
	}
	return s.layers(ctx, layered{
		suffix: ".att", noun: "attestation", mediaType: mediaTypeAttestation, format: chart.LegacyAttestation,
		order: func(a, b ocispec.Descriptor) int { return cmp.Compare(rank(a), rank(b)) },
		limit: func(d ocispec.Descriptor) int64 { return s.bundleLimit(d.Annotations[annotationAttestation]) },
	})
}

func (s search) layers(ctx context.Context, of layered) materials {
	return func(yield func(chart.Material, error) bool) {
		layers, err := s.list(ctx, of)
		if err != nil {
			yield(chart.Material{}, s.unusable(ctx, fmt.Sprintf("the legacy %ss of %s", of.noun, s.name), "list of "+of.noun+"s", err))
			return
		}
		known := map[string]answer{} // signers of one chart mostly sign the same payload
		for _, layer := range layers[:min(len(layers), maxLegacy)] {
			material, done, err := s.layer(ctx, of, layer, known)
			if err != nil {
				err = s.unusable(ctx, fmt.Sprintf("the legacy %s %s of %s", of.noun, chart.Quote(layer.Digest.String()), s.name), of.noun, err)
			}
			if !hand(yield, material, err, done) {
				return
			}
		}
		if len(layers) > maxLegacy {
			yield(chart.Material{}, s.tooMany("legacy "+of.noun+"s", len(layers), maxLegacy))
		}
	}
}

// list returns the layers' descriptors, best first; no tag means none.
func (s search) list(ctx context.Context, of layered) ([]ocispec.Descriptor, error) {
	found, err := s.manifest(ctx, "sha256-"+s.chart.Hex()+of.suffix)
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
	layers := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType != of.mediaType })
	slices.Reverse(layers) // cosign appends
	slices.SortStableFunc(layers, of.order)
	return layers, nil
}

// layer fetches one layer. done is to be called when its content is of no more use.
func (s search) layer(ctx context.Context, of layered, layer ocispec.Descriptor, known map[string]answer) (material chart.Material, done func(), err error) {
	done = func() {}
	size := 0
	for name, value := range layer.Annotations {
		size += len(name) + len(value)
	}
	if size > maxAnnotations {
		return chart.Material{}, done, fault{chart.KindLimitExceeded, fmt.Sprintf("its annotations have more than the %d KiB that chartgate reads", maxAnnotations>>10)}
	}
	content, again := known[layer.Digest.String()]
	if !again {
		limit := of.limit(layer)
		if content, done, err = s.bulk(ctx, layer, limit); err != nil {
			return chart.Material{}, done, err
		}
		if limit <= maxPayload {
			known[layer.Digest.String()] = content
		}
	}
	return chart.Material{
		Format:      of.format,
		Source:      content.digest,
		Content:     slices.Clone(content.body),
		Annotations: layer.Annotations,
	}, done, nil
}
