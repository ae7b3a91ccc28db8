// Package gate is the decision: for each use of a chart (a Question), whether the write that makes
// it deployable may go on. It reaches neither Kubernetes nor Sigstore nor the network by itself; it
// declares the small interfaces by which it asks them.
package gate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
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
	Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (artifact.Resolved, error)
	// Artifact is Resolve for a consumer that may deploy something else than charts.
	Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by artifact.LayerRule) (artifact.Resolved, error)
	// Signatures yields the attachments of a chart, most promising first, fetching as it goes. An
	// error is an item: others may follow.
	Signatures(ctx context.Context, resolved artifact.Resolved, search attachment.Search) iter.Seq2[attachment.Attachment, error]
	// Archive returns the chart's archive, whose digest is resolved.Layer.
	Archive(ctx context.Context, resolved artifact.Resolved, access sourceauth.Auth) ([]byte, error)
	// Tags lists the tags of a repository, all of them or none, by chartgate's own login.
	Tags(ctx context.Context, at chart.Location) ([]string, error)
}

// Verifier proves who signed.
type Verifier interface {
	// State identifies the trust roots that Verify works with for these; "" if one of them cannot
	// be used now. It may load them first.
	State(ctx context.Context, wanted evidence.Wanted) string
	// Verify returns what the attachment proves about the chart with the digest, by each trust root
	// that proves it. Its errors are *verdict.Rejection, or *problem.Error if time ran out; without
	// an error there is evidence.
	Verify(ctx context.Context, digest chart.Digest, material attachment.Attachment, wanted evidence.Wanted) ([]evidence.Evidence, error)
}

// Gate decides. Make one with New.
type Gate struct {
	policies    Policies
	registry    Registry
	verifier    Verifier
	now         func() time.Time
	verified    *verifiedCache
	recent      *recent // for dry runs only
	lookups     *coalesce.Group[lookup, artifact.Resolved]
	searches    *coalesce.Group[task, *examined]
	archives    *fair.Semaphore // bounds the archives that are unpacked at the same time
	extractions *extractions
}

// maxShared bounds work that admissions share: an API server waits for a webhook for 30 s at most,
// so no admission needs the work for longer.
const maxShared = 30 * time.Second

// New returns a gate. The clock decides about the end of waivers and the age of evidence.
func New(policies Policies, registry Registry, verifier Verifier, now func() time.Time) *Gate {
	return &Gate{
		policies: policies, registry: registry, verifier: verifier, now: now,
		verified: newVerifiedCache(now), recent: newRecent(now),
		lookups:     coalesce.New[lookup, artifact.Resolved](maxShared),
		searches:    coalesce.New[task, *examined](maxShared),
		archives:    fair.NewSemaphore(maxArchives),
		extractions: newExtractions(),
	}
}

// Background returns a gate for work for which no write waits. It decides as g does and shares what
// g has verified, but no work that is in progress: no admission waits for what it has begun, and its
// registry has limits of its own.
func (g *Gate) Background(registry Registry) *Gate {
	background := New(g.policies, registry, g.verifier, g.now)
	background.verified = g.verified
	return background
}

// maxUses bounds the charts of one object; real Applications have some ten sources.
const maxUses = 64

// maxParallel bounds the charts of one object that are examined at the same time, so that one
// admission cannot take all connections to a registry.
const maxParallel = 8

// DecideAll returns the verdicts on all charts of one write, in order. Every one must admit for the
// write to go on.
func (g *Gate) DecideAll(ctx context.Context, questions []Question) []verdict.Verdict {
	if len(questions) > maxUses {
		subject := Question{Object: questions[0].Object}.subject()
		return []verdict.Verdict{verdict.Deny(subject, verdict.FromError(&problem.Error{
			Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("it names %d charts; at most %d are verified at once", len(questions), maxUses),
		}))}
	}
	now := sync.OnceValue(g.now)                        // a write is decided about at one time
	verdicts := make([]verdict.Verdict, len(questions)) // all deny until decided
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i, question := range questions {
		group.Go(func() error {
			verdicts[i] = g.decide(ctx, question, now)
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	return verdicts
}

// Decide returns the verdict on one chart.
func (g *Gate) Decide(ctx context.Context, question Question) verdict.Verdict {
	return g.decide(ctx, question, g.now)
}

// decide never fails: anything that goes wrong, panics included, is a denial.
func (g *Gate) decide(ctx context.Context, question Question, now func() time.Time) (result verdict.Verdict) {
	var subject verdict.Subject
	defer func() {
		if r := recover(); r != nil {
			result = verdict.Deny(subject, verdict.FromError(fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
		}
	}()
	subject = question.subject()
	set := g.policies.Current()
	if set == nil {
		return verdict.Deny(subject, verdict.FromError(errors.New("the policies have not been loaded yet")))
	}
	switch target := question.Target.(type) {
	case Unresolved:
		return question.decideUnresolved(target)
	case Repository:
		if !target.Location.IsZero() {
			return decideRepository(set, subject)
		}
	case Chart:
		if !target.Reference.Location.IsZero() && !target.Reference.Selector.IsZero() {
			return g.decideChart(ctx, admission{question: question, set: set, now: now()}, target)
		}
	}
	return verdict.Deny(subject, verdict.FromError(errors.New("the use names no chart")))
}
