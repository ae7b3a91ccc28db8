package gate_test

import (
	"context"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// about makes a policy one of other charts.
func about(patterns ...string) func(*v1alpha1.ChartPolicy) {
	return func(p *v1alpha1.ChartPolicy) { p.Spec.Match.Charts = patterns }
}

func excluding(patterns ...string) func(*v1alpha1.ChartPolicy) {
	return func(p *v1alpha1.ChartPolicy) { p.Spec.Match.Exclude = patterns }
}

// A denial by one policy of a chart that another one accepts names both, and the way out.
func TestADenialNamesThePoliciesThatAccept(t *testing.T) {
	const chart = "oci://ghcr.io/acme/podinfo:1.0.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	const stranger = chart + " is signed, but not by an identity that the policy allows"
	const otherwise = "; otherwise ops@acme.example must sign it: cosign sign --yes ghcr.io/acme/podinfo@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	out := func(patch string) string {
		return "if that is not meant, ask the platform team to exclude the chart there: kubectl patch chartpolicy everything --type=json -p '" + patch + "'"
	}
	vendor, everything := requiring("vendor", subject), requiring("everything", "ops@acme.example", about("oci://**"))
	const patch = `[{"op":"add","path":"/spec/match/exclude","value":["oci://ghcr.io/acme/**"]}]`
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		chart    string
		want     verdict.Denial
	}{
		{
			"a vendor's chart that a policy for everything denies", []policy.Input{vendor, everything}, podinfo,
			verdict.Denial{Reason: verdict.IdentityNotAllowed, Summary: stranger + "; policy everything denies it, although policy vendor accepts it", Next: out(patch) + otherwise},
		},
		{
			"the same in mode Warn", []policy.Input{vendor, requiring("everything", "ops@acme.example", about("oci://**"), warnOnly)}, podinfo,
			verdict.Denial{Reason: verdict.IdentityNotAllowed, Summary: stranger + "; policy everything denies it, although policy vendor accepts it", Next: out(patch) + otherwise},
		},
		{
			"a chart with a waiver", []policy.Input{requiring("legacy", subject, unverified("2026-11-20")), everything}, podinfo,
			verdict.Denial{Reason: verdict.IdentityNotAllowed, Summary: stranger + "; policy everything denies it, although policy legacy allows it unverified (migration; until 2026-11-20)", Next: out(patch) + otherwise},
		},
		{
			"a policy that excludes something already", []policy.Input{vendor, requiring("everything", "ops@acme.example", about("oci://**"), excluding("oci://quay.io/**"))}, podinfo,
			verdict.Denial{
				Reason: verdict.IdentityNotAllowed, Summary: stranger + "; policy everything denies it, although policy vendor accepts it",
				Next: out(`[{"op":"add","path":"/spec/match/exclude/-","value":"oci://ghcr.io/acme/**"}]`) + otherwise,
			},
		},
		{
			"a policy for the same charts keeps the others", []policy.Input{vendor, requiring("everything", "ops@acme.example")}, podinfo,
			verdict.Denial{
				Reason: verdict.IdentityNotAllowed, Summary: stranger + "; policy everything denies it, although policy vendor accepts it",
				Next: out(`[{"op":"add","path":"/spec/match/exclude","value":["oci://ghcr.io/acme/podinfo"]}]`) + otherwise,
			},
		},
		{
			"a floating tag with a waiver", []policy.Input{requiring("legacy", subject, unverified("2026-11-20")), everything}, "oci://ghcr.io/acme/podinfo:latest",
			verdict.Denial{
				Reason:  verdict.NotPinned,
				Summary: `oci://ghcr.io/acme/podinfo:latest is not pinned: the tag "latest" can be moved; policy everything denies it, although policy legacy allows it unverified (migration; until 2026-11-20)`,
				Next:    out(patch) + "; otherwise ",
			},
		},
		{
			"a chart that no policy accepts", []policy.Input{everything}, podinfo,
			verdict.Denial{Reason: verdict.IdentityNotAllowed, Summary: stranger, Next: otherwise[len("; otherwise "):]},
		},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, c.policies...) }
			v := s.gate().Decide(t.Context(), use(t, c.chart))
			if len(v.Denials()) != 1 {
				t.Fatal(v.Message())
			}
			if by := v.Denials()[0].By; by != "everything" {
				t.Errorf("denied by %q", by)
			}
			got := verdict.Denial{Reason: v.Reason(), Summary: v.Denials()[0].Summary, Next: v.Denials()[0].Next}
			if c.want.Reason == verdict.NotPinned {
				got.Next = got.Next[:min(len(got.Next), len(c.want.Next))] // what is wrong with a tag is tested elsewhere
				got.Summary, c.want.Summary = "", ""
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What keeps every policy from being evaluated is not cured by leaving one of them out.
func TestAnOutageIsNoContradiction(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set {
		return compile(t, requiring("legacy", subject, unverified("2026-11-20")), requiring("everything", "ops@acme.example"))
	}
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		return failing(errInjected)
	}
	v := s.gate().Decide(t.Context(), use(t, podinfo))
	if v.Admits() || v.Denials()[0].Exclusion != nil {
		t.Error(v.Message())
	}
}
