package gate_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestPolicies(t *testing.T) {
	acme, ops := requiring("acme", subject), requiring("ops", "ops@acme.example")
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		chart    string
		want     outcome
	}{
		{"a chart that its policy accepts is verified", []policy.Input{acme}, podinfo, admitted},
		{"a chart that no policy matches is denied", []policy.Input{acme}, "oci://ghcr.io/other/podinfo:1.0.0", denied(verdict.NoPolicy)},
		{"all matching policies must accept", []policy.Input{acme, ops}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"a floating tag is denied before anything is fetched", []policy.Input{acme}, "oci://ghcr.io/acme/podinfo:latest", denied(verdict.NotPinned)},
		{"a floating tag passes where the policy says so", []policy.Input{requiring("acme", subject, floating)}, "oci://ghcr.io/acme/podinfo:latest", admitted},
		{"the strictest pinning of several policies counts", []policy.Input{requiring("a", subject, floating), acme}, "oci://ghcr.io/acme/podinfo:latest", denied(verdict.NotPinned)},
		{"mode Warn admits what it would deny", []policy.Input{requiring("ops", "ops@acme.example", warnOnly)}, podinfo, outcome{"Warned", verdict.IdentityNotAllowed}},
		{"mode Warn does not soften another policy", []policy.Input{ops, requiring("acme", subject, warnOnly)}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"mode Warn beside a satisfied policy warns", []policy.Input{acme, requiring("ops", "ops@acme.example", warnOnly)}, podinfo, outcome{"Warned", verdict.IdentityNotAllowed}},
		{"a waiver admits until its last day", []policy.Input{requiring("acme", subject, unverified("2026-11-20"))}, podinfo, outcome{"AllowedUnverified", ""}},
		{"a waiver ends", []policy.Input{requiring("acme", subject, unverified("2026-11-19"))}, podinfo, denied(verdict.NoPolicy)},
		{"a waiver does not soften another policy", []policy.Input{requiring("old", subject, unverified("2026-11-20")), ops}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"a waiver beside a satisfied policy leaves the chart verified", []policy.Input{requiring("old", subject, unverified("2026-11-20")), acme}, podinfo, admitted},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, c.policies...) }
			expect(t, s.gate(), use(t, c.chart), c.want)
		})
	}
}

// A tenant must not be able to make the webhook contact a host that no policy names.
func TestNoNetworkBeforePolicy(t *testing.T) {
	for _, text := range []string{
		"oci://attacker.example/acme/podinfo:1.0.0", "oci://ghcr.io/acme/podinfo:latest",
	} {
		t.Run(text, func(t *testing.T) {
			s := fine(t)
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				t.Error("the registry was asked")
				return artifact.Resolved{}, errInjected
			}
			if v := s.gate().Decide(t.Context(), use(t, text)); v.Admits() {
				t.Error(v.Message())
			}
		})
	}
}

// What another policy denies is denied, even if a Secret is still missing.
func TestAnAbsentSecretDoesNotHideADenial(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set {
		return compile(t, requiring("acme", subject), requiring("strict", subject, func(p *v1alpha1.ChartPolicy) { p.Spec.Pinning = v1alpha1.PinningDigest }))
	}
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindSourceNotFound, Detail: "Secret apps/login does not exist"}
	}
	u := use(t, podinfo)
	u.Deferrable = true
	expect(t, s.gate(), u, denied(verdict.NotPinned))
}
