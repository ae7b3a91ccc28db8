package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

const (
	// mediaTypeBundle starts the media types of sigstore bundles: ".v0.3+json"
	// follows it, or "+json;version=0.2" in older ones.
	mediaTypeBundle = "application/vnd.dev.sigstore.bundle"

	// The annotation and its value by which cosign marks a signature, as opposed to
	// an attestation.
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	predicateSignature  = "https://sigstore.dev/cosign/sign/v1"
)

// bundles yields the bundles among the listed referrers. listing is the error that
// ended the list; what was listed before it is still looked at.
func (s search) bundles(ctx context.Context, list []ocispec.Descriptor, listing error) materials {
	return func(yield func(chart.Material, error) bool) {
		candidates := s.promising(list)
		for _, d := range candidates[:min(len(candidates), maxBundles)] {
			material, done, err := s.bundle(ctx, d)
			if err != nil {
				err = s.unusable(ctx, fmt.Sprintf("the referrer %s of %s", d.Digest, s.name), "bundle", err)
			}
			if material.Format == 0 && err == nil {
				continue
			}
			if !hand(yield, material, err, done) {
				return
			}
		}
		if len(candidates) > maxBundles && !yield(chart.Material{}, s.tooMany("bundles", len(candidates), maxBundles)) {
			return
		}
		if listing != nil {
			yield(chart.Material{}, s.problem(ctx, "the list of referrers of "+s.name, listing))
		}
	}
}

// hand yields material whose content is of no more use afterwards.
func hand(yield func(chart.Material, error) bool, material chart.Material, err error, done func()) (more bool) {
	defer done()
	return yield(material, err)
}

// promising returns the referrers that may be bundles, each once, most promising
// first. Some registries and clients leave the artifact type out of the list, or
// show the empty config's in its place: those come last.
func (s search) promising(list []ocispec.Descriptor) []ocispec.Descriptor {
	seen := map[string]bool{}
	var found []ocispec.Descriptor
	for _, d := range list {
		_, err := chart.ParseDigest(d.Digest.String())
		maybe := isBundle(d.ArtifactType) || d.ArtifactType == "" || d.ArtifactType == ocispec.MediaTypeEmptyJSON
		if err != nil || !maybe || d.MediaType != mediaTypeManifest || seen[d.Digest.String()] {
			continue
		}
		seen[d.Digest.String()] = true
		found = append(found, d)
	}
	slices.SortStableFunc(found, func(a, b ocispec.Descriptor) int { return cmp.Compare(s.rank(a), s.rank(b)) })
	return found
}

func (s search) rank(d ocispec.Descriptor) int {
	predicate, marked := d.Annotations[annotationPredicate]
	switch {
	case predicate == predicateSignature:
		return 0
	case s.wants(predicate):
		return 1
	case !isBundle(d.ArtifactType):
		return 4
	case !marked:
		return 2
	default:
		return 3
	}
}

// wants reports whether attestations with a predicate of this type are looked for.
func (s search) wants(predicate string) bool { return slices.Contains(s.predicates, predicate) }

// bundleLimit returns how large material that is marked with this predicate may be.
func (s search) bundleLimit(predicate string) int64 {
	if s.wants(predicate) {
		return maxAttestation
	}
	return maxBundle
}

// bundle fetches one referrer. Without an error, what has no format is no bundle. done
// is to be called when the content is of no more use.
func (s search) bundle(ctx context.Context, d ocispec.Descriptor) (material chart.Material, done func(), err error) {
	done = func() {}
	if d.Size > maxManifest {
		return chart.Material{}, done, fault{chart.KindLimitExceeded, fmt.Sprintf("its manifest has more than the %d KiB that chartgate reads", maxManifest>>10)}
	}
	found, err := s.manifest(ctx, d.Digest.String())
	if err != nil {
		return chart.Material{}, done, err
	}
	m, err := decodeManifest(found, mediaTypeManifest)
	if err != nil {
		return chart.Material{}, done, err
	}
	layers := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return !isBundle(l.MediaType) })
	switch {
	case len(layers) == 0 && !isBundle(d.ArtifactType) && !isBundle(m.ArtifactType):
		return chart.Material{}, done, nil
	case m.Subject == nil || m.Subject.Digest.String() != s.chart.String():
		return chart.Material{}, done, fault{chart.KindInvalid, "it refers to something else"}
	case len(layers) != 1:
		return chart.Material{}, done, fault{chart.KindInvalid, fmt.Sprintf("it has %d layers with a bundle, not one", len(layers))}
	}
	// The list of a fallback tag has no marks, the manifests have.
	content, done, err := s.bulk(ctx, layers[0], s.bundleLimit(m.Annotations[annotationPredicate]))
	if err != nil {
		return chart.Material{}, done, err
	}
	return chart.Material{Format: chart.Bundle, Source: found.digest, Content: content.body}, done, nil
}

func isBundle(mediaType string) bool {
	version, ok := strings.CutPrefix(mediaType, mediaTypeBundle)
	return ok && (strings.HasPrefix(version, ".") || strings.HasPrefix(version, "+"))
}

// tooMany is the problem that not everything was looked at.
func (s search) tooMany(of string, found, looked int) error {
	return &chart.Problem{
		Kind:   chart.KindLimitExceeded,
		Detail: fmt.Sprintf("%s has %d %s, of which chartgate looked at %d only", s.name, found, of, looked),
		Next:   "remove old " + of + " from the registry, or sign again under a new version",
	}
}
