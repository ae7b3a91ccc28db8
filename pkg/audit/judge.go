package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// outcome is what a verdict means for someone who watches a chart over time.
type outcome string

const (
	passes outcome = "passes"
	fails  outcome = "fails"
	// undecided: chartgate could not find out. What was known before stays known.
	undecided outcome = "undecided"
)

// outcomeOf reads a verdict. One that it does not know fails.
func outcomeOf(row inventory.Row) outcome {
	switch row.Verdict {
	case "Verified", "AllowedUnverified", "Covered", "Outside":
		return passes
	case "Deferred":
		return undecided
	case "Denied", "Warned":
		if row.Reason.Obstacle() && !row.Lasting {
			return undecided
		}
		return fails
	default:
		return fails
	}
}

// key identifies a row among those of its object. A field that names another chart is another row.
type key struct{ field, reference string }

func keyOf(row inventory.Row) key { return key{row.Field, row.Reference} }

// past is what is remembered of a row from one run to the next.
type past struct {
	decided        outcome // the last one that was not undecided; "" if there was none
	acceptedBy     string  // the policies and identities that accepted it last, in words
	acceptedDigest string  // what they accepted
	findings       []inventory.Finding
}

// news is what an Event tells.
type news struct {
	reason  string
	warning bool
	note    string
}

// judged is a row, what became of it since the last run, and what is remembered of it from now on.
type judged struct {
	row     inventory.Row
	outcome outcome
	now     past
	news    []news
}

// judge compares a row with what is remembered of it; nil if it is seen for the first time.
func judge(row inventory.Row, before *past) judged {
	known := before != nil
	if !known {
		before = &past{}
	}
	j := judged{row: row, outcome: outcomeOf(row)}
	j.now = past{decided: j.outcome, acceptedBy: before.acceptedBy, acceptedDigest: before.acceptedDigest, findings: row.Findings}
	switch j.outcome {
	case passes:
		j.now.acceptedBy, j.now.acceptedDigest = acceptedBy(row), row.Digest
	case fails:
		if finding, found := noLongerTrusted(row, *before); found {
			j.now.findings = append(slices.Clone(row.Findings), finding)
		}
	default:
		j.now.decided = before.decided
		j.now.findings = carryOver(row.Findings, before.findings)
	}
	j.news = newsOf(row, known, *before, j.now)
	return j
}

// noLongerTrusted compares the very content that was accepted: that a tag means other content now is
// not a loss of trust.
func noLongerTrusted(row inventory.Row, before past) (inventory.Finding, bool) {
	if before.acceptedBy == "" || row.Digest != "" && before.acceptedDigest != "" && row.Digest != before.acceptedDigest {
		return inventory.Finding{}, false
	}
	detail := fmt.Sprintf("it was accepted before (%s); now: %s", before.acceptedBy, headline(row))
	return inventory.Finding{Kind: inventory.NoLongerTrusted, Detail: detail}, true
}

// acceptedBy says who accepted a row.
func acceptedBy(row inventory.Row) string {
	var identities []string
	for _, signer := range row.Signers {
		identities = append(identities, signer.Identities...)
	}
	slices.Sort(identities)
	identities = slices.Compact(identities)
	parts := counted("policy", "policies", row.Policies)
	if row.Verdict == "AllowedUnverified" {
		return counted("waiver of policy", "waivers of policies", row.Policies)
	}
	if len(identities) > 0 {
		parts += ", " + counted("identity", "identities", identities)
	}
	return parts
}

func counted(one, many string, names []string) string {
	switch len(names) {
	case 0:
		return "no " + one
	case 1:
		return one + " " + names[0]
	default:
		return many + " " + strings.Join(names, ", ")
	}
}

// carryOver keeps the findings from before while chartgate cannot look again.
func carryOver(now, before []inventory.Finding) []inventory.Finding {
	all := slices.Clone(now)
	for _, finding := range before {
		if !has(now, finding.Kind) {
			all = append(all, finding)
		}
	}
	return all
}

func has(findings []inventory.Finding, kind inventory.FindingKind) bool {
	return slices.ContainsFunc(findings, func(f inventory.Finding) bool { return f.Kind == kind })
}

// newsOf are the findings that were not there before, and a verdict that turned. A row that is seen
// for the first time has no verdict that could have turned.
func newsOf(row inventory.Row, known bool, before, now past) []news {
	var all []news
	for _, finding := range now.findings {
		if !has(before.findings, finding.Kind) {
			all = append(all, news{string(finding.Kind), true, finding.Detail})
		}
	}
	switch {
	case !known || before.decided == "" || now.decided == before.decided:
	case now.decided == passes:
		all = append(all, news{row.Verdict, false, "it passes again: " + headline(row)})
	case !has(now.findings, inventory.NoLongerTrusted):
		all = append(all, news{string(row.Reason), true, row.Message})
	}
	return all
}

// headline is the first line of a message, which is complete by itself.
func headline(row inventory.Row) string {
	line, _, _ := strings.Cut(row.Message, "\n")
	return line
}
