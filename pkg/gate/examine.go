package gate

import (
	"context"
	"errors"
	"slices"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// examined is what was found out about one chart.
type examined struct {
	resolved chart.Resolved
	findings verdict.Findings
	// dependencies are known only where a policy asks about them.
	dependencies dependencies
}

// examine resolves a reference and searches the chart's signatures for ones that
// satisfy the policies. Only the chart that every policy accepted is remembered,
// by its digest: which digest a tag means is asked anew each time, and a denial is
// never remembered, so that "sign, then apply again" works at once. A chart is not
// remembered by consumer: its signatures hold whoever asks. What is no chart is remembered
// apart, so that it never passes for one.
//
// What a source has stored is what is going to be deployed, whatever its tag means by now: a
// chart that is remembered with this very archive is asked for nothing again.
func (g *Gate) examine(ctx context.Context, use chartUse, policies []*policy.Policy) (examined, error) {
	ref, access, as := contentOf(use), use.Access, artifactOf(use)
	wanted := policy.Wanted(policies)
	key := cacheKey{location: ref.Location, identities: policy.Fingerprint(policies), trustRoots: g.verifier.State(ctx, wanted)}
	digest, pinned := ref.Selector.Digest()
	if !pinned && use.Artifact != nil && use.Artifact.Stored() {
		digest = g.verified.digestOf(key, use.Artifact.Archive)
	}
	if !digest.IsZero() {
		key.digest = digest
		if known, ok := g.recall(key, policies); ok && (!as.any || known.resolved.Taken(as.by) == nil) {
			return known, nil
		}
		other := key
		other.as = as
		if known, ok := g.recall(other, policies); as.any && ok {
			return known, nil
		}
	}
	resolved, err := g.resolve(ctx, use.Asker, ref, access, as)
	if err != nil {
		return examined{}, err
	}
	if resolved.Other {
		key.as = as
	}
	key.digest = resolved.Digest
	found, ok := g.recall(key, policies)
	if !ok {
		if found, err = g.search(ctx, use.Asker, task{key: key, access: access}, ref, resolved, wanted, policies); err != nil {
			return examined{}, err
		}
	}
	found.resolved = resolved // others may have come to the digest by another tag
	return found, nil
}

// artifact is what a consumer takes: the zero value is a chart and nothing else.
type artifact struct {
	any bool
	by  chart.Taking
}

func artifactOf(use chartUse) artifact {
	if !use.AnyArtifact() {
		return artifact{}
	}
	return artifact{any: true, by: use.Taking}
}

// question is what a registry is asked: what a reference means to those who reach it so.
type question struct {
	ref    chart.Reference
	access sourceauth.Auth
	as     artifact
}

// resolve asks the registry; concurrent equal questions share one answer. A dry run, which
// stores nothing, may get an answer of a moment ago instead.
func (g *Gate) resolve(ctx context.Context, asker source.Asker, ref chart.Reference, access sourceauth.Auth, as artifact) (chart.Resolved, error) {
	asked := question{ref, access, as}
	if asker.DryRun {
		if known, ok := g.recent.get(asked); ok {
			return known, nil
		}
	}
	resolved, err := share(ctx, &g.flights, caller{asker.Namespace, ref}, asked, func(ctx context.Context, askers sourceauth.Askers) (chart.Resolved, error) {
		at := g.now()
		resolved, err := g.ask(ctx, asked, askers)
		if err == nil {
			g.recent.add(asked, resolved, at)
		}
		return resolved, err
	})
	if err == nil && resolved.Other && !as.any {
		return chart.Resolved{}, errors.New("the registry client resolved a chart to something else")
	}
	if err == nil && (resolved.Digest.IsZero() || resolved.Location != ref.Location) {
		return chart.Resolved{}, errors.New("the registry client resolved the reference to nothing")
	}
	return resolved, err
}

// ask asks the registry a question that the askers wait for.
func (g *Gate) ask(ctx context.Context, q question, askers sourceauth.Askers) (chart.Resolved, error) {
	q.access.Askers = askers
	if q.as.any {
		return g.registry.Artifact(ctx, q.ref, q.access, q.as.by)
	}
	return g.registry.Resolve(ctx, q.ref, q.access)
}

// task is a search that several admissions may share: what one consumer may not read,
// another one may.
type task struct {
	key    cacheKey
	access sourceauth.Auth
}

// search looks at the chart's signature material until every policy accepts, and
// remembers the chart if they do; concurrent equal searches share one.
func (g *Gate) search(ctx context.Context, asker source.Asker, task task, about chart.Reference, resolved chart.Resolved, wanted evidence.Wanted, policies []*policy.Policy) (examined, error) {
	return share(ctx, &g.flights, caller{asker.Namespace, about}, task, func(ctx context.Context, askers sourceauth.Askers) (examined, error) {
		task := task
		task.access.Askers = askers
		// Another search may have ended since this caller looked.
		if known, ok := g.recall(task.key, policies); ok {
			return known, nil
		}
		found := examined{resolved: resolved}
		places := attachment.Search{Access: task.access, Repositories: policy.Places(policies), Predicates: wanted.Predicates}
		for material, err := range g.registry.Signatures(ctx, resolved, places) {
			if err == nil {
				if err = g.look(ctx, &found.findings, resolved.Digest, material, wanted, policies); isProblem(err, problem.KindTimeout) {
					err = timeout(about, err)
				}
			}
			note(&found.findings, err)
			if err == nil && len(g.accepting(policies, found)) == len(policies) {
				break
			}
		}
		accepting := g.accepting(policies, found)
		if slices.ContainsFunc(accepting, (*policy.Policy).Vendored) {
			found.dependencies = g.dependencies(ctx, resolved, task)
		}
		if len(accepting) == len(policies) {
			g.remember(ctx, task.key, found, wanted)
		}
		return found, nil
	})
}

// recall returns what is remembered of a chart, if every policy still accepts it. A scan
// that has grown old since may have been followed by a new one, so that is looked for.
func (g *Gate) recall(key cacheKey, policies []*policy.Policy) (examined, bool) {
	known, ok := g.verified.get(key)
	if !ok {
		return examined{}, false
	}
	found := known.examined()
	return found, len(g.accepting(policies, found)) == len(policies)
}

// accepting returns the policies that accept the evidence.
func (g *Gate) accepting(policies []*policy.Policy, found examined) []*policy.Policy {
	var accepting []*policy.Policy
	for _, p := range policies {
		if accepted, unmet := p.Accept(found.resolved.Digest, found.findings.Evidence, g.now()); len(unmet) == 0 && len(accepted) > 0 {
			accepting = append(accepting, p)
		}
	}
	return accepting
}

// remember keeps a chart that every policy accepted, if the trust roots are still those
// that the key names.
func (g *Gate) remember(ctx context.Context, key cacheKey, found examined, wanted evidence.Wanted) {
	if found.dependencies.err == nil && len(found.dependencies.missing) == 0 && key.trustRoots == g.verifier.State(ctx, wanted) {
		g.verified.add(key, verifiedChart{resolved: found.resolved, evidence: found.findings.Evidence, vendored: found.dependencies.vendored})
	}
}

// look verifies one piece of material and adds what it proves.
func (g *Gate) look(ctx context.Context, f *verdict.Findings, digest chart.Digest, material attachment.Attachment, wanted evidence.Wanted, policies []*policy.Policy) error {
	switch {
	case material.Unread:
		f.Attested = true
		return nil
	case material.Format == attachment.Bundle:
		f.Bundles++
	default:
		f.Legacy++
	}
	proven, err := g.verifier.Verify(ctx, digest, material, wanted)
	if err == nil {
		for _, e := range proven {
			if !policy.Concerns(policies, e) {
				e.Content = nil
			}
			f.Evidence = append(f.Evidence, e)
		}
	}
	return err
}

// note adds what went wrong with one piece of material. Material that proves
// nothing is a bad neighbour, which anybody may have attached; only what kept us
// from looking is a failure.
func note(f *verdict.Findings, err error) {
	var rejection *verdict.Rejection
	var perr *problem.Error
	switch {
	case err == nil:
	case errors.As(err, &rejection):
		f.Rejections = append(f.Rejections, rejection)
	case errors.As(err, &perr) && perr.Kind == problem.KindInvalid:
		f.Rejections = append(f.Rejections, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: perr.Detail, Err: err})
	case f.Failure == nil:
		f.Failure = err
	}
}
