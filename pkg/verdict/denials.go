package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// maxListed bounds how many identities, signers or bad neighbours a message
// names, so that an attacker's hundred signatures do not bury the answer.
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
	// ThatOnly is a pattern without a star, of which the chart lies below.
	ThatOnly
	// OneLevel is a pattern that ends in "*", of which the chart lies deeper.
	OneLevel
	// BelowOnly is a pattern that ends in "/**", right above which the chart lies.
	BelowOnly
	// Excluded is a pattern by which a policy excludes the chart.
	Excluded
	// OtherQuery is a pattern for URLs without a query, where the chart's has one, or the
	// reverse.
	OtherQuery
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
		d.Next = fmt.Sprintf("ask the platform team to add %s to policy %s", strings.TrimSuffix(first.Pattern, "/**"), first.Policy)
	}
	return d
}

// String tells how the pattern almost matches.
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
	case Excluded:
		return "policy " + n.Policy + " excludes it with the pattern " + n.Pattern
	default:
		return text + "is similar"
	}
}

// NotFromOCI denies a chart that cannot carry a signature.
func NotFromOCI(subject Subject, policies []string) Denial {
	return Denial{
		Reason:  NotOCI,
		Summary: fmt.Sprintf("%s does not come from an OCI registry, so it cannot carry a signature", subject.Reference),
		Policy:  policies,
		Next:    nextFor(NotOCI),
	}
}

// NotPinnedEnough denies a reference that floats more than a policy allows.
func NotPinnedEnough(subject Subject, policy string, need chart.Pinning) Denial {
	selector := subject.Reference.Selector
	why, next := selector.Looseness()
	if need == chart.ByDigest && !selector.Unseen() {
		next = "name the chart's digest (sha256:…): OCIRepository spec.ref.digest, or targetRevision of an Argo CD oci:// source"
	}
	return Denial{
		Reason:  NotPinned,
		Summary: fmt.Sprintf("%s is not pinned: %s", subject.Reference, why),
		Policy:  []string{fmt.Sprintf("%s requires pinning %s", policy, need)},
		Next:    next,
	}
}

// WaiverEnded denies a chart whose migration window is over.
func WaiverEnded(subject Subject, policy, until string) Denial {
	return Denial{
		Reason:  NoPolicy,
		Summary: fmt.Sprintf("policy %s allowed %s unverified until %s, and that day has passed", policy, subject.Reference, until),
		Next:    "use a signed chart, or ask the platform team to extend the waiver",
	}
}

// BrokenPolicy denies a chart that a policy matches which does not compile.
func BrokenPolicy(subject Subject, policy, problem string) Denial {
	return Denial{
		Reason:  PolicyInvalid,
		Summary: fmt.Sprintf("policy %s, which matches %s, is invalid: %s", policy, subject.Reference, problem),
		Policy:  []string{policy + " cannot be evaluated"},
		Next:    nextFor(PolicyInvalid),
	}
}

// UnreadPatterns denies a chart by a policy that matches every chart, because its patterns cannot
// be read.
func UnreadPatterns(subject Subject, policy, problem string) Denial {
	d := BrokenPolicy(subject, policy, problem)
	d.Summary = fmt.Sprintf("policy %s is invalid, and applies to every chart because its patterns cannot be read: %s", policy, problem)
	return d
}

// Unsigned denies a chart whose material does not satisfy a policy. The findings tell
// which of the reasons it is.
func Unsigned(subject Subject, wants string, f Findings) Denial {
	d := Denial{Policy: []string{wants}, Found: f.lines()}
	image := imageOf(subject.Reference.Location, subject.Digest)
	ask := ""
	if len(f.Unmet) > 0 {
		ask = f.Unmet[0].ask(image)
	}
	switch {
	case f.Failure != nil:
		d = FromError(f.Failure)
		d.Policy, d.Found = []string{wants}, f.lines()
		return d
	case len(f.Unmet) > 0 && f.Unmet[0].Predicate != "":
		f.unattested(&d, f.Unmet[0], subject.Chart(), image)
	case len(f.Unmet) > 0 && f.Unmet[0].Unlogged:
		d.Reason = IdentityNotAllowed
		d.Summary = fmt.Sprintf("%s is signed, but without the transparency log entry that the policy requires: %s", subject.Chart(), List(f.Unmet[0].Near))
		d.Next = cmp.Or(ask, nextFor(IdentityNotAllowed))
	case len(f.Unmet) > 0 && len(f.Unmet[0].Near) > 0:
		d.Reason = IdentityNotAllowed
		d.Summary = fmt.Sprintf("%s is signed, but not at a time that the policy accepts: %s", subject.Chart(), List(f.Unmet[0].Near))
		d.Next = cmp.Or(ask, "have the chart signed by an identity that is valid now: cosign sign "+image)
	case f.Partly && len(f.signers(evidence.ChartSignature)) > 0:
		d.Reason = IdentityNotAllowed
		d.Summary = fmt.Sprintf("%s has only some of the signatures that the policy requires", subject.Chart())
		d.Next = cmp.Or(ask, "have the chart signed by the others too: cosign sign "+image)
	case len(f.signers(evidence.ChartSignature)) > 0:
		d.Reason = IdentityNotAllowed
		d.Summary = fmt.Sprintf("%s is signed, but not by an identity that the policy allows", subject.Chart())
		d.Next = cmp.Or(ask, nextFor(IdentityNotAllowed))
	case len(f.Rejections) > 0:
		d.Reason = f.worst()
		d.Summary = fmt.Sprintf("%s has no signature that could be verified", subject.Chart())
		d.Next = cmp.Or(ask, "sign the chart again with an allowed identity: cosign sign "+image)
		if d.Reason != SignatureInvalid {
			d.Next = nextFor(d.Reason)
		}
	default:
		d.Reason = SignatureMissing
		d.Summary = fmt.Sprintf("%s has no signature", subject.Chart())
		d.Next = cmp.Or(ask, "cosign sign "+image)
	}
	if !f.Mirror.IsZero() && (d.Reason == SignatureMissing || d.Reason == AttestationMissing) {
		d.Summary += ", read from the mirror " + imageOf(f.Mirror, subject.Digest)
		d.Next = copyTo(subject, image, f.Mirror)
	}
	return d
}

// imageOf names a chart as the tools of registries do.
func imageOf(l chart.Location, digest chart.Digest) string {
	return l.Host() + "/" + l.Path() + "@" + digest.String()
}

// copyTo is the step that brings what lies beside a chart to its mirror. chartgate has not looked
// at the origin, so it does not know whether the chart is signed there, or in which format. The
// command is for what refers to the chart: cosign leaves that out (cosign 3.1 names oras for it
// itself), and with -f overwrites what is at the mirror. docs/registries.md has the one for tags.
func copyTo(subject Subject, image string, mirror chart.Location) string {
	to := mirror.Host() + "/" + mirror.Path()
	if tag, ok := subject.Reference.Selector.Tag(); ok && !subject.Reference.Selector.IsRange() {
		to += ":" + tag
	}
	return fmt.Sprintf("if it is signed at %s, ask the mirror's operator to copy the chart again with its referrers (for tags .sig and .att: docs/registries.md#mirrors): oras copy -r %s %s",
		subject.Reference.Location.Host(), image, to)
}

// unattested tells what became of the attestations of a type that a policy wants.
func (f Findings) unattested(d *Denial, unmet Unmet, chart, image string) {
	d.Next = cmp.Or(unmet.ask(image), fmt.Sprintf("cosign attest --type %s --predicate FILE %s", shellQuote(unmet.Predicate), image))
	switch {
	case unmet.Unlogged:
		d.Reason = AttestationRejected
		d.Summary = fmt.Sprintf("%s has no attestation %s with the transparency log entry that the policy requires: %s", chart, unmet.Predicate, List(unmet.Near))
	case len(unmet.Near) > 0:
		d.Reason = AttestationRejected
		d.Summary = fmt.Sprintf("%s has no attestation %s that satisfies the policy: %s", chart, unmet.Predicate, List(unmet.Near))
		d.Next = nextFor(AttestationRejected)
	case len(f.Rejections) > 0 && f.worst() != SignatureInvalid:
		d.Reason = f.worst()
		d.Summary = fmt.Sprintf("%s has no attestation %s that could be verified", chart, unmet.Predicate)
		d.Next = nextFor(d.Reason)
	default:
		d.Reason = AttestationMissing
		d.Summary = fmt.Sprintf("%s has no attestation %s by an identity that the policy allows", chart, unmet.Predicate)
	}
}

// DependenciesMissing denies a chart that declares sub-charts which it does not contain.
func DependenciesMissing(subject Subject, missing []string) Denial {
	return Denial{
		Reason:  DependencyMissing,
		Summary: fmt.Sprintf("%s declares dependencies that it does not contain: %s", subject.Chart(), List(missing)),
		Next:    "run helm dependency update before you package the chart, then push and sign it again: dependencies that are fetched later are not verified",
	}
}

// Unmet is a requirement of a policy that nothing satisfies.
type Unmet struct {
	// Predicate is the type of the attestation that is wanted, "" if it is a signature.
	Predicate string
	// Near is what was made by the right identity and still does not do, and why.
	Near []string
	// Unlogged is set where all in Near lacks the log entry that its identity asks for.
	Unlogged bool
	// By are those who may make what is wanted, first the one to ask.
	By []Signatory
	// Place is the repository in which it must be; the zero Location is the chart's own.
	Place chart.Location
}

// Findings is all that was seen beside a chart.
type Findings struct {
	Bundles, Legacy int // pieces of material looked at
	// Attested is set where legacy attestations exist that no policy asks for.
	Attested   bool
	Evidence   []evidence.Evidence
	Rejections []*Rejection
	// Unmet are the requirements that are not satisfied.
	Unmet []Unmet
	// Partly is set where the policy wants several signatures and has some of them.
	Partly bool
	// Mirror is where signatures were looked for in place of the chart's repository; zero if there.
	Mirror chart.Location
	// Failure is why not everything could be looked at. It outranks every other
	// finding: what was not seen may have been the good signature.
	Failure error
}

func (f Findings) signers(statement evidence.Statement) []string {
	var names []string
	for _, e := range f.Evidence {
		if name := e.Signer.Describe(); e.Statement == statement && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// worst returns the reason that the reader should mend first: with no trust root
// nothing else that was found means much.
func (f Findings) worst() Reason {
	for _, reason := range []Reason{TrustRootUnavailable, LimitExceeded, InternalError} {
		if slices.ContainsFunc(f.Rejections, func(r *Rejection) bool { return r.Reason == reason }) {
			return reason
		}
	}
	return SignatureInvalid
}

func (f Findings) lines() []string {
	lines := []string{fmt.Sprintf("%s, %s", plural(f.Bundles, "bundle"), plural(f.Legacy, "legacy signature"))}
	if signers := f.signers(evidence.ChartSignature); len(signers) > 0 {
		lines = append(lines, "signed by "+List(signers))
	}
	if attested := f.signers(evidence.Attestation); len(attested) > 0 {
		lines = append(lines, f.attested(attested))
	} else if f.Attested {
		lines = append(lines, "attested, not signed: legacy attestations exist (cosign attest), and an attestation is not a signature")
	}
	var rejected []string
	for _, r := range f.Rejections {
		if !slices.Contains(rejected, r.Detail) {
			rejected = append(rejected, r.Detail)
		}
	}
	if len(rejected) > 0 {
		lines = append(lines, "not usable: "+List(rejected))
	}
	return lines
}

// attested names who attested and, where an attestation is what is wanted, what.
func (f Findings) attested(signers []string) string {
	if len(f.Unmet) == 0 || f.Unmet[0].Predicate == "" {
		return "attested, not signed, by " + List(signers)
	}
	var all []string
	for _, e := range f.Evidence {
		if one := e.Predicate + " by " + e.Signer.Describe(); e.Statement == evidence.Attestation && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return "attested: " + List(all)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
