package gate

import (
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// policyResults collects what the policies say about one use. All of them must accept.
type policyResults struct {
	subject   verdict.Subject
	accepted  []verdict.Acceptance
	accepting []*policy.Policy
	denials   []policyDenial // by policies that enforce
	warnings  []policyDenial // by policies in mode Warn
	// proven is set where the artifact that a source holds is what the registry has.
	proven bool
}

type policyDenial struct {
	verdict.Denial
	by *policy.Policy
}

func (r *policyResults) accept(by *policy.Policy, a ...verdict.Acceptance) {
	r.accepted, r.accepting = append(r.accepted, a...), append(r.accepting, by)
}

func (r *policyResults) deny(by *policy.Policy, d verdict.Denial) {
	d.By = by.Name()
	if by.WarnOnly() {
		r.warnings = append(r.warnings, policyDenial{d, by})
		return
	}
	r.denials = append(r.denials, policyDenial{d, by})
}

// fail denies by a policy that an error kept from being evaluated.
func (r *policyResults) fail(p *policy.Policy, err error) {
	denial := verdict.FromError(err)
	denial.Policy = []string{p.Wants()}
	r.deny(p, denial)
}

// evaluate adds what one policy says about what was found out.
func (r *policyResults) evaluate(result policy.Result, found *examined) {
	p := result.Policy
	switch {
	case !result.Accepts():
		findings := found.findings
		findings.Partly, findings.Unmet = len(result.Accepted) > 0, result.Unmet
		if in := p.SignatureRepository(); in == (chart.Location{}) || in == found.resolved.Location {
			findings.Mirror = found.resolved.Mirror
		}
		r.deny(p, verdict.Unsigned(r.subject, p.Wants(), findings))
	case p.Vendored() && !found.dependencies.vendored:
		denial := found.dependencies.denial(r.subject)
		denial.Policy = []string{p.Wants()}
		r.deny(p, denial)
	default:
		r.accept(p, result.Accepted...)
	}
}

func (r *policyResults) denied() bool { return len(r.denials) > 0 }

func (r *policyResults) verdict() verdict.Verdict {
	if r.denied() {
		return verdict.Deny(r.subject, r.explained(r.denials)...)
	}
	return verdict.Warn(r.subject, r.explained(r.warnings), r.accepted)
}

// explained returns denials that name the policies which accept the chart.
func (r *policyResults) explained(denials []policyDenial) []verdict.Denial {
	all := make([]verdict.Denial, 0, len(denials))
	for _, d := range denials {
		all = append(all, d.Against(r.accepted, d.by.Exclusion(r.subject.Reference.Location, r.accepting)))
	}
	return all
}
