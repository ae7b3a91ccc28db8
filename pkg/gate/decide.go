package gate

import (
	"cmp"
	"context"
	"time"

	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// decideRepository decides about a repository of charts by its location alone: policies name
// charts, and one of them must be able to match below it.
func decideRepository(set *policy.Set, subject verdict.Subject) verdict.Verdict {
	if name := set.Covering(subject.Reference.Location); name != "" {
		return verdict.Cover(subject, name)
	}
	return verdict.Deny(subject, noPolicy(set, subject))
}

// decideChart asks the policies in three steps, and stops at the first that denies: what is known
// before any request is sent, what the registry has, and who signed it.
func (g *Gate) decideChart(ctx context.Context, set *policy.Set, use chartUse, now time.Time) verdict.Verdict {
	x := g.newExamination(use, set.For(use.Reference.Location), now)
	if x.policies.IsEmpty() {
		return x.withoutPolicy(set)
	}
	results := &policyResults{subject: subjectOf(use.Use)}
	undecided := x.decideByReference(results)
	if len(undecided) > 0 && !results.denied() {
		if err := x.only(undecided).decideByEvidence(ctx, results); use.Defers(err) {
			return verdict.Defer(results.subject, verdict.FromError(err))
		}
	}
	return results.verdict()
}

// withoutPolicy decides where no policy matches. Manifests in Flux's OCIRepositories are outside
// then; Argo CD's are not, because only their content tells them from a chart.
func (x *examination) withoutPolicy(set *policy.Set) verdict.Verdict {
	subject := subjectOf(x.use.Use)
	if !x.use.MaybeChart {
		return verdict.Deny(subject, noPolicy(set, subject))
	}
	if err := checkUnverified(x.use); err != nil {
		return verdict.Deny(subject, verdict.FromError(err))
	}
	return verdict.Outside(subject, "nothing uses it as a chart, and no policy is about it")
}

// noPolicy is the denial where no policy of the set matches.
func noPolicy(set *policy.Set, subject verdict.Subject) verdict.Denial {
	near := set.Nearest(subject.Reference.Location)
	if !subject.Reference.Location.IsOCI() {
		return verdict.NotFromOCI(subject, nil).Near(near)
	}
	return verdict.NoPolicyFor(subject).Near(near)
}

// decideByReference adds the results that need no request, and returns the other policies.
func (x *examination) decideByReference(results *policyResults) (undecided []*policy.Policy) {
	for _, p := range x.policies.Policies() {
		acceptance, denial := p.Admissible(results.subject, x.now)
		switch {
		case denial != nil:
			results.deny(p, *denial)
		case acceptance == nil:
			undecided = append(undecided, p)
		default:
			if err := checkUnverified(x.use); err != nil {
				results.fail(p, err)
				continue
			}
			results.accept(*acceptance)
		}
	}
	return undecided
}

// decideByEvidence finds out about the chart's signatures and lets the policies judge them. The
// error is what kept it from finding out; every policy has denied by it then.
func (x *examination) decideByEvidence(ctx context.Context, results *policyResults) error {
	found, err := x.examine(ctx)
	if err == nil {
		results.subject.Digest, results.subject.Tag = found.resolved.Digest, found.resolved.Tag
		if !x.as.any || !found.resolved.Other {
			err = cmp.Or(x.use.Refused, found.resolved.Taken(x.use.Taking))
		}
		if err == nil {
			err = checkPulled(x.use, found.resolved)
		}
	}
	if err != nil {
		for _, p := range x.policies.Policies() {
			results.fail(p, err)
		}
		return err
	}
	for _, result := range found.judgement.Results() {
		results.evaluate(result, found)
	}
	return nil
}
