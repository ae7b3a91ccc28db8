package verdict

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Exclusion is the way out of a denial by one policy where others accept the chart: the denying
// policy may be meant for other charts.
type Exclusion struct {
	// Policy is the name of the policy that denies.
	Policy string
	// Pattern is what to exclude there.
	Pattern string
	// Another is set if the policy excludes something already.
	Another bool
	// Entries are those of the identities ConfigMap that deny; then Policy is not the name of an
	// object.
	Entries []string
	// Otherwise is the next step for those who leave the policy as it is.
	Otherwise string
}

// byPolicy reports whether a denial for the reason is a policy's own opinion: what keeps all policies from
// being evaluated is not cured by leaving one of them out.
func (r Reason) byPolicy() bool {
	return slices.Contains([]Reason{
		NoPolicy, NotPinned, NotOCI, SignatureMissing, SignatureInvalid, IdentityNotAllowed,
		AttestationMissing, AttestationRejected, DependencyMissing,
	}, r)
}

// Against returns d with the policies that accept the chart, and the way out. Policies add up, so a
// reader who knows one of them only does not understand a denial by another one.
func (d Denial) Against(accepted []Acceptance, out Exclusion) Denial {
	var accepting []string
	for _, a := range accepted {
		text := policyNamed(a.Policy) + " accepts it"
		if a.Waiver != "" {
			text = policyNamed(a.Policy) + " allows it unverified (" + a.Waiver + ")"
		}
		if !slices.Contains(accepting, text) {
			accepting = append(accepting, text)
		}
	}
	if len(accepting) == 0 || !d.Reason.byPolicy() {
		return d
	}
	d.Summary = fmt.Sprintf("%s; %s denies it, although %s", d.Summary, policyNamed(out.Policy), strings.Join(accepting, " and "))
	d.Exclusion = &out
	return d
}

// policyNamed names a policy. The entries of the identities ConfigMap form one too, whose name says
// what it is.
func policyNamed(name string) string {
	if strings.Contains(name, " ") {
		return name
	}
	return "policy " + name
}

// next is the step of a reader in a cluster.
func (e Exclusion) next() string {
	if len(e.Entries) > 0 {
		return fmt.Sprintf("if that is not meant, ask the platform team to narrow charts of %s in %s; otherwise %s", List(e.Entries), e.Policy, e.Otherwise)
	}
	return fmt.Sprintf("if that is not meant, ask the platform team to exclude the chart there: %s; otherwise %s", e.command(), e.Otherwise)
}

// local is the step of a reader on whose machine the policies are.
func (e Exclusion) local() string {
	if len(e.Entries) > 0 {
		return fmt.Sprintf("if that is not meant, narrow charts of %s in %s; otherwise %s", List(e.Entries), e.Policy, e.Otherwise)
	}
	return fmt.Sprintf("if that is not meant, add %q to spec.match.exclude of policy %s; otherwise %s", e.Pattern, e.Policy, e.Otherwise)
}

// command patches the policy.
func (e Exclusion) command() string {
	path, value := "/spec/match/exclude", any([]string{e.Pattern})
	if e.Another {
		path, value = "/spec/match/exclude/-", e.Pattern
	}
	// Encoding strings cannot fail.
	patch, _ := json.Marshal([]map[string]any{{"op": "add", "path": path, "value": value}})
	return problem.Command("kubectl", "patch", "chartpolicy", e.Policy, "--type=json", "-p", string(patch))
}
