package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Judgement is what policies say about the evidence of one chart at one time. Evidence is added
// piece by piece, and each piece is judged once; the results are those of judging all of it at the
// end. It accepts nothing before evidence has been added. It is for one goroutine.
type Judgement struct {
	about    target
	policies []policyJudgement
}

// target is what evidence must be about, and when it must hold.
type target struct {
	digest chart.Digest
	now    time.Time
}

type policyJudgement struct {
	policy       *Policy
	requirements []requirementJudgement
}

// Judge begins the judgement of evidence about the chart with the digest.
func (m Matched) Judge(digest chart.Digest, now time.Time) *Judgement {
	j := &Judgement{about: target{digest: digest, now: now}}
	for _, p := range m.policies {
		judged := policyJudgement{policy: p}
		for _, r := range p.signatureRequirements() {
			judged.requirements = append(judged.requirements, requirementJudgement{requirement: r})
		}
		j.policies = append(j.policies, judged)
	}
	return j
}

// signatureRequirements returns what evidence can satisfy: nothing where the policy cannot be
// evaluated or asks for no evidence.
func (p *Policy) signatureRequirements() []requirement {
	if p.broken != "" || p.waiver != nil {
		return nil
	}
	return p.require
}

// Add judges more evidence.
func (j *Judgement) Add(found ...evidence.Evidence) {
	for _, e := range found {
		piece := &piece{Evidence: e}
		for p := range j.policies {
			for r := range j.policies[p].requirements {
				j.policies[p].requirements[r].add(j.about, piece)
			}
		}
	}
}

// Accepted reports whether every policy accepts the chart, and there is one at least.
func (j *Judgement) Accepted() bool {
	return len(j.policies) > 0 && !slices.ContainsFunc(j.policies, func(p policyJudgement) bool { return !p.accepts() })
}

// Results returns what each policy says, in their order.
func (j *Judgement) Results() []Result {
	var results []Result
	for _, p := range j.policies {
		results = append(results, p.result(j.about))
	}
	return results
}

// Result is what one policy says about a chart's evidence. The zero value does not accept.
type Result struct {
	Policy *Policy
	// Accepted is an acceptance for each requirement that evidence satisfies.
	Accepted []verdict.Acceptance
	// Unmet is what is known of each requirement that no evidence satisfies.
	Unmet []verdict.Unmet
}

// Accepts reports whether the policy accepts: only if evidence satisfies all of its requirements,
// and it has one at least.
func (r Result) Accepts() bool { return len(r.Accepted) > 0 && len(r.Unmet) == 0 }

func (p policyJudgement) accepts() bool {
	return len(p.requirements) > 0 && !slices.ContainsFunc(p.requirements, func(r requirementJudgement) bool { return r.proof == nil })
}

func (p policyJudgement) result(about target) Result {
	result := Result{Policy: p.policy}
	if len(p.requirements) == 0 {
		result.Unmet = []verdict.Unmet{{}}
	}
	for _, r := range p.requirements {
		if r.proof == nil {
			unmet := r.unmet(about.now)
			unmet.Repository = p.policy.signatures
			result.Unmet = append(result.Unmet, unmet)
			continue
		}
		result.Accepted = append(result.Accepted, verdict.Acceptance{
			Policy: p.policy.name, Identity: r.by.name, Predicate: r.requirement.predicateType(), Evidence: *r.proof,
		})
	}
	return result
}

// requirementJudgement is how far the evidence satisfies one requirement.
type requirementJudgement struct {
	requirement requirement
	proof       *evidence.Evidence // the first evidence that satisfies it, or nil
	by          identity           // the identity of the proof
	near        []string           // why evidence by the right identity does not satisfy it
	logged      bool               // some of that has a log entry
}

// add judges one more piece of evidence. A requirement that is satisfied stays so.
func (j *requirementJudgement) add(about target, e *piece) {
	if j.proof != nil || !j.requirement.isAbout(about.digest, e.Evidence) {
		return
	}
	for _, id := range j.requirement.anyOf {
		if !id.made(e.Evidence) {
			continue
		}
		why := id.outside(e.Evidence)
		if why == "" && j.requirement.attestation != nil {
			why = j.requirement.attestation.rejects(about, e)
		}
		switch {
		case why == "":
			proof := e.Evidence // without what it was decoded to
			j.proof, j.by = &proof, id
			return
		case !slices.Contains(j.near, why):
			j.near = append(j.near, why)
			j.logged = j.logged || !id.lacksLog(e.Evidence)
		}
	}
}

func (j *requirementJudgement) unmet(now time.Time) verdict.Unmet {
	return verdict.Unmet{
		Predicate: j.requirement.predicateType(), By: j.requirement.signatories(now),
		Near: j.near, Unlogged: !j.logged && len(j.near) > 0,
	}
}

// piece is one piece of evidence while it is judged. All policies read its predicate, which may
// have 8 MiB, so it is decoded once.
type piece struct {
	evidence.Evidence
	decoded   bool
	predicate any
	err       error
}

// content returns the predicate of an attestation, decoded.
func (p *piece) content() (any, error) {
	if p.decoded {
		return p.predicate, p.err
	}
	p.decoded = true
	switch {
	case len(p.Content) == 0:
		p.err = errors.New("it has no content")
	case json.Unmarshal(p.Content, &p.predicate) != nil:
		p.predicate, p.err = nil, errors.New("it is not JSON")
	}
	return p.predicate, p.err
}
