package gate

import (
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// tally collects what the policies say about one use. All of them must accept.
type tally struct {
	subject  verdict.Subject
	accepted []verdict.Acceptance
	denials  []verdict.Denial // by policies that enforce
	warnings []verdict.Denial // by policies in mode Warn
}

func (t *tally) accept(a ...verdict.Acceptance) { t.accepted = append(t.accepted, a...) }

func (t *tally) deny(by *policy.Policy, d verdict.Denial) {
	if by.WarnOnly() {
		t.warnings = append(t.warnings, d)
		return
	}
	t.denials = append(t.denials, d)
}

func (t *tally) denied() bool { return len(t.denials) > 0 }

func (t *tally) verdict() verdict.Verdict {
	if t.denied() {
		return verdict.Deny(t.subject, t.denials...)
	}
	return verdict.Warn(t.subject, t.warnings, t.accepted)
}
