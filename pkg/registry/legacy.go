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
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
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
	format    attachment.Format
	order     func(a, b ocispec.Descriptor) int
	limit     func(ocispec.Descriptor) int64
}

func (s search) signatureLayers() layered {
	return layered{
		suffix: ".sig", noun: "signature", mediaType: mediaTypeLegacy, format: attachment.Legacy,
		order: func(_, _ ocispec.Descriptor) int { return 0 },
		limit: func(ocispec.Descriptor) int64 { return maxPayload },
	}
}

func (s search) attestationLayers() layered {
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
	return layered{
		suffix: ".att", noun: "attestation", mediaType: mediaTypeAttestation, format: attachment.LegacyAttestation,
		order: func(a, b ocispec.Descriptor) int { return cmp.Compare(rank(a), rank(b)) },
		limit: func(d ocispec.Descriptor) int64 { return s.bundleLimit(d.Annotations[annotationAttestation]) },
	}
}

// legacy yields the legacy signatures, newest first.
func (s search) legacy(ctx context.Context) items { return s.layers(ctx, s.signatureLayers()) }

// attestations yields the legacy attestations: those marked with a wanted predicate
// first, then the newest first. Who wants none is not shown any.
func (s search) attestations(ctx context.Context) items {
	if len(s.predicates) == 0 {
		return func(func(item) bool) {}
	}
	return s.layers(ctx, s.attestationLayers())
}

// unread yields one mark if there are legacy attestations that are not asked for, for the sake
// of people who attested and believe that they signed. It costs a request on the way to a
// denial. What goes wrong with it says nothing about the chart's signatures.
func (s search) unread(ctx context.Context) items {
	return func(yield func(item) bool) {
		if len(s.predicates) > 0 {
			return
		}
		if layers, err := s.list(ctx, s.attestationLayers()); err == nil && len(layers) > 0 {
			yield(item{material: attachment.Attachment{Format: attachment.LegacyAttestation, Unread: true}, done: func() {}})
		}
	}
}

func (s search) layers(ctx context.Context, of layered) items {
	return func(yield func(item) bool) {
		layers, err := s.list(ctx, of)
		if err != nil {
			yield(item{err: s.unusable(ctx, fmt.Sprintf("the legacy %ss of %s", of.noun, s.name), "list of "+of.noun+"s", err)})
			return
		}
		known := newPayloads()
		for i := range ahead(s, layers[:min(len(layers), maxLegacy)], func(layer ocispec.Descriptor) []fetched {
			return []fetched{s.layer(ctx, of, layer, known)}
		}) {
			if !yield(i) {
				return
			}
		}
		if len(layers) > maxLegacy {
			yield(item{err: s.tooMany("legacy "+of.noun+"s", "", len(layers), maxLegacy)})
		}
	}
}

// list returns the layers' descriptors, best first; no tag means none.
func (s search) list(ctx context.Context, of layered) ([]ocispec.Descriptor, error) {
	tag := "sha256-" + s.chart.Hex() + of.suffix
	found, err := s.manifest(ctx, tag)
	if own, ok := errors.AsType[fault](err); ok && own.kind == problem.KindLimitExceeded {
		leave, wait := s.client.bulky.acquire(ctx, s.at.Host()+s.link.lane, s.share())
		if wait != nil {
			return nil, wait
		}
		defer leave()
		found, err = s.get(ctx, "manifests/", tag, maxCrowded)
	}
	if s.absent(err) {
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

// payloads are the small contents of one manifest's layers: signers of one chart mostly sign the
// same payload.
type payloads struct {
	mu    sync.Mutex
	known map[string]answer
}

func newPayloads() *payloads { return &payloads{known: map[string]answer{}} }

func (p *payloads) get(digest string) (answer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.known[digest]
	return found, ok
}

func (p *payloads) add(digest string, found answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[digest] = found
}

// layer reads one layer.
func (s search) layer(ctx context.Context, of layered, layer ocispec.Descriptor, known *payloads) fetched {
	digest := layer.Digest.String()
	made := func(content answer, err error) item {
		if err != nil {
			return item{err: s.unusable(ctx, fmt.Sprintf("the legacy %s %s of %s", of.noun, chart.Quote(digest), s.name), of.noun, err)}
		}
		return item{material: attachment.Attachment{
			Format: of.format, Source: content.digest, Content: slices.Clone(content.body), Annotations: layer.Annotations,
		}}
	}
	size := 0
	for name, value := range layer.Annotations {
		size += len(name) + len(value)
	}
	if size > maxAnnotations {
		return fetched{item: made(answer{}, fault{problem.KindLimitExceeded, fmt.Sprintf("its annotations have more than the %d KiB that chartgate reads", maxAnnotations>>10)})}
	}
	if content, again := known.get(digest); again {
		return fetched{item: made(content, nil)}
	}
	limit := of.limit(layer)
	return s.fetch(ctx, layer, limit, func(content answer, err error) item {
		if err == nil && limit <= maxPayload {
			known.add(digest, content)
		}
		return made(content, err)
	})
}
