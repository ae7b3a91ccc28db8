package registry

import (
	"context"
	"errors"
	"iter"
	"net/http"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/chartgate/chartgate/pkg/chart"
)

// materials is signature material and problems, in the order of promise.
type materials = iter.Seq2[chart.Material, error]

// Signatures yields the signature material beside a chart, fetched as the consumer
// goes on, place by place, most promising first: bundles marked as cosign signatures,
// those marked with a wanted predicate, unmarked bundles, other bundles, then legacy
// signatures from the newest and, if any predicate is wanted, legacy attestations. The
// marks order the work; they are anybody's and decide nothing, except that what is
// marked with a wanted predicate may be larger.
//
// Other places than the chart's own repository are laid out as by cosign with
// COSIGN_REPOSITORY: one repository holds the signatures of many charts, under the same
// tags, and bundles refer to a chart that is not there.
//
// A problem is yielded in its place and does not end the sequence, unless time is
// over: other material may still do.
func (c *Client) Signatures(ctx context.Context, r chart.Resolved, where chart.Search) iter.Seq2[chart.Material, error] {
	places := where.Places
	if len(places) == 0 {
		places = []chart.Location{{}}
	}
	return func(yield func(chart.Material, error) bool) {
		for _, place := range places {
			for material, err := range c.signaturesIn(ctx, place, r, where) {
				if !yield(material, err) || err != nil && expired(ctx) {
					return
				}
			}
		}
	}
}

// signaturesIn yields what one place has; the zero place is the chart's own repository.
func (c *Client) signaturesIn(ctx context.Context, place chart.Location, r chart.Resolved, where chart.Search) materials {
	return func(yield func(chart.Material, error) bool) {
		s, leave, err := c.search(ctx, place, r, where)
		if err != nil {
			yield(chart.Material{}, err)
			return
		}
		defer leave() // once the consumer has judged what it got
		for _, part := range s.parts(ctx) {
			for material, err := range part {
				if !yield(material, err) {
					return
				}
			}
		}
	}
}

// search is the search for the signatures of one chart in one repository.
type search struct {
	*repository
	chart      chart.Digest
	name       string // of the chart, for messages
	predicates []string
}

// search begins a search, which is to be left.
func (c *Client) search(ctx context.Context, place chart.Location, r chart.Resolved, where chart.Search) (s search, leave func(), err error) {
	if r.Digest.IsZero() || r.Location.IsZero() {
		return search{}, nil, chart.Invalid("%s has not been resolved to a digest", r.Location)
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
		access = chart.Access{}
	}
	repo, err := c.repository(ctx, place, access)
	if err != nil {
		return search{}, nil, err
	}
	if leave, err = repo.enter(ctx); err != nil {
		return search{}, nil, err
	}
	return search{repository: repo, chart: r.Digest, name: name, predicates: where.Predicates}, leave, nil
}

// parts returns where to look, in order. A host that lacked the referrers API a
// while ago is asked for the fallback tag instead; before the search ends with
// nothing good the API is asked after all, so that the memory saves a request but
// never hides a signature.
func (s search) parts(ctx context.Context) []materials {
	if s.link.lacking.holds(s.at.Host()) {
		return []materials{s.fallback(ctx), s.legacy(ctx), s.attestations(ctx), s.referrersAPI(ctx, nil)}
	}
	return []materials{s.referrersAPI(ctx, s.fallback(ctx)), s.legacy(ctx), s.attestations(ctx)}
}

// referrersAPI yields the bundles that the API lists or, where there is no API,
// otherwise.
func (s search) referrersAPI(ctx context.Context, otherwise materials) materials {
	return func(yield func(chart.Material, error) bool) {
		list, err := s.referrers(ctx, s.chart, true)
		switch {
		case err == nil:
			s.link.lacking.forget(s.at.Host())
			s.bundles(ctx, list, nil)(yield)
		case !lacksAPI(err):
			s.bundles(ctx, list, err)(yield)
		case len(list) > 0: // the API is there, the list's next page is not
			s.bundles(ctx, list, fault{chart.KindUnavailable, "a page of the list is missing"})(yield)
		case otherwise != nil:
			s.link.lacking.remember(s.at.Host())
			otherwise(yield)
		}
	}
}

// fallback yields the bundles listed under the tag sha256-<hex>.
func (s search) fallback(ctx context.Context) materials {
	return func(yield func(chart.Material, error) bool) {
		list, err := s.referrers(ctx, s.chart, false)
		s.bundles(ctx, list, err)(yield)
	}
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
		return &chart.Problem{Kind: chart.KindInvalid, Detail: what + " is listed but not there" + s.mirrored(), Err: err}
	case own.kind == chart.KindNotAChart || own.kind == chart.KindInvalid:
		return &chart.Problem{Kind: chart.KindInvalid, Detail: what + " is not a readable " + role + ": " + own.text + s.mirrored(), Err: err}
	default:
		return s.problem(ctx, what, err)
	}
}
