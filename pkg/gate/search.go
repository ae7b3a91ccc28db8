package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// search looks at the signature material of a chart until every policy accepts it.
type search struct {
	x    *examination
	task task
	// resolve returns the chart. It runs beside the search, which needs the digest only.
	resolve func(context.Context, *coalesce.Callers) (artifact.Resolved, error)
	// outdated is what was cached of the chart and is no longer accepted, nil if nothing was.
	outdated *verifiedChart
}

// task is a search that several admissions may share: what one consumer may not read, another one
// may.
type task struct {
	key    cacheKey
	access sourceauth.Auth
	// dryRun is set for a dry run of a pinned reference. Its task resolves the reference, perhaps
	// to an answer of a moment ago, which no other write may get.
	dryRun bool
}

// run searches; concurrent equal searches share one.
func (s *search) run(ctx context.Context) (*examined, error) {
	s.x.gate.verified.misses.Add(1)
	found, err := s.x.gate.searches.DoFor(ctx, s.x.question.Asker.Namespace, s.task, s.find)
	return found, s.x.timely(err)
}

// find verifies one attachment after the other, and caches the chart if every policy accepts. What
// it finds counts only if the chart is resolved too; if not, the search ends at once.
func (s *search) find(ctx context.Context, callers *coalesce.Callers) (*examined, error) {
	// Another search may have ended since this one was found necessary.
	if known := s.x.gate.verified.get(s.task.key); known != s.outdated {
		if found := s.x.judgeCached(known); found != nil {
			return found, nil
		}
	}
	access := s.task.access
	access.Askers = callers
	policies, key := s.x.policies, s.task.key
	searching, stop := context.WithCancel(ctx)
	defer stop()
	resolving := inBackground(func() (artifact.Resolved, error) {
		failed := true
		defer func() {
			if failed {
				stop()
			}
		}()
		resolved, err := s.resolve(ctx, callers)
		failed = err != nil
		return resolved, err
	})
	found := &examined{by: s.x, judgement: policies.Judge(key.digest, s.x.now)}
	where := attachment.Search{Access: access, Repositories: policies.SignatureRepositories(), Predicates: policies.Wanted().Predicates}
	for material, err := range s.x.gate.registry.Signatures(searching, artifact.Resolved{Location: key.location, Digest: key.digest}, where) {
		if err == nil {
			err = s.verify(searching, material, found)
		}
		if err != nil {
			recordError(&found.findings, err)
			continue
		}
		if found.judgement.Accepted() {
			break
		}
	}
	var err error
	if found.resolved, err = resolving(); err != nil {
		return nil, err
	}
	results := found.judgement.Results()
	if slices.ContainsFunc(results, func(r policy.Result) bool { return r.Accepts() && r.Policy.Vendored() }) {
		found.dependencies = s.dependencies(ctx, found.resolved, access)
	}
	if found.judgement.Accepted() {
		s.remember(ctx, found)
	}
	return found, nil
}

// verify verifies one piece of material and lets the policies judge what it proves.
func (s *search) verify(ctx context.Context, material attachment.Attachment, found *examined) error {
	switch {
	case material.Unread:
		found.findings.Attested = true
		return nil
	case material.Format == attachment.Bundle:
		found.findings.Bundles++
	default:
		found.findings.Legacy++
	}
	proven, err := s.x.gate.verifier.Verify(ctx, s.task.key.digest, material, s.x.policies.Wanted())
	switch {
	case isProblem(err, problem.KindTimeout):
		return timeout(s.x.reference, err)
	case err != nil:
		return err
	}
	for _, e := range proven {
		if !s.x.policies.Concerns(e) {
			e.Content = nil
		}
		found.findings.Evidence = append(found.findings.Evidence, e)
		found.judgement.Add(e)
	}
	return nil
}

// remember caches a chart that every policy accepted, if the trust roots are still those of the
// key.
func (s *search) remember(ctx context.Context, found *examined) {
	if found.dependencies.err != nil || len(found.dependencies.missing) > 0 {
		return
	}
	key := s.task.key
	if !found.resolved.Other {
		key.as = artifactKind{}
	}
	if key.trustRoots == s.x.gate.verifier.State(ctx, s.x.policies.Wanted()) {
		s.x.gate.verified.add(key, &verifiedChart{
			resolved: found.resolved, evidence: found.findings.Evidence, vendored: found.dependencies.vendored,
		})
	}
}

// inBackground runs work in a goroutine of its own, and returns what waits for its result. A panic
// of the work is an error.
func inBackground[T any](work func() (T, error)) (wait func() (T, error)) {
	var value T
	err := errors.New("the work ended without a result")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		value, err = work()
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}

// recordError adds what went wrong with one piece of material. Material that proves nothing is
// listed beside what proves something, because anyone who can push may have attached it; only what
// kept the search from looking is a failure.
func recordError(f *verdict.Findings, err error) {
	var rejection *verdict.Rejection
	var perr *problem.Error
	switch {
	case errors.As(err, &rejection):
		f.Rejections = append(f.Rejections, rejection)
	case errors.As(err, &perr) && perr.Kind == problem.KindInvalid:
		f.Rejections = append(f.Rejections, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: perr.Detail, Err: err})
	case f.Failure == nil:
		f.Failure = err
	}
}

func isProblem(err error, kind problem.Kind) bool {
	var perr *problem.Error
	return errors.As(err, &perr) && perr.Kind == kind
}
