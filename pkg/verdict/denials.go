package verdict

import (
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
)

// maxListed bounds how many identities, signers or rejected signatures a message names, so that an
// attacker cannot hide the important part with a hundred signatures.
const maxListed = 5

// List joins items for a message and says how many it left out.
func List(items []string) string {
	if len(items) <= maxListed {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:maxListed], ", "), len(items)-maxListed)
}

// NearPattern is a pattern of a policy that almost matches a chart.
type NearPattern struct {
	Pattern, Policy string
	Match           NearMatch
}

// NearMatch says how a pattern almost matches. The zero value means that it does not.
type NearMatch int

const (
	// Similar patterns differ in a letter or two, or lack the port.
	Similar NearMatch = iota + 1
	// ThatOnly is a pattern without a star; the chart is below it.
	ThatOnly
	// OneLevel is a pattern that ends in "*"; the chart is more than one level below.
	OneLevel
	// BelowOnly is a pattern that ends in "/**"; the chart is its base, which it does not match.
	BelowOnly
	// Excluded is a pattern by which a policy excludes the chart.
	Excluded
	// OtherQuery is a pattern for URLs without a query, if the chart's URL has one, or the reverse.
	OtherQuery
	// OtherScheme is a pattern for classic repositories, if the chart lies in a Git repository or a
	// bucket of that URL.
	OtherScheme
)

// NoPolicyFor denies a chart, or a repository of charts, that no policy matches.
func NoPolicyFor(subject Subject) Denial {
	return Denial{
		Reason:  NoPolicy,
		Summary: fmt.Sprintf("no policy matches %s", subject.Reference),
		Next:    nextFor(NoPolicy),
	}
}

// Near returns d with the patterns that almost match, best first.
func (d Denial) Near(near []NearPattern) Denial {
	for _, n := range near {
		d.Found = append(d.Found, n.String())
	}
	if len(near) == 0 {
		return d
	}
	switch first := near[0]; first.Match {
	case Similar:
		d.Next = "correct the location of the chart, or ask the platform team to correct the pattern"
	case ThatOnly, OneLevel:
		d.Next = fmt.Sprintf("ask the platform team to write %s/** in policy %s", strings.TrimSuffix(first.Pattern, "/*"), first.Policy)
	case OtherQuery:
		other := first.Pattern + "?*"
		if bare, query := strings.CutSuffix(first.Pattern, "?*"); query {
			other = bare
		}
		d.Next = fmt.Sprintf("ask the platform team to add the pattern %s to policy %s", other, first.Policy)
	case BelowOnly:
		d.Next = fmt.Sprintf("ask the platform team to add %s to policy %s", strings.TrimRight(strings.TrimSuffix(first.Pattern, "**"), "/"), first.Policy)
	}
	return d
}

// String says how the pattern almost matches.
func (n NearPattern) String() string {
	text := fmt.Sprintf("the pattern %s of policy %s ", n.Pattern, n.Policy)
	switch n.Match {
	case ThatOnly:
		return text + "matches that chart only, not the charts below it"
	case OneLevel:
		return text + `matches one level only: "*" stands for one segment, "**" for several`
	case BelowOnly:
		return text + "matches charts below that location only, not the location itself"
	case OtherQuery:
		if strings.HasSuffix(n.Pattern, "?*") {
			return text + "matches URLs with a query only"
		}
		return text + "matches URLs without a query only"
	case OtherScheme:
		return text + "matches classic repositories only, not Git repositories and buckets"
	case Excluded:
		return "policy " + n.Policy + " excludes it with the pattern " + n.Pattern
	default:
		return text + "is similar"
	}
}

// NotFromOCI denies a chart that cannot carry a signature. It names the pattern that a waiver needs.
func NotFromOCI(subject Subject, policies []string) Denial {
	return Denial{
		Reason:  NotOCI,
		Summary: fmt.Sprintf("%s does not come from an OCI registry, so it cannot carry a signature", subject.Reference),
		Policy:  policies,
		Next:    notOCINext(subject.Reference.Location),
	}
}

func notOCINext(l chart.Location) string {
	if !l.IsTree() {
		return nextFor(NotOCI)
	}
	return "push the chart to an OCI registry and sign it there, or ask the platform team for a ChartPolicy with allowUnverified that matches " + l.String()
}

// NotPinnedEnough denies a reference that floats more than a policy allows.
func NotPinnedEnough(subject Subject, policy string, need chart.Pinning) Denial {
	selector := subject.Reference.Selector
	why, next := selector.Looseness()
	if need == chart.ByDigest && !selector.Unseen() {
		next = "name the chart's digest (sha256:…): OCIRepository spec.ref.digest, or targetRevision of an Argo CD oci:// source"
		if subject.Kind == "Chart" { // a reference on the command line
			next = "name the chart by its digest: " + subject.Reference.Location.String() + "@sha256:<64 hex digits>"
		}
	}
	return Denial{
		Reason:  NotPinned,
		Summary: fmt.Sprintf("%s is not pinned: %s", subject.Reference, why),
		Policy:  []string{fmt.Sprintf("%s requires pinning %s", policy, need)},
		Next:    next,
	}
}

// WaiverEnded denies a chart whose waiver has ended.
func WaiverEnded(subject Subject, policy, until string) Denial {
	return Denial{
		Reason:  NoPolicy,
		Summary: fmt.Sprintf("policy %s allowed %s unverified until %s, and that day has passed", policy, subject.Reference, until),
		Next:    "use a signed chart, or ask the platform team to extend the waiver",
	}
}

// BrokenPolicy denies a chart that an invalid policy matches.
func BrokenPolicy(subject Subject, policy, problem string) Denial {
	return Denial{
		Reason:  PolicyInvalid,
		Summary: fmt.Sprintf("policy %s, which matches %s, is invalid: %s", policy, subject.Reference, problem),
		Policy:  []string{policy + " cannot be evaluated"},
		Next:    nextFor(PolicyInvalid),
	}
}

// UnreadPatterns denies a chart because of an invalid policy whose patterns cannot be read, so that
// it applies to every chart.
func UnreadPatterns(subject Subject, policy, problem string) Denial {
	d := BrokenPolicy(subject, policy, problem)
	d.Summary = fmt.Sprintf("policy %s is invalid, and applies to every chart because its patterns cannot be read: %s", policy, problem)
	return d
}

// UnreadExclusions denies a chart because of an invalid policy that may be meant to exclude it.
func UnreadExclusions(subject Subject, policy, problem string) Denial {
	d := BrokenPolicy(subject, policy, problem)
	d.Summary = fmt.Sprintf("policy %s is invalid, and excludes no chart because its exclusions cannot be read, so it applies to %s: %s", policy, subject.Reference, problem)
	return d
}

// BrokenConfigMap denies a chart because the identities ConfigMap is invalid. Its name is
// NAMESPACE/NAME, or that of a file.
func BrokenConfigMap(subject Subject, name, problem string) Denial {
	d := Denial{
		Reason:  PolicyInvalid,
		Summary: fmt.Sprintf("the identities ConfigMap %s is invalid, so every chart is denied: %s", name, problem),
		Policy:  []string{"the identities ConfigMap " + name + " cannot be evaluated"},
		Next:    "ask the platform team to fix its entries",
	}
	if namespace, object, ok := strings.Cut(name, "/"); ok && kubernetesName.MatchString(namespace) && kubernetesName.MatchString(object) {
		d.Next += fmt.Sprintf(" (the value identities of chartgate's Helm chart, if that wrote them): kubectl -n %s edit configmap %s", namespace, object)
	}
	return d
}

// DependenciesMissing denies a chart that declares sub-charts which it does not contain.
func DependenciesMissing(subject Subject, missing []string) Denial {
	return Denial{
		Reason:  DependencyMissing,
		Summary: fmt.Sprintf("%s declares dependencies that it does not contain: %s", subject.Chart(), List(missing)),
		Next:    "run helm dependency update before you package the chart, then push and sign it again: dependencies that are fetched later are not verified",
	}
}
