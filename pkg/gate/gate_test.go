package gate_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestTooManyChartsInOneObject(t *testing.T) {
	uses := make([]gate.Question, 65)
	for i := range uses {
		uses[i] = use(t, podinfo)
	}
	verdicts := fine(t).gate().DecideAll(t.Context(), uses)
	if len(verdicts) != 1 || verdicts[0].Reason() != verdict.LimitExceeded {
		t.Errorf("got %d verdicts", len(verdicts))
	}
	if got := fine(t).gate().DecideAll(t.Context(), uses[:64]); len(got) != 64 || !got[63].Admits() {
		t.Errorf("64 charts: got %d verdicts", len(got))
	}
}

func TestASecretInAnErrorStaysInTheLog(t *testing.T) {
	s := fine(t)
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, errCanary{}
	}
	v := s.gate().Decide(t.Context(), use(t, podinfo))
	if strings.Contains(v.Message(), "canary") || len(v.Causes()) == 0 {
		t.Errorf("message %q, causes %v", v.Message(), v.Causes())
	}
}

type errCanary struct{}

func (errCanary) Error() string { return "canary-token" }

// What the background has begun and cannot end, an admission begins for itself. What it has
// verified, an admission need not verify again.
func TestBackgroundHoldsNoAdmission(t *testing.T) {
	s := fine(t)
	g := s.gate()
	slow := fine(t)
	asked := make(chan struct{}, 1)
	slow.signatures = func(ctx context.Context, _ artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		asked <- struct{}{}
		<-ctx.Done()
		return materials()
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Background(slow).Decide(ctx, use(t, podinfo))
	}()
	<-asked
	expect(t, g, use(t, podinfo), admitted)
	stop()
	<-ended

	other := fine(t)
	g = gateOver(&other)
	expect(t, g.Background(other), use(t, podinfo), admitted)
	other.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		t.Error("the signatures are read again")
		return materials()
	}
	expect(t, g, use(t, podinfo), admitted)
}
