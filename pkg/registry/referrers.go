package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// referrers lists the referrers of a manifest, with the referrers API or from the fallback tag. If
// there is an error, the list contains what was read before it; errdef.ErrUnsupported means that
// the registry does not have the API.
func (r *repository) referrers(ctx context.Context, of chart.Digest, api bool) ([]ocispec.Descriptor, error) {
	lists := r.lists()
	if err := lists.SetReferrersCapability(api); err != nil {
		return nil, err
	}
	options := requestOptions{maxBytes: maxPage, list: true}
	if api {
		options.mediaType = ocispec.MediaTypeImageIndex
	}
	var all []ocispec.Descriptor
	subject := ocispec.Descriptor{MediaType: mediaTypeManifest, Digest: digest.Digest(of.String())}
	err := lists.Referrers(r.options(ctx, options), subject, "", func(page []ocispec.Descriptor) error {
		if all = append(all, page...); len(all) > maxReferrers {
			all = all[:maxReferrers]
			return requestError{problem.KindLimitExceeded, fmt.Sprintf("there are more than %d", maxReferrers), ""}
		}
		return nil
	})
	return all, err
}

// lists returns the repository as a type of oras, which reads lists page by page.
func (r *repository) lists() *remote.Repository {
	return &remote.Repository{
		Client:               r.host.http,
		Reference:            r.reference(),
		PlainHTTP:            r.scheme() == "http",
		TagListPageSize:      tagPageSize,
		TagListMaxPages:      maxTagPages,
		ReferrerListMaxPages: maxReferrerPages,
		MaxMetadataBytes:     maxPage,
	}
}

// referrersAPI yields what the referrers API lists, and otherwise if there is no such API.
func (s search) referrersAPI(ctx context.Context, otherwise results) results {
	return func(yield func(result) bool) {
		list, err := s.referrers(ctx, s.chart, true)
		switch {
		case err == nil:
			s.client.noReferrersAPI.Remove(s.key())
			s.referred(ctx, list, nil)(yield)
		case !lacksAPI(err):
			s.referred(ctx, list, err)(yield)
		case len(list) > 0: // the API exists; the next page of the list does not
			s.referred(ctx, list, requestError{problem.KindUnavailable, "a page of the list is missing", ""})(yield)
		case otherwise != nil:
			s.client.noReferrersAPI.Add(s.key(), struct{}{})
			otherwise(yield)
		}
	}
}

// fallbackTag yields what is listed under the tag sha256-<hex>.
func (s search) fallbackTag(ctx context.Context) results {
	return func(yield func(result) bool) {
		list, err := s.referrers(ctx, s.chart, false)
		if s.tagIsMissing(err) {
			err = nil
		}
		s.referred(ctx, list, err)(yield)
	}
}

// tagIsMissing reports whether err means that a tag does not exist. Some registries (Artifactory,
// GHCR) refuse access to what does not exist. If the tag is in the chart's own repository, from
// which the chart's manifest can be read over the same connection, the credentials are not the
// reason.
func (s search) tagIsMissing(err error) bool {
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

// lacksAPI recognizes how registries say that they do not have the referrers API. The specification
// says 404; go-containerregistry also knows 400 and 406.
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
	// mediaTypeBundle is the prefix of the media types of sigstore bundles. ".v0.3+json" follows,
	// or "+json;version=0.2" in older ones.
	mediaTypeBundle = "application/vnd.dev.sigstore.bundle"

	// mediaTypeSigArtifact is the type of the referrers in which cosign 2 stores legacy signatures
	// with --registry-referrers-mode=oci-1-1 (ArtifactType in internal/pkg/oci/remote/remote.go).
	mediaTypeSigArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"

	// mediaTypeInToto is the prefix of the types of referrers with DSSE envelopes that are not in a
	// bundle: cosign 2's with --registry-referrers-mode=oci-1-1, and those of Google Cloud Build.
	mediaTypeInToto = "application/vnd.in-toto"

	// The annotation, and its value, with which cosign marks a signature as opposed to an
	// attestation.
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	predicateSignature  = "https://sigstore.dev/cosign/sign/v1"
)

// referred yields the attachments in the listed referrers. listing is the error that ended the
// list; what was listed before it is still read.
func (s search) referred(ctx context.Context, list []ocispec.Descriptor, listing error) results {
	return func(yield func(result) bool) {
		candidates := s.candidates(list)
		chosen := candidates[:min(len(candidates), maxReferred)]
		for found := range inBatches(s, chosen, func(d ocispec.Descriptor) []result { return s.referrer(ctx, d) }) {
			if !yield(found) {
				return
			}
		}
		if len(candidates) > len(chosen) && !yield(result{err: s.tooMany("referrers", len(candidates), maxReferred)}) {
			return
		}
		if listing != nil {
			yield(result{err: s.problem(ctx, "the list of referrers of "+s.name, listing)})
		}
	}
}

// candidates returns the referrers that may be attachments and have not been read, each once: some
// of each rank in turns, and within a rank the newest first.
func (s search) candidates(list []ocispec.Descriptor) []ocispec.Descriptor {
	var ranks [notAnAttachment][]ocispec.Descriptor
	for _, d := range slices.Backward(list) { // lists are appended to
		_, err := chart.ParseDigest(d.Digest.String())
		rank := s.rank(d)
		if err != nil || rank == notAnAttachment || d.MediaType != mediaTypeManifest || s.seen[d.Digest.String()] {
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
			n := min(len(ranks[i]), resultsPerTurn)
			found = append(found, ranks[i][:n]...)
			ranks[i] = ranks[i][n:]
			more = more || len(ranks[i]) > 0
		}
	}
	return found
}

// created returns when a referrer says that it was created; a referrer that does not say so is the
// oldest.
func created(d ocispec.Descriptor) time.Time {
	at, err := time.Parse(time.RFC3339, d.Annotations[ocispec.AnnotationCreated])
	if err != nil {
		return time.Time{}
	}
	return at
}

// The ranks of referrers. Some registries and clients leave the artifact type out of the list, or
// show the one of the empty config: those come last.
const (
	rankSignature = iota
	rankWanted
	rankUnmarked
	rankOther
	rankUnknown
	notAnAttachment
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
			return notAnAttachment
		}
		return rankUnmarked
	case d.ArtifactType == "" || d.ArtifactType == ocispec.MediaTypeEmptyJSON:
		return rankUnknown
	default:
		return notAnAttachment
	}
}

// wants reports whether attestations with this type of predicate are wanted.
func (s search) wants(predicate string) bool { return slices.Contains(s.predicates, predicate) }

// bundleLimit returns how large an attachment that is marked with this predicate may be.
func (s search) bundleLimit(predicate string) int64 {
	if s.wants(predicate) {
		return maxAttestation
	}
	return maxBundle
}

// referrer reads one referrer: a bundle, legacy signatures of cosign 2, or the envelopes of
// attestations. Any other referrer has no attachments.
func (s search) referrer(ctx context.Context, d ocispec.Descriptor) []result {
	what := fmt.Sprintf("the referrer %s of %s", d.Digest, s.name)
	unusable := func(err error) []result {
		return []result{{err: s.unusable(ctx, what, "bundle", err)}}
	}
	if d.Size > maxManifest {
		return unusable(requestError{problem.KindLimitExceeded, fmt.Sprintf("its manifest has more than the %d KiB that chartgate reads", maxManifest>>10), ""})
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
		return []result{{bytes: len(found.body)}}
	case m.Subject == nil || m.Subject.Digest.String() != s.chart.String():
		return unusable(requestError{problem.KindInvalid, "it does not refer to the chart", ""})
	case len(bundles) > 1 || len(bundles) == 0 && claimed:
		return unusable(requestError{problem.KindInvalid, fmt.Sprintf("it has %d layers with a bundle, not one", len(bundles)), ""})
	}
	var all []result
	for _, layer := range bundles {
		// The list of a fallback tag has no marks; the manifests have them.
		all = append(all, s.read(ctx, layer, s.bundleLimit(m.Annotations[annotationPredicate]), func(a content, err error) result {
			if err != nil {
				return result{err: s.unusable(ctx, what, "bundle", err)}
			}
			return result{attachment: attachment.Attachment{Format: attachment.Bundle, Source: found.digest, Content: a.body}}
		}))
	}
	for _, layers := range []struct {
		kind layerKind
		list []ocispec.Descriptor
	}{{s.signatureLayers(), signatures}, {s.attestationLayers(), envelopes}} {
		var known sync.Map
		for _, layer := range layers.list[:min(len(layers.list), maxLegacy)] {
			all = append(all, s.layer(ctx, layers.kind, layer, &known))
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
