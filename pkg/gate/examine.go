package gate

import (
	"context"
	"errors"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// examine resolves a reference and searches the chart's signatures for ones that
// satisfy the policies. Only the chart that every policy accepted is remembered,
// by its digest: which digest a tag means is asked anew each time, and a denial is
// never remembered, so that "sign, then apply again" works at once.
func (g *Gate) examine(ctx context.Context, ref chart.Reference, policies []*policy.Policy) (chart.Resolved, verdict.Findings, error) {
	key := cacheKey{location: ref.Location, identities: policy.Fingerprint(policies), trustRoot: g.verifier.State()}
	if digest, pinned := ref.Selector.Digest(); pinned {
		key.digest = digest
		if known, ok := g.verified.get(key); ok {
			return known.resolved, verdict.Findings{Evidence: known.evidence}, nil
		}
	}
	resolved, err := g.resolve(ctx, ref)
	if err != nil {
		return chart.Resolved{}, verdict.Findings{}, err
	}
	key.digest = resolved.Digest
	if known, ok := g.verified.get(key); ok {
		return known.resolved, verdict.Findings{Evidence: known.evidence}, nil
	}
	findings, err := g.search(ctx, key, resolved, policies)
	return resolved, findings, err
}

// resolve asks the registry; concurrent equal questions share one answer.
func (g *Gate) resolve(ctx context.Context, ref chart.Reference) (chart.Resolved, error) {
	resolved, err := share(ctx, &g.flights, ref, func(ctx context.Context) (chart.Resolved, error) {
		return g.registry.Resolve(ctx, ref)
	})
	if err == nil && (resolved.Digest.IsZero() || resolved.Location != ref.Location) {
		return chart.Resolved{}, errors.New("the registry client resolved the reference to nothing")
	}
	return resolved, err
}

// search looks at the chart's signature material until every policy accepts, and
// remembers the chart if they do; concurrent equal searches share one.
func (g *Gate) search(ctx context.Context, key cacheKey, resolved chart.Resolved, policies []*policy.Policy) (verdict.Findings, error) {
	return share(ctx, &g.flights, key, func(ctx context.Context) (verdict.Findings, error) {
		// Another search may have ended since this caller looked.
		if known, ok := g.verified.get(key); ok {
			return verdict.Findings{Evidence: known.evidence}, nil
		}
		var f verdict.Findings
		wanted := policy.Wanted(policies)
		for material, err := range g.registry.Signatures(ctx, resolved) {
			if err == nil {
				err = g.look(ctx, &f, resolved.Digest, material, wanted)
			}
			note(&f, err)
			if allAccept(policies, resolved.Digest, f.Evidence) {
				g.verified.add(key, verifiedChart{resolved: resolved, evidence: f.Evidence})
				break
			}
		}
		return f, nil
	})
}

// look verifies one piece of material and adds what it proves.
func (g *Gate) look(ctx context.Context, f *verdict.Findings, digest chart.Digest, material chart.Material, wanted verdict.Wanted) error {
	switch material.Format {
	case chart.Bundle:
		f.Bundles++
	default:
		f.Legacy++
	}
	evidence, err := g.verifier.Verify(ctx, digest, material, wanted)
	if err == nil {
		f.Evidence = append(f.Evidence, evidence)
	}
	return err
}

// note adds what went wrong with one piece of material. Material that proves
// nothing is a bad neighbour, which anybody may have attached; only what kept us
// from looking is a failure.
func note(f *verdict.Findings, err error) {
	var rejection *verdict.Rejection
	var problem *chart.Problem
	switch {
	case err == nil:
	case errors.As(err, &rejection):
		f.Rejections = append(f.Rejections, rejection)
	case errors.As(err, &problem) && problem.Kind == chart.KindInvalid:
		f.Rejections = append(f.Rejections, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: problem.Detail, Err: err})
	case f.Failure == nil:
		f.Failure = err
	}
}

func allAccept(policies []*policy.Policy, digest chart.Digest, evidence []verdict.Evidence) bool {
	for _, p := range policies {
		if _, ok := p.Accept(digest, evidence); !ok {
			return false
		}
	}
	return len(policies) > 0
}
