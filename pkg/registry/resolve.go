package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Tags lists the tags of a repository, all of them or none, over chartgate's own connection.
func (c *Client) Tags(ctx context.Context, at chart.Location) ([]string, error) {
	r, err := c.repository(ctx, at, sourceauth.Auth{})
	if err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return r.allTags(ctx)
}

// allTags is tags with errors for users.
func (r *repository) allTags(ctx context.Context) ([]string, error) {
	tags, err := r.tags(ctx)
	if err != nil {
		return nil, r.chartProblem(ctx, "tags of "+r.location.String(), err)
	}
	return tags, nil
}

// tags lists all tags.
func (r *repository) tags(ctx context.Context) ([]string, error) {
	var all []string
	err := r.lists().Tags(r.options(ctx, requestOptions{maxBytes: maxPage, list: true}), "", func(page []string) error {
		if all = append(all, page...); len(all) > maxTags {
			return requestError{problem.KindLimitExceeded, fmt.Sprintf("there are more than %d tags", maxTags), ""}
		}
		return nil
	})
	return all, err
}

// Resolve finds the digest of a reference and reads the chart's manifest: with one request for a
// tag or a digest, and the list of tags before it for a range. A chart in an image index, or one
// that refers to other manifests, costs one more request for each manifest. The result contains no
// tag that still has to be resolved.
func (c *Client) Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (artifact.Resolved, error) {
	return c.resolve(ctx, ref, access, graph.chart)
}

// Artifact is Resolve for a consumer that may deploy artifacts other than charts, such as plain
// Kubernetes manifests. The result has Other set if the artifact is not a chart, or is a chart of
// which the consumer does not take the chart's layer.
func (c *Client) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by artifact.LayerRule) (artifact.Resolved, error) {
	return c.resolve(ctx, ref, access, func(below graph) (artifact.Resolved, error) { return below.artifact(by) })
}

func (c *Client) resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth, read func(graph) (artifact.Resolved, error)) (artifact.Resolved, error) {
	r, err := c.repository(ctx, ref.Location, access)
	if err != nil {
		return artifact.Resolved{}, err
	}
	if ref.Selector.IsZero() {
		return artifact.Resolved{}, problem.Invalid("%s has neither a version nor a digest", ref.Location)
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return artifact.Resolved{}, err
	}
	defer leave()
	tag, found, err := r.find(ctx, ref)
	if err != nil {
		return artifact.Resolved{}, err
	}
	var resolved artifact.Resolved
	below, err := r.graph(ctx, found)
	if err == nil {
		resolved, err = read(below)
	}
	if err != nil {
		name := ref.String()
		if literal, _ := ref.Selector.Tag(); tag != "" && tag != literal {
			name = chosenByRange(ref, tag, "@"+found.digest.String())
		}
		return artifact.Resolved{}, r.notAChart(name, err)
	}
	resolved.Location, resolved.Tag = ref.Location, tag
	if r.at != r.location {
		resolved.Mirror = r.at
	}
	return resolved, nil
}

// find reads the manifest that the selector selects. It returns the tag that led to it, or "" for a
// digest.
func (r *repository) find(ctx context.Context, ref chart.Reference) (tag string, found content, err error) {
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
			return tag, found, r.suggestTwin(ctx, s, err)
		}
	}
	if tag, err = r.selectTag(ctx, s); err != nil {
		return "", content{}, err
	}
	found, err = r.chartManifest(ctx, chosenByRange(ref, tag, ""), tag)
	return tag, found, err
}

// suggestTwin adds to the error for a tag that does not exist that its twin exists: v1.0.0 was
// pushed as 1.0.0, or the reverse. It costs one more request before a denial.
func (r *repository) suggestTwin(ctx context.Context, s chart.Selector, err error) error {
	twin := s.Twin()
	p, ok := errors.AsType[*problem.Error](err)
	if twin == "" || !ok {
		return err
	}
	if _, missing := r.manifest(ctx, twin); missing != nil {
		return err
	}
	suggestion := *p
	suggestion.Detail += "; the tag " + problem.QuoteInput(twin) + " is there"
	return suggestion.WithNext("write %s, if that is what you mean", s.Spelled(twin))
}

// chosenByRange names the chart that a range selects.
func chosenByRange(ref chart.Reference, tag, digest string) string {
	return ref.Location.String() + ":" + tag + digest + " (the newest of " + problem.QuoteInput(ref.Selector.String()) + ")"
}

func (r *repository) chartManifest(ctx context.Context, name, tagOrDigest string) (content, error) {
	found, err := r.manifest(ctx, tagOrDigest)
	if err != nil {
		return content{}, r.chartProblem(ctx, name, err)
	}
	return found, nil
}

func (r *repository) selectTag(ctx context.Context, s chart.Selector) (string, error) {
	tags, err := r.allTags(ctx)
	if err != nil {
		return "", err
	}
	tag, err := s.Select(ctx, tags)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		located := *p
		located.Detail = r.location.String() + ": " + p.Detail + r.mirrorNote()
		return "", &located
	}
	return tag, err
}

// chartProblem is problem for a chart, with a next step if the chart does not exist. Some
// registries refuse access to what does not exist (GHCR's token service answers 403).
func (r *repository) chartProblem(ctx context.Context, what string, err error) error {
	err = r.problem(ctx, what, err)
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.KindNotFound && p.Kind != problem.KindUnauthorized {
		return err
	}
	switch parent, name := path.Split(r.location.Path()); {
	case name == path.Base(parent):
		// The most common mistake: Flux and Argo CD append the chart's name to the URL of the
		// repository.
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

// notAChart is the error for content that has been read and contains no chart, or several.
func (r *repository) notAChart(name string, err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	p := &problem.Error{Kind: problem.KindInternal, Detail: name + " is not a Helm chart", Err: err}
	if known, ok := errors.AsType[requestError](err); ok {
		p.Kind = known.kind
		p.Detail += ": " + known.detail + r.mirrorNote()
		p.Next = cmp.Or(known.next, "push the chart with helm push, or correct the reference")
	}
	return p
}
