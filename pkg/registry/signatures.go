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
// goes on, most promising first: bundles marked as cosign signatures, unmarked
// bundles, other bundles, then legacy signatures from the newest. The marks order
// the work; they are anybody's and decide nothing.
//
// A problem is yielded in its place and does not end the sequence, unless time is
// over: other material may still do.
func (c *Client) Signatures(ctx context.Context, r chart.Resolved) iter.Seq2[chart.Material, error] {
	return func(yield func(chart.Material, error) bool) {
		repo, err := c.repository(r.Location)
		if err == nil && r.Digest.IsZero() {
			err = chart.Invalid("%s has not been resolved to a digest", r.Location)
		}
		var leave func()
		if err == nil {
			leave, err = repo.enter(ctx)
		}
		if err != nil {
			yield(chart.Material{}, err)
			return
		}
		defer leave() // once the consumer has judged what it got
		s := search{repository: repo, chart: r.Digest, name: r.Location.String() + "@" + r.Digest.String()}
		for _, part := range s.parts(ctx) {
			for material, err := range part {
				if !yield(material, err) || err != nil && expired(ctx) {
					return
				}
			}
		}
	}
}

// search is the search for the signatures of one chart.
type search struct {
	*repository
	chart chart.Digest
	name  string // of the chart, for messages
}

// parts returns where to look, in order. A host that lacked the referrers API a
// while ago is asked for the fallback tag instead; before the search ends with
// nothing good the API is asked after all, so that the memory saves a request but
// never hides a signature.
func (s search) parts(ctx context.Context) []materials {
	if s.client.lacking.holds(s.location.Host()) {
		return []materials{s.fallback(ctx), s.legacy(ctx), s.referrersAPI(ctx, nil)}
	}
	return []materials{s.referrersAPI(ctx, s.fallback(ctx)), s.legacy(ctx)}
}

// referrersAPI yields the bundles that the API lists or, where there is no API,
// otherwise.
func (s search) referrersAPI(ctx context.Context, otherwise materials) materials {
	return func(yield func(chart.Material, error) bool) {
		list, err := s.referrers(ctx, s.chart, true)
		switch {
		case err == nil:
			s.client.lacking.forget(s.location.Host())
			s.bundles(ctx, list, nil)(yield)
		case !lacksAPI(err):
			s.bundles(ctx, list, err)(yield)
		case len(list) > 0: // the API is there, the list's next page is not
			s.bundles(ctx, list, fault{chart.KindUnavailable, "a page of the list is missing"})(yield)
		case otherwise != nil:
			s.client.lacking.remember(s.location.Host())
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
		return &chart.Problem{Kind: chart.KindInvalid, Detail: what + " is listed but not there", Err: err}
	case own.kind == chart.KindNotAChart || own.kind == chart.KindInvalid:
		return &chart.Problem{Kind: chart.KindInvalid, Detail: what + " is not a readable " + role + ": " + own.text, Err: err}
	default:
		return s.problem(ctx, what, err)
	}
}
