package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// result is an attachment, or the error instead of it.
type result struct {
	attachment attachment.Attachment
	err        error
	// done must be called when the content is no longer needed; it may be nil.
	done func()
	// late reads the attachment when it is its turn; it may be nil. Large content is not read
	// earlier, because it would occupy its slot in memory while it waits.
	late func() result
	// bytes were read for it.
	bytes int
}

// results are in the order in which they are worth a look.
type results = iter.Seq[result]

// Signatures yields what is attached to the manifest with the digest and location of r, of which
// nothing else has to be known. It reads while the consumer iterates, one signature repository
// after the other. In each repository the order is: eight referrers of each rank (marked as cosign
// signatures, marked with a wanted predicate, unmarked, other), eight legacy signatures and, if
// predicates are wanted, eight legacy attestations; then the next eight of each. So many
// attachments of one kind do not hide those of another kind. Within a kind the newest is first, as
// far as that can be known. The marks decide about the order alone, since anyone can set them; the
// one exception is that an attachment which is marked with a wanted predicate may be larger.
//
// Repositories other than the chart's own are organized as by cosign with COSIGN_REPOSITORY: one
// repository holds the signatures of many charts, under the same tags, and bundles refer to a chart
// that is not in it.
//
// If a repository has no attachments and no predicates are wanted, but legacy attestations exist,
// one attachment with Unread is yielded.
//
// An error is yielded in the place of what could not be read. It does not end the sequence, unless
// the time is over: other attachments may still be sufficient.
func (c *Client) Signatures(ctx context.Context, r artifact.Resolved, wanted attachment.Search) iter.Seq2[attachment.Attachment, error] {
	repositories := wanted.Repositories
	if len(repositories) == 0 {
		repositories = []chart.Location{{}}
	}
	return func(yield func(attachment.Attachment, error) bool) {
		for _, in := range repositories {
			for found := range c.signaturesIn(ctx, in, r, wanted) {
				if !yieldResult(yield, found) || found.err != nil && expired(ctx) {
					return
				}
			}
		}
	}
}

// yieldResult yields an attachment whose content is no longer needed afterwards.
func yieldResult(yield func(attachment.Attachment, error) bool, r result) (more bool) {
	if r.done != nil {
		defer r.done()
	}
	return yield(r.attachment, r.err)
}

// signaturesIn yields what is in one repository; the zero location is the chart's own repository.
func (c *Client) signaturesIn(ctx context.Context, in chart.Location, r artifact.Resolved, wanted attachment.Search) results {
	return func(yield func(result) bool) {
		s, leave, err := c.newSearch(ctx, in, r, wanted)
		if err != nil {
			yield(result{err: err})
			return
		}
		defer leave() // after the consumer has judged what it got
		nothing := true
		for _, part := range s.parts(ctx) {
			for found := range part {
				nothing = false
				if !yield(found) {
					s.observeFormat(found.attachment.Format)
					return
				}
			}
		}
		if nothing {
			s.unreadAttestations(ctx)(yield)
		}
	}
}

// search is the search for the attachments of one chart in one repository.
type search struct {
	*repository
	chart      chart.Digest
	name       string // of the chart, for messages
	predicates []string
	// own is set if the repository is the chart's own.
	own  bool
	seen map[string]bool // the digests of the referrers that have been read
	// signatureTag is the request for the tag of the legacy signatures, if that was sent early.
	signatureTag *speculation
}

// newSearch begins a search, which must be left.
func (c *Client) newSearch(ctx context.Context, in chart.Location, r artifact.Resolved, wanted attachment.Search) (s search, leave func(), err error) {
	if r.Digest.IsZero() || r.Location.IsZero() {
		return search{}, nil, problem.Invalid("%s has not been resolved to a digest", r.Location)
	}
	name := r.Location.String() + "@" + r.Digest.String()
	if in.IsZero() || in == r.Location {
		in = r.Location
	} else {
		name += " in " + in.String()
	}
	// The consumer's credentials belong to the host of the chart. The admin chose other hosts,
	// which are reached with chartgate's own connection.
	access := wanted.Access
	if in.Host() != r.Location.Host() {
		access = sourceauth.Auth{Askers: access.Askers}
	}
	repo, err := c.repository(ctx, in, access)
	if err != nil {
		return search{}, nil, err
	}
	exit, err := repo.enter(ctx)
	if err != nil {
		return search{}, nil, err
	}
	s = search{
		repository: repo, chart: r.Digest, name: name, predicates: wanted.Predicates, own: in == r.Location,
		seen: map[string]bool{},
	}
	// Without the request that is sent early, a chart with a legacy signature takes one round trip
	// more.
	if repo.loggedIn() && !c.bundlesOnly.Contains(repo.folderKey()) {
		s.signatureTag = repo.speculate(ctx, s.tag(signatureSuffix))
	}
	return s, func() { s.signatureTag.stop(); exit() }, nil
}

// parts returns what to search, in order. If a host had no referrers API some minutes ago, the
// fallback tag is read instead; the API is asked at the end if nothing sufficient was found before.
// So that observation saves a request, and never hides a signature. In the same way the fallback
// tag is read at the end if the API has answered: some proxies and old registries answer with an
// empty list or an error.
func (s search) parts(ctx context.Context) []results {
	if s.client.noReferrersAPI.Contains(s.key()) {
		return []results{inTurns(s.fallbackTag(ctx), s.legacySignatures(ctx), s.legacyAttestations(ctx)), s.referrersAPI(ctx, nil)}
	}
	read := false
	fallback := func(yield func(result) bool) {
		read = true
		s.fallbackTag(ctx)(yield)
	}
	last := func(yield func(result) bool) {
		if !read {
			s.fallbackTag(ctx)(yield)
		}
	}
	return []results{inTurns(s.referrersAPI(ctx, fallback), s.legacySignatures(ctx), s.legacyAttestations(ctx)), last}
}

// inTurns yields some results of each part in turns.
func inTurns(parts ...results) results {
	return func(yield func(result) bool) {
		var pulls []func() (result, bool)
		for _, part := range parts {
			next, stop := iter.Pull(part)
			defer stop()
			pulls = append(pulls, next)
		}
		for len(pulls) > 0 {
			next := pulls[0]
			pulls = pulls[1:]
			more := true
			for range resultsPerTurn {
				found, ok := next()
				if more = ok; !more {
					break
				}
				if !yield(found) {
					return
				}
			}
			if more {
				pulls = append(pulls, next)
			}
		}
	}
}

// inBatches yields what read returns for each of the list, in order. It reads the first ones one
// after the other, because they are sufficient in most searches. Then it reads more and more at the
// same time, because an admission has only seconds for hundreds of them.
func inBatches[T any](s search, list []T, read func(T) []result) results {
	return func(yield func(result) bool) {
		bytes := int64(0)
		for size, first := 1, true; len(list) > 0; first = false {
			batch := list[:min(size, len(list))]
			list = list[len(batch):]
			found := make([][]result, len(batch))
			var group sync.WaitGroup
			for i, one := range batch {
				group.Go(func() { found[i] = read(one) })
			}
			group.Wait()
			for _, results := range found {
				for _, r := range results {
					if bytes > maxAttachmentBytes {
						yield(result{err: s.tooManyBytes()})
						return
					}
					bytes += int64(r.bytes)
					if r.late != nil {
						r = r.late()
						bytes += int64(len(r.attachment.Content))
					}
					if (r.attachment.Format != 0 || r.err != nil) && !yield(r) {
						return
					}
				}
			}
			if !first {
				size = min(2*size, maxBatch)
			}
		}
	}
}

// tooManyBytes is the error if a list was not read to its end.
func (s search) tooManyBytes() error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("the attachments of %s have more than the %d MiB that chartgate reads", s.name, maxAttachmentBytes>>20),
		Next:   "remove old attestations from the registry, or sign again under a new version",
	}
}

// tooMany is the error if only the first ones of a list were read.
func (s search) tooMany(what string, found, limit int) error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("%s has %d %s, of which chartgate looked at %d only", s.name, found, what, limit),
		Next:   "remove old " + what + " from the registry, or sign again under a new version",
	}
}

// read reads the content of a layer: small content at once, and large content when it is its turn.
// convert makes a result of it.
func (s search) read(ctx context.Context, layer ocispec.Descriptor, limit int64, convert func(content, error) result) result {
	now := func() result {
		found, done, err := s.largeBlob(ctx, layer, limit)
		r := convert(found, err)
		r.done = done
		return r
	}
	if layer.Size > maxBundle || layer.Size <= 0 && limit > maxBundle {
		return result{late: now}
	}
	r := now()
	r.bytes = len(r.attachment.Content)
	return r
}

// unusable is the error for an attachment that is listed but cannot be used. It says nothing about
// the chart itself, so its kind is neither KindNotFound nor KindNotAChart.
func (s search) unusable(ctx context.Context, what, role string, err error) error {
	known, _ := errors.AsType[requestError](err)
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return &problem.Error{Kind: problem.KindInvalid, Detail: what + " is listed but does not exist" + s.mirrorNote(), Err: err}
	case known.kind == problem.KindNotAChart || known.kind == problem.KindInvalid:
		return &problem.Error{Kind: problem.KindInvalid, Detail: what + " is not a readable " + role + ": " + known.detail + s.mirrorNote(), Err: err}
	default:
		return s.problem(ctx, what, err)
	}
}
