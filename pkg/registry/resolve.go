package registry

import (
	"context"
	"errors"
	"path"

	"github.com/chartgate/chartgate/pkg/chart"
)

// Resolve finds the digest of ref and reads the chart's manifest: one request for
// a tag or a digest, and the tag list before it for a range. After it nothing is
// a tag.
func (c *Client) Resolve(ctx context.Context, ref chart.Reference, access chart.Access) (chart.Resolved, error) {
	r, err := c.repository(ctx, ref.Location, access)
	if err != nil {
		return chart.Resolved{}, err
	}
	if ref.Selector.IsZero() {
		return chart.Resolved{}, chart.Invalid("%s has neither a version nor a digest", ref.Location)
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return chart.Resolved{}, err
	}
	defer leave()
	found, err := r.find(ctx, ref)
	if err != nil {
		return chart.Resolved{}, err
	}
	layer, err := chartLayer(found)
	if err != nil {
		return chart.Resolved{}, r.notAChart(ref, err)
	}
	return chart.Resolved{Location: ref.Location, Digest: found.digest, Layer: layer}, nil
}

// find reads the manifest that the selector leads to.
func (r *repository) find(ctx context.Context, ref chart.Reference) (answer, error) {
	s := ref.Selector
	if digest, ok := s.Digest(); ok {
		return r.chartManifest(ctx, ref, digest.String())
	}
	if tag, ok := s.Tag(); ok {
		found, err := r.chartManifest(ctx, ref, tag)
		if !s.IsRange() || !isNotFound(err) {
			return found, err
		}
	}
	tag, err := r.selectTag(ctx, s)
	if err != nil {
		return answer{}, err
	}
	return r.chartManifest(ctx, ref, tag)
}

func (r *repository) chartManifest(ctx context.Context, ref chart.Reference, tagOrDigest string) (answer, error) {
	found, err := r.manifest(ctx, tagOrDigest)
	if err != nil {
		return answer{}, r.chartProblem(ctx, ref.String(), err)
	}
	return found, nil
}

func (r *repository) selectTag(ctx context.Context, s chart.Selector) (string, error) {
	tags, err := r.tags(ctx)
	if err != nil {
		return "", r.chartProblem(ctx, "tags of "+r.location.String(), err)
	}
	tag, err := s.Select(tags)
	if p, ok := errors.AsType[*chart.Problem](err); ok {
		located := *p
		located.Detail = r.location.String() + ": " + p.Detail + r.mirrored()
		return "", &located
	}
	return tag, err
}

// chartProblem adds to a problem what helps where there is no such chart.
func (r *repository) chartProblem(ctx context.Context, what string, err error) error {
	err = r.problem(ctx, what, err)
	if p, ok := errors.AsType[*chart.Problem](err); ok && p.Kind == chart.KindNotFound {
		return p.WithNext("%s", nextIfNotFound(r.location))
	}
	return err
}

// nextIfNotFound knows the mistake that most people make: Flux and Argo CD append
// the chart's name to the repository's URL.
func nextIfNotFound(l chart.Location) string {
	parent, name := path.Split(l.Path())
	if name == path.Base(parent) {
		return "the chart's name is repeated: take /" + name + " off the end of the repository URL, to which the name is appended"
	}
	return "check the chart's name and version, and that it has been pushed"
}

// notAChart is the problem with a manifest that decodeManifest or chartLayer
// refuses.
func (r *repository) notAChart(ref chart.Reference, err error) error {
	p := &chart.Problem{Kind: chart.KindInternal, Detail: ref.String() + " is not a Helm chart", Err: err}
	if own, ok := errors.AsType[fault](err); ok {
		p.Kind = own.kind
		p.Detail += ": " + own.text + r.mirrored()
		p.Next = "push the chart with helm push, or correct the reference"
	}
	return p
}
