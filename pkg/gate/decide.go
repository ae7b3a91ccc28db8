package gate

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// admission is a question with what it is decided by.
type admission struct {
	question Question
	set      *policy.Set // the policies in force
	now      time.Time   // the one time by which everything is judged
}

func (q Question) decideUnresolved(target Unresolved) verdict.Verdict {
	if q.defers(target.Err) {
		return verdict.Defer(q.subject(), verdict.FromError(target.Err))
	}
	return verdict.Deny(q.subject(), verdict.FromError(target.Err))
}

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
func (g *Gate) decideChart(ctx context.Context, by admission, asked Chart) verdict.Verdict {
	x := g.newExamination(by, asked)
	if x.policies.IsEmpty() {
		return x.withoutPolicy()
	}
	results := &policyResults{subject: x.question.subject()}
	undecided := x.decideByReference(ctx, results)
	if len(undecided) > 0 && !results.denied() {
		if err := x.only(undecided).decideByEvidence(ctx, results); x.question.defers(err) {
			return verdict.Defer(results.subject, verdict.FromError(err))
		}
	}
	if err := x.checkOnlyWarned(ctx, results); err != nil {
		return verdict.Deny(results.subject, verdict.FromError(err))
	}
	return results.verdict()
}

// checkOnlyWarned returns why a use that only policies in mode Warn are about is denied all the
// same.
func (x *examination) checkOnlyWarned(ctx context.Context, results *policyResults) error {
	if results.denied() || len(results.accepted) > 0 || results.proven {
		return nil
	}
	return x.checkOrigin(ctx)
}

// withoutPolicy decides where no policy matches. Manifests in Flux's OCIRepositories are outside
// then; Argo CD's are not, because only their content tells them from a chart.
func (x *examination) withoutPolicy() verdict.Verdict {
	subject := x.question.subject()
	if !x.chart.MaybeChart || x.chart.UsedElsewhere {
		return verdict.Deny(subject, noPolicy(x.set, subject))
	}
	if err := x.chart.checkWriter(); err != nil {
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
func (x *examination) decideByReference(ctx context.Context, results *policyResults) (undecided []*policy.Policy) {
	for _, p := range x.policies.Policies() {
		acceptance, denial := p.Admissible(results.subject, x.now)
		switch {
		case denial != nil:
			results.deny(p, *denial)
		case acceptance == nil:
			undecided = append(undecided, p)
		default:
			if err := x.checkUnverified(ctx); err != nil {
				results.fail(p, err)
				continue
			}
			results.accept(p, *acceptance)
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
			err = found.resolved.CheckLayer(x.chart.LayerRule)
		}
		// What no policy accepts is denied for that, so its layer need not be extracted.
		if !x.extracts(found.resolved) || slices.ContainsFunc(found.judgement.Results(), policy.Result.Accepts) {
			compared := x.checkArtifact(ctx, found.resolved)
			results.proven = compared == nil
			err = cmp.Or(err, compared)
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
