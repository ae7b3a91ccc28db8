package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// item is a piece of signature material, or a problem, on its way to who asked. done is to be
// called when the material is of no more use; it may be nil.
type item struct {
	material attachment.Attachment
	err      error
	done     func()
}

// items are in the order of promise.
type items = iter.Seq[item]

// Signatures yields the signature material beside a chart, fetched as the consumer
// goes on, place by place, most promising first: eight referrers of each kind (marked as cosign
// signatures, marked with a wanted predicate, unmarked, others), eight legacy signatures and, if any
// predicate is wanted, eight legacy attestations, then the next eight of each, so that a crowd in
// one place hides nothing in another one. Within a kind the newest is first, as far as anybody
// can tell. The marks order the work; they are anybody's and decide nothing, except that what is
// marked with a wanted predicate may be larger.
//
// Other places than the chart's own repository are laid out as by cosign with
// COSIGN_REPOSITORY: one repository holds the signatures of many charts, under the same
// tags, and bundles refer to a chart that is not there.
//
// Where a place has nothing and no predicate is wanted, one unread mark is yielded if legacy
// attestations exist.
//
// A problem is yielded in its place and does not end the sequence, unless time is
// over: other material may still do.
func (c *Client) Signatures(ctx context.Context, r chart.Resolved, where attachment.Search) iter.Seq2[attachment.Attachment, error] {
	places := where.Repositories
	if len(places) == 0 {
		places = []chart.Location{{}}
	}
	return func(yield func(attachment.Attachment, error) bool) {
		for _, place := range places {
			for i := range c.signaturesIn(ctx, place, r, where) {
				if !hand(yield, i) || i.err != nil && expired(ctx) {
					return
				}
			}
		}
	}
}

// hand yields material whose content is of no more use afterwards.
func hand(yield func(attachment.Attachment, error) bool, i item) (more bool) {
	if i.done != nil {
		defer i.done()
	}
	return yield(i.material, i.err)
}

// signaturesIn yields what one place has; the zero place is the chart's own repository.
func (c *Client) signaturesIn(ctx context.Context, place chart.Location, r chart.Resolved, where attachment.Search) items {
	return func(yield func(item) bool) {
		s, leave, err := c.search(ctx, place, r, where)
		if err != nil {
			yield(item{err: err})
			return
		}
		defer leave() // once the consumer has judged what it got
		nothing := true
		for _, part := range s.parts(ctx) {
			for i := range part {
				nothing = false
				if !yield(i) {
					return
				}
			}
		}
		if nothing {
			s.unread(ctx)(yield)
		}
	}
}

// search is the search for the signatures of one chart in one repository.
type search struct {
	*repository
	chart      chart.Digest
	name       string // of the chart, for messages
	predicates []string
	// own is set where the repository is the chart's, whose manifest has been read.
	own  bool
	seen map[string]bool // the referrers that were looked at, by digest
}

// search begins a search, which is to be left.
func (c *Client) search(ctx context.Context, place chart.Location, r chart.Resolved, where attachment.Search) (s search, leave func(), err error) {
	if r.Digest.IsZero() || r.Location.IsZero() {
		return search{}, nil, problem.Invalid("%s has not been resolved to a digest", r.Location)
	}
	name := r.Location.String() + "@" + r.Digest.String()
	if place.IsZero() || place == r.Location {
		place = r.Location
	} else {
		name += " in " + place.String()
	}
	// The consumer's credentials belong to the host of the chart. Another place is the
	// admin's, and reached as such.
	access := where.Access
	if place.Host() != r.Location.Host() {
		access = sourceauth.Auth{Askers: access.Askers}
	}
	repo, err := c.repository(ctx, place, access)
	if err != nil {
		return search{}, nil, err
	}
	if leave, err = repo.enter(ctx); err != nil {
		return search{}, nil, err
	}
	return search{
		repository: repo, chart: r.Digest, name: name, predicates: where.Predicates, own: place == r.Location,
		seen: map[string]bool{},
	}, leave, nil
}

// parts returns where to look, in order. A host that lacked the referrers API a
// while ago is asked for the fallback tag instead; before the search ends with
// nothing good the API is asked after all, so that the memory saves a request but
// never hides a signature. In the same way the fallback tag is looked at last where the
// API has answered: some proxies and old registries answer with an empty list, or an error.
func (s search) parts(ctx context.Context) []items {
	if s.link.lacking.holds(s.at.Host()) {
		return []items{alternate(s.fallback(ctx), s.legacy(ctx), s.attestations(ctx)), s.referrersAPI(ctx, nil)}
	}
	asked := false
	fallback := func(yield func(item) bool) {
		asked = true
		s.fallback(ctx)(yield)
	}
	last := func(yield func(item) bool) {
		if !asked {
			s.fallback(ctx)(yield)
		}
	}
	return []items{alternate(s.referrersAPI(ctx, fallback), s.legacy(ctx), s.attestations(ctx)), last}
}

// alternate yields some of each part in turns.
func alternate(parts ...items) items {
	return func(yield func(item) bool) {
		var pulls []func() (item, bool)
		for _, part := range parts {
			next, stop := iter.Pull(part)
			defer stop()
			pulls = append(pulls, next)
		}
		for len(pulls) > 0 {
			next := pulls[0]
			pulls = pulls[1:]
			more := true
			for range turn {
				i, ok := next()
				if more = ok; !more {
					break
				}
				if !yield(i) {
					return
				}
			}
			if more {
				pulls = append(pulls, next)
			}
		}
	}
}

// unusable is the problem with material that is listed but cannot be used. It says
// nothing about the chart itself, so it is never KindNotFound or KindNotAChart.
func (s search) unusable(ctx context.Context, what, role string, err error) error {
	own, _ := errors.AsType[fault](err)
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return &problem.Error{Kind: problem.KindInvalid, Detail: what + " is listed but not there" + s.mirrored(), Err: err}
	case own.kind == problem.KindNotAChart || own.kind == problem.KindInvalid:
		return &problem.Error{Kind: problem.KindInvalid, Detail: what + " is not a readable " + role + ": " + own.text + s.mirrored(), Err: err}
	default:
		return s.problem(ctx, what, err)
	}
}

// fetched is what became of one piece of material.
type fetched struct {
	item
	// late reads it when it is its turn: what is large is not read ahead, since it would hold its
	// place in memory while it waits.
	late  func() item
	bytes int // that were read for it
}

// ahead yields what is fetched for each of the list, in order. The first ones are fetched one by
// one: most searches end with them. Then more and more are fetched at the same time, since whoever
// has to go through hundreds has seconds for it.
func ahead[T any](s search, list []T, fetch func(T) []fetched) items {
	return func(yield func(item) bool) {
		spent := int64(0)
		for size, first := 1, true; len(list) > 0; first = false {
			batch := list[:min(size, len(list))]
			list = list[len(batch):]
			results := make([][]fetched, len(batch))
			var group sync.WaitGroup
			for i, one := range batch {
				group.Go(func() { results[i] = fetch(one) })
			}
			group.Wait()
			for _, result := range results {
				for _, f := range result {
					if spent > maxMaterial {
						yield(item{err: s.tooLarge()})
						return
					}
					i := f.item
					if f.late != nil {
						i = f.late()
						spent += int64(len(i.material.Content))
					}
					spent += int64(f.bytes)
					if (i.material.Format != 0 || i.err != nil) && !yield(i) {
						return
					}
				}
			}
			if !first {
				size = min(2*size, maxAhead)
			}
		}
	}
}

// tooLarge is the problem that a list was not looked at to its end.
func (s search) tooLarge() error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("the signature material of %s has more than the %d MiB that chartgate reads", s.name, maxMaterial>>20),
		Next:   "remove old attestations from the registry, or sign again under a new version",
	}
}

// fetch reads the content of a layer, at once if it is small and when it is its turn otherwise. made
// turns it into an item.
func (s search) fetch(ctx context.Context, layer ocispec.Descriptor, limit int64, made func(answer, error) item) fetched {
	read := func() item {
		content, done, err := s.bulk(ctx, layer, limit)
		i := made(content, err)
		i.done = done
		return i
	}
	if layer.Size > maxBundle || layer.Size <= 0 && limit > maxBundle {
		return fetched{late: read}
	}
	i := read()
	return fetched{item: i, bytes: len(i.material.Content)}
}
