package registry

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// tags lists all tags.
func (r *repository) tags(ctx context.Context) ([]string, error) {
	var all []string
	err := r.lists().Tags(allow(r.asking(ctx), allowance{bytes: maxPage, list: true, by: r.share()}), "", func(page []string) error {
		if all = append(all, page...); len(all) > maxTags {
			return fault{problem.KindLimitExceeded, fmt.Sprintf("there are more than %d tags", maxTags)}
		}
		return nil
	})
	return all, err
}

// Resolve finds the digest of ref and reads the chart's manifest: one request for
// a tag or a digest, and the tag list before it for a range. A chart behind an image index, or
// one that refers to further manifests, costs a request for each of them. After it nothing is
// a tag.
func (c *Client) Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (chart.Resolved, error) {
	return c.resolve(ctx, ref, access, graph.chart)
}

// Artifact is Resolve for a consumer that may deploy something else than charts: manifests,
// say. What is no chart, or not one of which the consumer takes the chart's layer, has Other set.
func (c *Client) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by chart.Taking) (chart.Resolved, error) {
	return c.resolve(ctx, ref, access, func(below graph) (chart.Resolved, error) { return below.artifact(by) })
}

func (c *Client) resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth, read func(graph) (chart.Resolved, error)) (chart.Resolved, error) {
	r, err := c.repository(ctx, ref.Location, access)
	if err != nil {
		return chart.Resolved{}, err
	}
	if ref.Selector.IsZero() {
		return chart.Resolved{}, problem.Invalid("%s has neither a version nor a digest", ref.Location)
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return chart.Resolved{}, err
	}
	defer leave()
	named, found, err := r.find(ctx, ref)
	if err != nil {
		return chart.Resolved{}, err
	}
	below, err := r.graph(ctx, found)
	if err != nil {
		return chart.Resolved{}, r.notAChart(ref, named, found, err)
	}
	resolved, err := read(below)
	if err != nil {
		return chart.Resolved{}, r.notAChart(ref, named, found, err)
	}
	resolved.Location, resolved.Tag = ref.Location, named
	if r.at != r.location {
		resolved.Mirror = r.at
	}
	return resolved, nil
}

// find reads the manifest that the selector leads to, and returns the tag by which; "" by digest.
func (r *repository) find(ctx context.Context, ref chart.Reference) (tag string, found answer, err error) {
	s := ref.Selector
	if digest, ok := s.Digest(); ok {
		found, err = r.chartManifest(ctx, ref.String(), digest.String())
		return "", found, err
	}
	tag, ok := s.Tag()
	if ok {
		found, err = r.chartManifest(ctx, ref.String(), tag)
		switch {
		case !isNotFound(err):
			return tag, found, err
		case !s.IsRange():
			return tag, found, r.tellTwin(ctx, s, err)
		}
	}
	if tag, err = r.selectTag(ctx, s); err != nil {
		return "", answer{}, err
	}
	found, err = r.chartManifest(ctx, chosen(ref, tag, ""), tag)
	return tag, found, err
}

// tellTwin adds to the problem with a tag that is not there that its twin is: v1.0.0 was
// pushed as 1.0.0, or the reverse. It costs one more request, on the way to a denial.
func (r *repository) tellTwin(ctx context.Context, s chart.Selector, err error) error {
	twin := s.Twin()
	p, ok := errors.AsType[*problem.Error](err)
	if twin == "" || !ok {
		return err
	}
	if _, missing := r.manifest(ctx, twin); missing != nil {
		return err
	}
	told := *p
	told.Detail += "; the tag " + chart.Quote(twin) + " is there"
	return told.WithNext("write %s, if that is what you mean", s.Spelled(twin))
}

// chosen names the chart that a range led to.
func chosen(ref chart.Reference, tag, digest string) string {
	return ref.Location.String() + ":" + tag + digest + " (the newest of " + chart.Quote(ref.Selector.String()) + ")"
}

func (r *repository) chartManifest(ctx context.Context, name, tagOrDigest string) (answer, error) {
	found, err := r.manifest(ctx, tagOrDigest)
	if err != nil {
		return answer{}, r.chartProblem(ctx, name, err)
	}
	return found, nil
}

func (r *repository) selectTag(ctx context.Context, s chart.Selector) (string, error) {
	tags, err := r.tags(ctx)
	if err != nil {
		return "", r.chartProblem(ctx, "tags of "+r.location.String(), err)
	}
	tag, err := s.Select(tags)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		located := *p
		located.Detail = r.location.String() + ": " + p.Detail + r.mirrored()
		return "", &located
	}
	return tag, err
}

// chartProblem adds to a problem what helps where there is no such chart. Some registries
// refuse what is not there (GHCR's token service answers 403).
func (r *repository) chartProblem(ctx context.Context, what string, err error) error {
	err = r.problem(ctx, what, err)
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.KindNotFound && p.Kind != problem.KindUnauthorized {
		return err
	}
	switch parent, name := path.Split(r.location.Path()); {
	case name == path.Base(parent):
		// The mistake that most people make: Flux and Argo CD append the chart's name to the
		// repository's URL.
		repeated := fmt.Sprintf("the chart's name is repeated: take /%s off the end of the repository URL, to which the name is appended", name)
		if p.Kind == problem.KindUnauthorized {
			repeated += "; or, if that is its name, " + p.Next
		}
		return p.WithNext("%s", repeated)
	case p.Kind == problem.KindNotFound:
		return p.WithNext("check the chart's name and version, and that it has been pushed")
	default:
		return p
	}
}

// notAChart is the problem with content that has been read and holds no chart, or several. tag is
// the one that led to it.
func (r *repository) notAChart(ref chart.Reference, tag string, found answer, err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	name := ref.String()
	if literal, _ := ref.Selector.Tag(); tag != "" && tag != literal {
		name = chosen(ref, tag, "@"+found.digest.String())
	}
	p := &problem.Error{Kind: problem.KindInternal, Detail: name + " is not a Helm chart", Err: err}
	if own, ok := errors.AsType[fault](err); ok {
		p.Kind = own.kind
		p.Detail += ": " + own.text + r.mirrored()
		p.Next = "push the chart with helm push, or correct the reference"
		if known, ok := errors.AsType[advice](err); ok {
			p.Next = known.next
		}
	}
	return p
}
