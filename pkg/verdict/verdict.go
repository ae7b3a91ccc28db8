package verdict

import (
	"slices"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Subject is what a verdict is about: one use of a chart in one field of an object.
type Subject struct {
	Kind, Namespace, Name string
	Field                 string // path in the object, as in "spec.chart.spec"
	Reference             chart.Reference
	Tag                   string       // chosen by a range, "" until resolved
	Digest                chart.Digest // zero until resolved
}

// Denial is why something was denied, or would be if its policy enforced.
type Denial struct {
	Reason Reason
	// By is the name of the policy that denies; "" if the denial is not a policy's.
	By      string
	Summary string   // completes the sentence "X denied (Reason): …"
	Policy  []string // what each policy requires
	Found   []string // what was found instead
	Next    string   // what the reader can do; a Verdict fills in an empty one by the reason
	// Lasting is set if chartgate could not find out, and will not until a person has changed
	// something.
	Lasting bool
	// Exclusion is set if other policies accept the chart.
	Exclusion *Exclusion
	Cause     error // for the log only, never rendered
}

// Acceptance says that one policy accepts the chart, with the justification: evidence, or the
// waiver in the policy.
type Acceptance struct {
	Policy   string
	Identity string // the TrustedIdentity that matched
	// Predicate is the type of the required attestation, "" if a signature is required.
	Predicate string
	Evidence  evidence.Evidence
	Waiver    string // reason of a waiver (allowUnverified) that is in force
	// WaiverEnds is the first moment at which the waiver is no longer in force.
	WaiverEnds time.Time
}

// proves reports whether the evidence satisfies the requirement, for the chart with this digest.
func (a Acceptance) proves(digest chart.Digest) bool {
	if a.Predicate != "" {
		return a.Evidence.Attests(digest, a.Predicate)
	}
	return a.Evidence.Signs(digest)
}

type decision int

const (
	denied decision = iota // the zero value denies
	verified
	waived
	warned
	covered
	outside
	deferred
	spared
)

// Verdict is the decision on one Subject. The zero value denies.
type Verdict struct {
	Subject     Subject
	decision    decision
	denials     []Denial
	acceptances []Acceptance
}

// Deny returns a denying verdict. The first denial is shown in the first line of the message;
// without a denial, it is an InternalError.
func Deny(subject Subject, denials ...Denial) Verdict {
	if len(denials) == 0 {
		denials = []Denial{FromError(nil)}
	}
	return Verdict{Subject: subject, denials: withNext(subject.Kind, denials)}
}

// Admit returns an admitting verdict if every acceptance justifies the admission of subject.Digest,
// and if there is at least one. Otherwise it denies: a caller without a justification has a bug.
func Admit(subject Subject, acceptances []Acceptance) Verdict {
	if len(acceptances) == 0 {
		return Deny(subject)
	}
	result := Verdict{Subject: subject, decision: waived, acceptances: acceptances}
	for _, a := range acceptances {
		switch {
		case a.Policy == "":
			return Deny(subject)
		case a.Waiver != "":
		case a.Identity != "" && a.proves(subject.Digest):
			result.decision = verified
		default:
			return Deny(subject)
		}
	}
	return result
}

// Warn returns a verdict that admits although policies in mode Warn are not satisfied. The caller
// must have checked that every enforcing policy accepts.
func Warn(subject Subject, unsatisfied []Denial, accepted []Acceptance) Verdict {
	if len(unsatisfied) == 0 {
		return Admit(subject, accepted)
	}
	if len(accepted) > 0 && Admit(subject, accepted).decision == denied {
		return Deny(subject)
	}
	for _, d := range unsatisfied {
		if len(d.Policy) == 0 {
			return Deny(subject, d)
		}
	}
	return Verdict{Subject: subject, decision: warned, denials: withNext(subject.Kind, unsatisfied), acceptances: accepted}
}

// Cover returns the verdict on a repository of charts if a policy can match charts below it: no
// chart is deployable from it yet.
func Cover(subject Subject, policy string) Verdict {
	if policy == "" {
		return Deny(subject)
	}
	return Verdict{Subject: subject, decision: covered, acceptances: []Acceptance{{Policy: policy}}}
}

// Outside returns the verdict on an artifact that is not a chart and that no object uses as one.
// Why says how that is known.
func Outside(subject Subject, why string) Verdict {
	if why == "" {
		return Deny(subject)
	}
	return Verdict{Subject: subject, decision: outside}
}

// Defer returns the verdict on a reference to a source that does not exist yet: nothing can be
// pulled from it, and what is pulled later is verified. Only a missing source defers; any other
// denial denies.
func Defer(subject Subject, missing Denial) Verdict {
	if missing.Reason != SourceNotFound {
		return Deny(subject, missing)
	}
	return Verdict{Subject: subject, decision: deferred, denials: withNext(subject.Kind, []Denial{missing})}
}

// AdmitAnyway returns the verdict of an installation in mode Warn: it admits what v denies, and keeps
// the denials, for warnings. It is the one admission without a justification, so only package
// webhook calls it, in one place (mode.go); hack/layers.sh checks that.
func AdmitAnyway(v Verdict) Verdict {
	if !v.Admits() {
		v.denials, v.decision = v.Denials(), spared
	}
	return v
}

// Admits reports whether the write is admitted.
func (v Verdict) Admits() bool { return v.decision != denied }

// Warned reports whether v admits only because of mode Warn, of a policy or of the installation.
func (v Verdict) Warned() bool { return v.decision == warned || v.decision == spared }

// Waived reports whether v admits without any signature, by allowUnverified.
func (v Verdict) Waived() bool { return v.decision == waived }

// Deferred reports whether v leaves the decision to a later gate.
func (v Verdict) Deferred() bool { return v.decision == deferred }

// String returns the decision in one word, for logs, metrics and JSON.
func (v Verdict) String() string {
	switch v.decision {
	case verified:
		return "Verified"
	case waived:
		return "AllowedUnverified"
	case warned, spared:
		return "Warned"
	case covered:
		return "Covered"
	case outside:
		return "Outside"
	case deferred:
		return "Deferred"
	default:
		return "Denied"
	}
}

// Reason returns why v denies or warns, and "" if it does neither.
func (v Verdict) Reason() Reason {
	if denials := v.Denials(); len(denials) > 0 {
		return denials[0].Reason
	}
	return ""
}

// Acceptances returns what justifies an admission.
func (v Verdict) Acceptances() []Acceptance { return v.acceptances }

// WithoutContent returns v without the predicates of its evidence, which may have 8 MiB: for those
// who keep many verdicts to show them.
func (v Verdict) WithoutContent() Verdict {
	v.acceptances = slices.Clone(v.acceptances)
	for i := range v.acceptances {
		v.acceptances[i].Evidence.Content = nil
	}
	return v
}

// Causes returns the errors behind the denials, for the log.
func (v Verdict) Causes() []error {
	var causes []error
	for _, d := range v.denials {
		if d.Cause != nil {
			causes = append(causes, d.Cause)
		}
	}
	return causes
}
