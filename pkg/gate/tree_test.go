package gate_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// A chart in Git or a bucket is admitted by a waiver for its name, or in mode Warn, and in no other
// way. No registry is asked about it.
func TestChartsThatAreNotInARegistry(t *testing.T) {
	const web, inBucket = "git://github.com/acme/apps//charts/web?ref=main", "bucket://minio.acme.example/charts//web"
	about := func(patterns ...string) func(*v1alpha1.ChartPolicy) {
		return func(p *v1alpha1.ChartPolicy) { p.Spec.Match.Charts = patterns }
	}
	waived := requiring("old", subject, about("git://github.com/acme/**", "bucket://**"), unverified("2099-12-31"))
	moved := &problem.Error{Kind: problem.KindDigestMismatch, Detail: "the source has another URL by now"}
	pulled, forged := &gate.Artifact{Archive: digest(t, "c"), Incomparable: true, ByController: true}, &gate.Artifact{Archive: digest(t, "c"), Incomparable: true}
	for _, c := range []struct {
		sentence, chart string
		policies        []policy.Input
		held            *gate.Artifact
		refused         error
		want            outcome
	}{
		{"no policy matches", web, []policy.Input{requiring("acme", subject)}, nil, nil, denied(verdict.NotOCI)},
		{"a waiver names it", web, []policy.Input{waived}, nil, nil, outcome{"AllowedUnverified", ""}},
		{"a waiver names the bucket", inBucket, []policy.Input{waived}, nil, nil, outcome{"AllowedUnverified", ""}},
		{"a waiver names another repository", "git://github.com/other/apps//charts/web", []policy.Input{waived}, nil, nil, denied(verdict.NotOCI)},
		{"a waiver has ended", web, []policy.Input{requiring("old", subject, about("git://**"), unverified("2026-11-19"))}, nil, nil, denied(verdict.NoPolicy)},
		{"a policy requires a signature, which it cannot have", web, []policy.Input{requiring("acme", subject, about("git://**"))}, nil, nil, denied(verdict.NotOCI)},
		{"such a policy denies beside a waiver", web, []policy.Input{waived, requiring("acme", subject, about("git://**"))}, nil, nil, denied(verdict.NotOCI)},
		{"such a policy warns in mode Warn", web, []policy.Input{requiring("acme", subject, about("git://**"), warnOnly)}, nil, nil, outcome{"Warned", verdict.NotOCI}},
		{"what the source controller has built is believed", web, []policy.Input{waived}, pulled, nil, outcome{"AllowedUnverified", ""}},
		{"what an editor has written is not", web, []policy.Input{waived}, forged, nil, denied(verdict.DigestMismatch)},
		{"what the source controller has built from another URL is not", web, []policy.Input{waived}, pulled, moved, denied(verdict.DigestMismatch)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, c.policies...) }
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				t.Error("a registry was asked")
				return artifact.Resolved{}, nil
			}
			expect(t, s.gate(), use(t, c.chart, holding(c.held), func(found *gate.Chart) { found.FromElsewhere = c.refused }), c.want)
		})
	}
}
