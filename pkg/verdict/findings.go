package verdict

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
)

// Unmet is a requirement of a policy that no evidence satisfies.
type Unmet struct {
	// Predicate is the type of the required attestation, "" if a signature is required.
	Predicate string
	// Near describes evidence by the right identity that is not accepted, and why.
	Near []string
	// Unlogged is set if all evidence in Near lacks the log entry that its identity requires.
	Unlogged bool
	// By are the identities that can satisfy the requirement. A message names the first one.
	By []Signatory
	// Repository must hold the attachment; the zero Location is the chart's
	// own.
	Repository chart.Location
}

// Findings describes everything that was read beside a chart.
type Findings struct {
	Bundles, Legacy int // attachments that were read
	// Attested is set if legacy attestations exist that no policy requires.
	Attested   bool
	Evidence   []evidence.Evidence
	Rejections []*Rejection
	// Unmet are the requirements that are not satisfied.
	Unmet []Unmet
	// Partly is set if the policy requires several signatures and some of them exist.
	Partly bool
	// Mirror is the repository from which signatures were read instead of the chart's own; zero if
	// there is no mirror.
	Mirror chart.Location
	// Failure is why some attachments could not be read. It outranks every other finding: the part
	// that was not read could contain the good signature.
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

// lasting reports whether all that keeps attachments from being verified is lasting.
func (f Findings) lasting(reason Reason) bool {
	return !slices.ContainsFunc(f.Rejections, func(r *Rejection) bool { return r.Reason == reason && !r.Lasting })
}

// worst returns the reason that the reader should fix first: without a trust root, the other
// findings say little.
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

// attested names the signers of attestations and, if an attestation is required, their types.
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

// Unsigned denies a chart whose attachments do not satisfy a policy. The findings decide the
// reason.
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
			d.Next, d.Lasting = nextFor(d.Reason), f.lasting(d.Reason)
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

// imageOf names a chart as registry tools do.
func imageOf(l chart.Location, digest chart.Digest) string {
	return l.Host() + "/" + l.Path() + "@" + digest.String()
}

// copyTo is the next step that copies a chart's attachments to its mirror. chartgate has not read
// the origin, so it does not know whether the chart is signed there, or in which format. The
// command copies referrers: cosign does not copy them (cosign 3.1 itself refers to oras), and with
// -f it overwrites the content of the mirror. docs/registries.md has the command for tags.
func copyTo(subject Subject, image string, mirror chart.Location) string {
	to := mirror.Host() + "/" + mirror.Path()
	if tag, ok := subject.Reference.Selector.Tag(); ok && !subject.Reference.Selector.IsRange() {
		to += ":" + tag
	}
	return fmt.Sprintf("if it is signed at %s, ask the mirror's operator to copy the chart again with its referrers (for tags .sig and .att: docs/registries.md#mirrors): oras copy -r %s %s",
		subject.Reference.Location.Host(), image, to)
}

// unattested sets reason, summary and next step for a missing attestation.
func (f Findings) unattested(d *Denial, unmet Unmet, chart, image string) {
	d.Next = cmp.Or(unmet.ask(image), fmt.Sprintf("cosign attest --type %s --predicate FILE %s", problem.Quote(unmet.Predicate), image))
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
		d.Lasting = f.lasting(d.Reason)
		d.Summary = fmt.Sprintf("%s has no attestation %s that could be verified", chart, unmet.Predicate)
		d.Next = nextFor(d.Reason)
	default:
		d.Reason = AttestationMissing
		d.Summary = fmt.Sprintf("%s has no attestation %s by an identity that the policy allows", chart, unmet.Predicate)
	}
}
