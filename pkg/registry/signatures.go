package registry

import (
	"context"
	"errors"
	"iter"
	"net/http"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

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
	if err == nil || !s.own || s.connection.Lacking != nil {
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
