package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// referrers lists what refers to a manifest, through the referrers API or the
// fallback tag. With an error, the list holds what was found before it;
// errdef.ErrUnsupported means that the registry lacks the API.
func (r *repository) referrers(ctx context.Context, of chart.Digest, api bool) ([]ocispec.Descriptor, error) {
	lists := r.lists()
	if err := lists.SetReferrersCapability(api); err != nil {
		return nil, err
	}
	allowed := allowance{bytes: maxPage, list: true, by: r.share()}
	if api {
		allowed.mediaType = ocispec.MediaTypeImageIndex
	}
	var all []ocispec.Descriptor
	subject := ocispec.Descriptor{MediaType: mediaTypeManifest, Digest: digest.Digest(of.String())}
	err := lists.Referrers(allow(r.asking(ctx), allowed), subject, "", func(page []ocispec.Descriptor) error {
		if all = append(all, page...); len(all) > maxReferrers {
			all = all[:maxReferrers]
			return fault{problem.KindLimitExceeded, fmt.Sprintf("there are more than %d", maxReferrers)}
		}
		return nil
	})
	return all, err
}

// lists returns oras's view of the repository, for what has pages.
func (r *repository) lists() *remote.Repository {
	return &remote.Repository{
		Client:               r.link.web,
		Reference:            r.reference(),
		PlainHTTP:            r.scheme() == "http",
		TagListPageSize:      tagPageSize,
		TagListMaxPages:      maxTagPages,
		ReferrerListMaxPages: maxReferrerPages,
		MaxMetadataBytes:     maxPage,
	}
}

// referrersAPI yields what the API lists or, where there is no API, otherwise.
func (s search) referrersAPI(ctx context.Context, otherwise items) items {
	return func(yield func(item) bool) {
		list, err := s.referrers(ctx, s.chart, true)
		switch {
		case err == nil:
			s.link.lacking.forget(s.at.Host())
			s.referred(ctx, list, nil)(yield)
		case !lacksAPI(err):
			s.referred(ctx, list, err)(yield)
		case len(list) > 0: // the API is there, the list's next page is not
			s.referred(ctx, list, fault{problem.KindUnavailable, "a page of the list is missing"})(yield)
		case otherwise != nil:
			s.link.lacking.remember(s.at.Host())
			otherwise(yield)
		}
	}
}

// fallback yields what is listed under the tag sha256-<hex>.
func (s search) fallback(ctx context.Context) items {
	return func(yield func(item) bool) {
		list, err := s.referrers(ctx, s.chart, false)
		if s.absent(err) {
			err = nil
		}
		s.referred(ctx, list, err)(yield)
	}
}

// absent reports whether err means that there is no such tag. Some registries (Artifactory, GHCR)
// refuse what is not there instead of saying so; where the chart's own manifest has been read
// in the same way, that is no matter of credentials.
func (s search) absent(err error) bool {
	if errors.Is(err, errdef.ErrNotFound) {
		return true
	}
	if err == nil || !s.own || s.connection.CredentialError != nil {
		return false
	}
	status, ok := errors.AsType[*errcode.ErrorResponse](err)
	refused := ok && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
	return refused || errors.Is(err, auth.ErrBasicCredentialNotFound)
}

// lacksAPI reads the ways in which registries say that they lack the referrers
// API. The specification says 404; go-containerregistry knows of 400 and 406.
func lacksAPI(err error) bool {
	status, _ := errors.AsType[*errcode.ErrorResponse](err)
	if status == nil {
		return errors.Is(err, errdef.ErrUnsupported)
	}
	switch status.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	default:
		return false
	}
}

const (
	// mediaTypeBundle starts the media types of sigstore bundles: ".v0.3+json"
	// follows it, or "+json;version=0.2" in older ones.
	mediaTypeBundle = "application/vnd.dev.sigstore.bundle"

	// mediaTypeSigArtifact is the type of the referrers in which cosign 2 keeps simple signing
	// with --registry-referrers-mode=oci-1-1 (ArtifactType in internal/pkg/oci/remote/remote.go).
	mediaTypeSigArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"

	// mediaTypeInToto starts the types of referrers that hold DSSE envelopes without a bundle:
	// cosign 2's with --registry-referrers-mode=oci-1-1, and those of Google Cloud Build.
	mediaTypeInToto = "application/vnd.in-toto"

	// The annotation and its value by which cosign marks a signature, as opposed to
	// an attestation.
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	predicateSignature  = "https://sigstore.dev/cosign/sign/v1"
)

// referred yields the material of the listed referrers. listing is the error that
// ended the list; what was listed before it is still looked at.
func (s search) referred(ctx context.Context, list []ocispec.Descriptor, listing error) items {
	return func(yield func(item) bool) {
		candidates := s.promising(list)
		looked := candidates[:min(len(candidates), maxReferred)]
		for i := range ahead(s, looked, func(d ocispec.Descriptor) []fetched { return s.referrer(ctx, d) }) {
			if !yield(i) {
				return
			}
		}
		if len(candidates) > len(looked) && !yield(item{err: s.tooMany("referrers", " with signature material", len(candidates), maxReferred)}) {
			return
		}
		if listing != nil {
			yield(item{err: s.problem(ctx, "the list of referrers of "+s.name, listing)})
		}
	}
}

// promising returns the referrers that may hold signature material and have not been looked at,
// each once, most promising first: some of each rank in turns, and within a rank the newest
// first.
func (s search) promising(list []ocispec.Descriptor) []ocispec.Descriptor {
	var ranks [ranked][]ocispec.Descriptor
	for _, d := range slices.Backward(list) { // lists are appended to
		_, err := chart.ParseDigest(d.Digest.String())
		rank := s.rank(d)
		if err != nil || rank == ranked || d.MediaType != mediaTypeManifest || s.seen[d.Digest.String()] {
			continue
		}
		s.seen[d.Digest.String()] = true
		ranks[rank] = append(ranks[rank], d)
	}
	var found []ocispec.Descriptor
	for i := range ranks {
		slices.SortStableFunc(ranks[i], func(a, b ocispec.Descriptor) int { return created(b).Compare(created(a)) })
	}
	for more := true; more; {
		more = false
		for i := range ranks {
			n := min(len(ranks[i]), turn)
			found = append(found, ranks[i][:n]...)
			ranks[i] = ranks[i][n:]
			more = more || len(ranks[i]) > 0
		}
	}
	return found
}

// created returns when a referrer says that it was made; what does not say so is the oldest.
func created(d ocispec.Descriptor) time.Time {
	at, err := time.Parse(time.RFC3339, d.Annotations[ocispec.AnnotationCreated])
	if err != nil {
		return time.Time{}
	}
	return at
}

// The ranks of referrers. Some registries and clients leave the artifact type out of the list, or
// show the empty config's in its place: those come last.
const (
	rankSignature = iota
	rankWanted
	rankUnmarked
	rankOther
	rankUnknown
	ranked // what cannot be material
)

func (s search) rank(d ocispec.Descriptor) int {
	predicate, marked := d.Annotations[annotationPredicate]
	switch {
	case isBundle(d.ArtifactType) && predicate == predicateSignature, d.ArtifactType == mediaTypeSigArtifact:
		return rankSignature
	case isBundle(d.ArtifactType) && s.wants(predicate):
		return rankWanted
	case isBundle(d.ArtifactType) && marked:
		return rankOther
	case isBundle(d.ArtifactType):
		return rankUnmarked
	case isEnvelope(d.ArtifactType) || strings.HasPrefix(d.ArtifactType, mediaTypeInToto):
		if len(s.predicates) == 0 {
			return ranked
		}
		return rankUnmarked
	case d.ArtifactType == "" || d.ArtifactType == ocispec.MediaTypeEmptyJSON:
		return rankUnknown
	default:
		return ranked
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

// referrer reads one referrer: a bundle, the simple signing of cosign 2 or the envelopes of
// attestations. What is none of them is nothing.
func (s search) referrer(ctx context.Context, d ocispec.Descriptor) []fetched {
	what := fmt.Sprintf("the referrer %s of %s", d.Digest, s.name)
	unusable := func(err error) []fetched {
		return []fetched{{item: item{err: s.unusable(ctx, what, "bundle", err)}}}
	}
	if d.Size > maxManifest {
		return unusable(fault{problem.KindLimitExceeded, fmt.Sprintf("its manifest has more than the %d KiB that chartgate reads", maxManifest>>10)})
	}
	found, err := s.manifest(ctx, d.Digest.String())
	if err != nil {
		return unusable(err)
	}
	m, err := decodeManifest(found, mediaTypeManifest)
	if err != nil {
		return unusable(err)
	}
	of := func(is func(string) bool) []ocispec.Descriptor {
		return slices.DeleteFunc(slices.Clone(m.Layers), func(l ocispec.Descriptor) bool { return !is(l.MediaType) })
	}
	bundles, signatures := of(isBundle), of(func(mediaType string) bool { return mediaType == mediaTypeLegacy })
	var envelopes []ocispec.Descriptor
	if len(s.predicates) > 0 {
		envelopes = of(isEnvelope)
	}
	claimed := isBundle(d.ArtifactType) || isBundle(m.ArtifactType)
	switch {
	case len(bundles)+len(signatures)+len(envelopes) == 0 && !claimed:
		return []fetched{{bytes: len(found.body)}}
	case m.Subject == nil || m.Subject.Digest.String() != s.chart.String():
		return unusable(fault{problem.KindInvalid, "it refers to something else"})
	case len(bundles) > 1 || len(bundles) == 0 && claimed:
		return unusable(fault{problem.KindInvalid, fmt.Sprintf("it has %d layers with a bundle, not one", len(bundles))})
	}
	var all []fetched
	for _, layer := range bundles {
		// The list of a fallback tag has no marks, the manifests have.
		all = append(all, s.fetch(ctx, layer, s.bundleLimit(m.Annotations[annotationPredicate]), func(a answer, err error) item {
			if err != nil {
				return item{err: s.unusable(ctx, what, "bundle", err)}
			}
			return item{material: attachment.Attachment{Format: attachment.Bundle, Source: found.digest, Content: a.body}}
		}))
	}
	for _, of := range []layered{s.signatureLayers(), s.attestationLayers()} {
		layers := signatures
		if of.format == attachment.LegacyAttestation {
			layers = envelopes
		}
		known := newPayloads()
		for _, layer := range layers[:min(len(layers), maxLegacy)] {
			all = append(all, s.layer(ctx, of, layer, known))
		}
	}
	all[0].bytes += len(found.body)
	return all
}

func isBundle(mediaType string) bool {
	version, ok := strings.CutPrefix(mediaType, mediaTypeBundle)
	return ok && (strings.HasPrefix(version, ".") || strings.HasPrefix(version, "+"))
}

// isEnvelope reports whether a layer is a DSSE envelope: cosign's media type, or those of in-toto
// (https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md).
func isEnvelope(mediaType string) bool {
	return mediaType == mediaTypeAttestation || strings.HasPrefix(mediaType, mediaTypeInToto) && strings.HasSuffix(mediaType, "+dsse")
}

// tooMany is the problem that not everything was looked at.
func (s search) tooMany(of, more string, found, looked int) error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("%s has %d %s%s, of which chartgate looked at %d only", s.name, found, of, more, looked),
		Next:   "remove old " + of + " from the registry, or sign again under a new version",
	}
}
