package gate_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// A question without a target, or with an empty one, is denied, even where the absence of an object
// defers.
func TestAQuestionWithoutATargetIsDenied(t *testing.T) {
	for _, target := range []gate.Target{nil, gate.Chart{}, gate.Repository{}, gate.Unresolved{}} {
		t.Run(fmt.Sprintf("%T", target), func(t *testing.T) {
			q := gate.Question{Target: target, Deferrable: true, Unstored: true}
			expect(t, fine(t).gate(), q, denied(verdict.InternalError))
		})
	}
}

func TestOnlyAnAbsentSourceDefers(t *testing.T) {
	for kind := problem.KindInternal; kind <= problem.KindNotStored; kind++ {
		u := use(t, podinfo)
		u.Target, u.Deferrable = gate.Unresolved{Err: &problem.Error{Kind: kind, Detail: "problem"}}, true
		v := fine(t).gate().Decide(t.Context(), u)
		if v.Admits() != (kind == problem.KindSourceNotFound) {
			t.Errorf("kind %d: %s", kind, v.Message())
		}
	}
}

// A Secret that does not exist yet shows only when the registry refuses: Flux cannot
// pull without it either.
func TestOnlyAnAbsentSecretDefers(t *testing.T) {
	for kind := problem.KindInternal; kind <= problem.KindNotStored; kind++ {
		for _, deferrable := range []bool{true, false} {
			s := fine(t)
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{}, &problem.Error{Kind: kind, Detail: "problem"}
			}
			u := use(t, podinfo)
			u.Deferrable = deferrable
			v := s.gate().Decide(t.Context(), u)
			want := deferrable && kind == problem.KindSourceNotFound
			if v.Admits() != want || v.Deferred() != want {
				t.Errorf("kind %d, deferrable %v: %s", kind, deferrable, v.Message())
			}
		}
	}
}
