package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/problem"
)

// The layers that cosign 2 attaches
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and ATTESTATION_SPEC.md),
// under the tag sha256-<hex> with a suffix.
const (
	mediaTypeLegacy      = "application/vnd.dev.cosign.simplesigning.v1+json"
	mediaTypeAttestation = "application/vnd.dsse.envelope.v1+json"

	signatureSuffix   = ".sig"
	attestationSuffix = ".att"

	// annotationAttestation marks a layer with the predicate's type.
	annotationAttestation = "predicateType"
)

// layerKind is a kind of attachment that is stored in layers.
type layerKind struct {
	suffix    string
	noun      string // for messages, after "legacy"
	mediaType string
	format    attachment.Format
	order     func(a, b ocispec.Descriptor) int
	limit     func(ocispec.Descriptor) int64
}

func (s search) signatureLayers() layerKind {
	return layerKind{
		suffix: signatureSuffix, noun: "signature", mediaType: mediaTypeLegacy, format: attachment.Legacy,
		order: func(_, _ ocispec.Descriptor) int { return 0 },
		limit: func(ocispec.Descriptor) int64 { return maxPayload },
	}
}

func (s search) attestationLayers() layerKind {
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
	return layerKind{
		suffix: attestationSuffix, noun: "attestation", mediaType: mediaTypeAttestation, format: attachment.LegacyAttestation,
		order: func(a, b ocispec.Descriptor) int { return cmp.Compare(rank(a), rank(b)) },
		limit: func(d ocispec.Descriptor) int64 { return s.bundleLimit(d.Annotations[annotationAttestation]) },
	}
}

// tag returns the tag of the chart's attachments with a suffix.
func (s search) tag(suffix string) string { return "sha256-" + s.chart.Hex() + suffix }

// legacySignatures yields the legacy signatures, newest first.
func (s search) legacySignatures(ctx context.Context) results {
	return s.layers(ctx, s.signatureLayers())
}

// legacyAttestations yields the legacy attestations if predicates are wanted: first those marked
// with a wanted predicate, then the newest.
func (s search) legacyAttestations(ctx context.Context) results {
	if len(s.predicates) == 0 {
		return func(func(result) bool) {}
	}
	return s.layers(ctx, s.attestationLayers())
}

// unreadAttestations yields one attachment with Unread if legacy attestations exist that are not
// wanted: a publisher who has attested the chart may believe that this is a signature. It costs one
// request before a denial. An error is ignored, because it says nothing about the chart's
// signatures.
func (s search) unreadAttestations(ctx context.Context) results {
	return func(yield func(result) bool) {
		if len(s.predicates) > 0 {
			return
		}
		if layers, err := s.listLayers(ctx, s.attestationLayers()); err == nil && len(layers) > 0 {
			yield(result{attachment: attachment.Attachment{Format: attachment.LegacyAttestation, Unread: true}})
		}
	}
}

func (s search) layers(ctx context.Context, kind layerKind) results {
	return func(yield func(result) bool) {
		layers, err := s.listLayers(ctx, kind)
		if err != nil {
			yield(result{err: s.unusable(ctx, fmt.Sprintf("the legacy %ss of %s", kind.noun, s.name), "list of "+kind.noun+"s", err)})
			return
		}
		var known sync.Map
		for found := range inBatches(s, layers[:min(len(layers), maxLegacy)], func(layer ocispec.Descriptor) []result {
			return []result{s.layer(ctx, kind, layer, &known)}
		}) {
			if !yield(found) {
				return
			}
		}
		if len(layers) > maxLegacy {
			yield(result{err: s.tooMany("legacy "+kind.noun+"s", len(layers), maxLegacy)})
		}
	}
}

// listLayers returns the descriptors of the layers, in the order in which they are worth a look. If
// the tag does not exist, there are no layers.
func (s search) listLayers(ctx context.Context, kind layerKind) ([]ocispec.Descriptor, error) {
	found, err := s.layerManifest(ctx, kind.suffix)
	if known, ok := errors.AsType[requestError](err); ok && known.kind == problem.KindLimitExceeded {
		leave, waiting := s.client.large.acquire(ctx, s.limitKey(), s.share())
		if waiting != nil {
			return nil, waiting
		}
		defer leave()
		found, err = s.get(ctx, "manifests/"+s.tag(kind.suffix), requestOptions{maxBytes: maxLegacyManifest})
	}
	if s.tagIsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// With COSIGN_DOCKER_MEDIA_TYPES cosign writes Docker's media type.
	m, err := decodeManifest(found, mediaTypeManifest, mediaTypeDockerManifest)
	if err != nil {
		return nil, err
	}
	layers := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType != kind.mediaType })
	slices.Reverse(layers) // cosign appends
	slices.SortStableFunc(layers, kind.order)
	return layers, nil
}

// layerManifest reads the manifest under the tag with a suffix. The answer to the request that was
// sent early is used if there is one.
func (s search) layerManifest(ctx context.Context, suffix string) (content, error) {
	if suffix == signatureSuffix {
		if found, err, ok := s.signatureTag.answer(); ok {
			return found, err
		}
	}
	return s.manifest(ctx, s.tag(suffix))
}

// layer reads one layer. known are the contents of the small layers of the same manifest that have
// been read, by digest: most signers of one chart sign the same payload.
func (s search) layer(ctx context.Context, kind layerKind, layer ocispec.Descriptor, known *sync.Map) result {
	digest := layer.Digest.String()
	convert := func(a content, err error) result {
		if err != nil {
			return result{err: s.unusable(ctx, fmt.Sprintf("the legacy %s %s of %s", kind.noun, problem.QuoteInput(digest), s.name), kind.noun, err)}
		}
		return result{attachment: attachment.Attachment{
			Format: kind.format, Source: a.digest, Content: slices.Clone(a.body), Annotations: layer.Annotations,
		}}
	}
	size := 0
	for name, value := range layer.Annotations {
		size += len(name) + len(value)
	}
	if size > maxAnnotations {
		return convert(content{}, requestError{problem.KindLimitExceeded, fmt.Sprintf("its annotations have more than the %d KiB that chartgate reads", maxAnnotations>>10), ""})
	}
	if same, ok := known.Load(digest); ok {
		return convert(same.(content), nil)
	}
	limit := kind.limit(layer)
	return s.read(ctx, layer, limit, func(a content, err error) result {
		if err == nil && limit <= maxPayload {
			known.Store(digest, a)
		}
		return convert(a, err)
	})
}
