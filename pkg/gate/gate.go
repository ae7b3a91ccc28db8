// Package gate is the decision: for each use of a chart, whether the write that
// makes it deployable may go on. It reaches neither Kubernetes nor Sigstore nor the
// network by itself; it declares the small interfaces by which it asks them.
package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Policies holds the policies that are in force.
type Policies interface {
	// Current returns them, or nil as long as they have not been loaded.
	Current() *policy.Set
}

// Registry is asked about charts. Its errors are *problem.Error.
type Registry interface {
	// Resolve finds the digest of a reference.
	Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (chart.Resolved, error)
	// Artifact is Resolve for a consumer that may deploy something else than charts.
	Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by chart.Taking) (chart.Resolved, error)
	// Signatures yields the signature material of a chart, most promising first,
	// fetching as it goes. An error is an item: others may follow.
	Signatures(ctx context.Context, resolved chart.Resolved, search attachment.Search) iter.Seq2[attachment.Attachment, error]
	// Archive returns the chart's archive, whose digest is resolved.Layer.
	Archive(ctx context.Context, resolved chart.Resolved, access sourceauth.Auth) ([]byte, error)
}

// Verifier proves who signed.
type Verifier interface {
	// State identifies the trust roots that Verify works with for these; "" if one of
	// them cannot be used now. It may load them first.
	State(ctx context.Context, wanted evidence.Wanted) string
	// Verify returns what the material proves about the chart with the digest, by each
	// trust root that proves it. Its errors are *verdict.Rejection, or *problem.Error if
	// time ran out; without an error there is evidence.
	Verify(ctx context.Context, digest chart.Digest, material attachment.Attachment, wanted evidence.Wanted) ([]evidence.Evidence, error)
}

// Gate decides. Make one with New.
type Gate struct {
	policies Policies
	registry Registry
	verifier Verifier
	now      func() time.Time
	verified *verifiedCache
	recent   *recent // for dry runs only
	flights  flights
	archives *fair.Semaphore // bounds the archives that are unpacked at the same time
}

// New returns a gate. The clock decides about the end of waivers and the age of
// cached evidence.
func New(policies Policies, registry Registry, verifier Verifier, now func() time.Time) *Gate {
	return &Gate{policies: policies, registry: registry, verifier: verifier, now: now, verified: newVerifiedCache(now), recent: newRecent(now), archives: fair.NewSemaphore(maxArchives)}
}

// maxUses bounds the charts of one object; real Applications have some ten sources.
const maxUses = 64

// maxParallel bounds the uses of one object that are decided at the same time, so
// that one admission cannot take all connections to a registry.
const maxParallel = 8

// DecideAll returns the verdicts on all uses of one write, in order. Every one must
// admit for the write to go on.
func (g *Gate) DecideAll(ctx context.Context, uses []source.Use) []verdict.Verdict {
	if len(uses) > maxUses {
		subject := verdict.Subject{Kind: uses[0].Object.Kind, Namespace: uses[0].Object.Namespace, Name: uses[0].Object.Name}
		return []verdict.Verdict{verdict.Deny(subject, verdict.FromError(&problem.Error{
			Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("it names %d charts; at most %d are verified at once", len(uses), maxUses),
		}))}
	}
	verdicts := make([]verdict.Verdict, len(uses)) // all deny until decided
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i, use := range uses {
		group.Go(func() error {
			verdicts[i] = g.Decide(ctx, use)
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	return verdicts
}

// Decide returns the verdict on one use. It never fails: whatever goes wrong,
// panics included, is a denial.
func (g *Gate) Decide(ctx context.Context, use source.Use) (result verdict.Verdict) {
	subject := verdict.Subject{
		Kind: use.Object.Kind, Namespace: use.Object.Namespace, Name: use.Object.Name,
		Field: use.Field, Reference: referenceOf(use.Target),
	}
	defer func() {
		if r := recover(); r != nil {
			result = verdict.Deny(subject, verdict.FromError(panicError(r)))
		}
	}()
	set := g.policies.Current()
	if set == nil {
		return verdict.Deny(subject, verdict.FromError(errors.New("the policies have not been loaded yet")))
	}
	switch target := use.Target.(type) {
	case source.Unresolved:
		if use.Defers(target.Err) {
			return verdict.Defer(subject, verdict.FromError(target.Err))
		}
		return verdict.Deny(subject, verdict.FromError(target.Err))
	case source.Repository:
		if !target.Location.IsZero() {
			return decideRepository(set, subject)
		}
	case source.Chart:
		if location := target.Reference.Location; !location.IsZero() && !target.Reference.Selector.IsZero() {
			target.Access = mayLogIn(target.Access, location.Host(), set.For(location))
			return g.decideChart(ctx, set, chartUse{use, target}, subject)
		}
	}
	return verdict.Deny(subject, verdict.FromError(errors.New("the use names no chart")))
}

// chartUse is a use of a chart.
type chartUse struct {
	source.Use
	source.Chart
}

// referenceOf returns what a message shows of the target.
func referenceOf(target source.Target) chart.Reference {
	switch target := target.(type) {
	case source.Chart:
		return target.Reference
	case source.Repository:
		return chart.Reference{Location: target.Location}
	case source.Unresolved:
		return target.Reference
	default:
		return chart.Reference{}
	}
}

// mayLogIn adds to a consumer's access whether its policies name the host of the chart.
func mayLogIn(access sourceauth.Auth, host string, policies []*policy.Policy) sourceauth.Auth {
	access.NamedHost = ""
	if access.Consumer != 0 && policy.NamesHost(policies, host) {
		access.NamedHost = host
	}
	return access
}

// decideRepository judges a repository of charts by its place alone: policies name
// charts, and one of them must be able to match below it.
func decideRepository(set *policy.Set, subject verdict.Subject) verdict.Verdict {
	location := subject.Reference.Location
	if name := set.Covering(location); name != "" {
		return verdict.Cover(subject, name)
	}
	return verdict.Deny(subject, noPolicy(set, subject))
}

// decideChart asks the policies in three steps, and stops at the first that
// denies: what is known before any packet is sent, what the registry has, and who
// signed it.
func (g *Gate) decideChart(ctx context.Context, set *policy.Set, use chartUse, subject verdict.Subject) verdict.Verdict {
	policies := set.For(use.Reference.Location)
	switch {
	case len(policies) > 0:
	case use.MaybeChart:
		// Flux's manifests. Argo CD's are not outside: only their content tells them from a chart.
		if err := checkUnverified(use); err != nil {
			return verdict.Deny(subject, verdict.FromError(err))
		}
		return verdict.Outside(subject, "nothing uses it as a chart, and no policy is about it")
	default:
		return verdict.Deny(subject, noPolicy(set, subject))
	}
	tally := tally{subject: subject}
	var undecided []*policy.Policy
	for _, p := range policies {
		acceptance, denial := p.Admissible(subject, g.now())
		if acceptance != nil {
			if err := checkUnverified(use); err != nil {
				acceptance, denial = nil, wanting(p, err)
			}
		}
		switch {
		case denial != nil:
			tally.deny(p, *denial)
		case acceptance != nil:
			tally.accept(*acceptance)
		default:
			undecided = append(undecided, p)
		}
	}
	if len(undecided) == 0 || tally.denied() {
		return tally.verdict()
	}
	if err := g.verify(ctx, use, undecided, &tally); use.Defers(err) {
		return verdict.Defer(tally.subject, verdict.FromError(err))
	}
	return tally.verdict()
}

// contentOf returns the reference to the content that becomes deployable: the
// digest that was pulled where that is known, and what the use names otherwise.
func contentOf(use chartUse) chart.Reference {
	reference := use.Reference
	if use.Artifact != nil && !use.Artifact.Manifest.IsZero() {
		reference.Selector = reference.Selector.At(use.Artifact.Manifest)
	}
	return reference
}

// verify finds out about the chart's signatures and lets the policies judge them. The
// error is what kept it from finding out; every policy has denied by it then.
func (g *Gate) verify(ctx context.Context, use chartUse, policies []*policy.Policy, tally *tally) error {
	found, err := g.examine(ctx, use, policies)
	if err == nil {
		tally.subject.Digest, tally.subject.Tag = found.resolved.Digest, found.resolved.Tag
		if !use.AnyArtifact() || !found.resolved.Other {
			err = cmp.Or(use.Refused, found.resolved.Taken(use.Taking))
		}
		if err == nil {
			err = checkPulled(use, found.resolved)
		}
	}
	for _, p := range policies {
		if err != nil {
			tally.deny(p, *wanting(p, err))
			continue
		}
		accepted, denial := g.judge(p, found, tally.subject)
		if denial != nil {
			tally.deny(p, *denial)
			continue
		}
		tally.accept(accepted...)
	}
	return err
}

// judge lets one policy judge what was found.
func (g *Gate) judge(p *policy.Policy, found examined, subject verdict.Subject) ([]verdict.Acceptance, *verdict.Denial) {
	accepted, unmet := p.Accept(found.resolved.Digest, found.findings.Evidence, g.now())
	if len(unmet) > 0 || len(accepted) == 0 {
		findings := found.findings
		findings.Partly, findings.Unmet = len(accepted) > 0, unmet
		if places := policy.Places([]*policy.Policy{p}); slices.Contains(places, chart.Location{}) || slices.Contains(places, found.resolved.Location) {
			findings.Mirror = found.resolved.Mirror
		}
		denial := verdict.Unsigned(subject, p.Wants(), findings)
		return nil, &denial
	}
	if p.Vendored() && !found.dependencies.vendored {
		denial := found.dependencies.denial(subject)
		denial.Policy = []string{p.Wants()}
		return nil, &denial
	}
	return accepted, nil
}

// wanting is the denial by a policy that an error kept from being satisfied.
func wanting(p *policy.Policy, err error) *verdict.Denial {
	denial := verdict.FromError(err)
	denial.Policy = []string{p.Wants()}
	return &denial
}

// noPolicy is the denial where no policy of the set matches.
func noPolicy(set *policy.Set, subject verdict.Subject) verdict.Denial {
	near := set.Nearest(subject.Reference.Location)
	if !subject.Reference.Location.IsOCI() {
		return verdict.NotFromOCI(subject, nil).Near(near)
	}
	return verdict.NoPolicyFor(subject).Near(near)
}

func isProblem(err error, kind problem.Kind) bool {
	var perr *problem.Error
	return errors.As(err, &perr) && perr.Kind == kind
}

func panicError(r any) error { return fmt.Errorf("panic: %v\n%s", r, debug.Stack()) }
