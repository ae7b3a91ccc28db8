package gate_test

import (
	"context"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// dry is a use of a dry run.
func dry(u gate.Question) gate.Question {
	u.Asker.DryRun = true
	return u
}

// A tenant may run dry as often as they like: that is one question to the registry, for a few
// seconds, and no answer to it is ever taken for a real write.
func TestDryRunsAskOnce(t *testing.T) {
	s := fine(t)
	now := today
	s.now = func() time.Time { return now }
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		return inner(ctx, ref)
	}
	g := s.gate()
	for _, step := range []struct {
		sentence string
		after    time.Duration
		times    int
		dryRun   bool
		asks     int
	}{
		{"a hundred dry runs ask once", 0, 100, true, 1},
		{"a real write asks again", 0, 1, false, 1},
		{"every real write asks", 0, 3, false, 3},
		{"what a real write asked serves dry runs", 9 * time.Second, 50, true, 0},
		{"they do not make the answer younger", time.Second, 50, true, 1},
		{"a real write after that asks", 0, 1, false, 1},
		{"a clock that was set back makes no answer young", -time.Minute, 1, true, 1},
	} {
		now = now.Add(step.after)
		before := asked
		for range step.times {
			u := use(t, podinfo)
			if step.dryRun {
				u = dry(u)
			}
			if v := g.Decide(t.Context(), u); !v.Admits() {
				t.Errorf("%s: %s", step.sentence, v.Message())
			}
		}
		if asked-before != step.asks {
			t.Errorf("%s: it asked %d times, not %d", step.sentence, asked-before, step.asks)
		}
	}
}

// An answer is as old as the question: what a tag meant may have changed while the registry took
// its time.
func TestASlowAnswerIsOldForDryRuns(t *testing.T) {
	s := fine(t)
	now := today
	s.now = func() time.Time { return now }
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		now = now.Add(8 * time.Second)
		return inner(ctx, ref)
	}
	g := s.gate()
	for range 2 {
		g.Decide(t.Context(), dry(use(t, podinfo)))
		now = now.Add(3 * time.Second)
	}
	if asked != 2 {
		t.Errorf("it asked %d times", asked)
	}
}

// A tag that has moved since a dry run: the real write gets what it means now.
func TestAttackADryRunPreparesAnOldAnswer(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, floating)) }
	inner := s.resolve
	moved := false
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		found, err := inner(ctx, ref)
		if moved {
			found.Digest = digest(t, "c")
		}
		return found, err
	}
	g := s.gate()
	expect(t, g, dry(use(t, podinfo)), admitted)
	moved = true
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Subject.Digest != digest(t, "c") {
		t.Errorf("the real write was judged by %s", v.Subject.Digest)
	}
}

// Equal questions with another login are other questions, for dry runs as well.
func TestDryRunsOfOtherAccessAsk(t *testing.T) {
	s := fine(t)
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		return inner(ctx, ref)
	}
	g := s.gate()
	for _, secret := range []string{"one", "two", "one"} {
		u := dry(use(t, podinfo, reachedBy(sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: secret})))
		expect(t, g, u, admitted)
	}
	if asked != 2 {
		t.Errorf("it asked %d times", asked)
	}
}

// Denials are not cached: what is pushed and signed right after a dry run is found by the next one.
func TestADeniedDryRunIsNotCached(t *testing.T) {
	s := fine(t)
	missing := true
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		if missing {
			return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotFound, Detail: "it is not there"}
		}
		return inner(ctx, ref)
	}
	g := s.gate()
	if v := g.Decide(t.Context(), dry(use(t, podinfo))); v.Admits() {
		t.Fatal("admitted")
	}
	missing = false
	expect(t, g, dry(use(t, podinfo)), admitted)
}
