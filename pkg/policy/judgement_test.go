package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Evidence comes piece by piece: no policy accepts before all that it asks for has come, and the
// first evidence that satisfies a requirement is the one that the acceptance names.
func TestEvidenceIsJudgedPieceByPiece(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Input{
		Identities: people("release", "audit"),
		Policies:   []v1alpha1.ChartPolicy{requiring("both", "release", "audit"), attested(sbom, cel("has(predicate.packages)"))},
	})
	first, second := signature(t, signerNamed("release")), signature(t, signerNamed("release"))
	first.SignedAt, second.SignedAt = noon, noon.Add(time.Minute)
	judgement := set.For(locationOf(t, podinfo)).Judge(digestOf(t, "a"), noon)
	for _, step := range []struct {
		sentence string
		add      []evidence.Evidence
		met      []int // requirements of each policy
		accepted bool
	}{
		{"nothing", nil, []int{0, 0}, false},
		{"a signature by a stranger", []evidence.Evidence{signature(t, signerNamed("mallory"))}, []int{0, 0}, false},
		{"one of two signatures", []evidence.Evidence{first}, []int{1, 0}, false},
		{"the same signature again", []evidence.Evidence{second}, []int{1, 0}, false},
		{"an SBOM that does not do", []evidence.Evidence{attestation(t, "release", sbom, "{}")}, []int{1, 0}, false},
		{"the other signature", []evidence.Evidence{signature(t, signerNamed("audit"))}, []int{2, 0}, false},
		{"an SBOM", []evidence.Evidence{attestation(t, "release", sbom, spdx)}, []int{2, 1}, true},
		{"more that does not do", []evidence.Evidence{attestation(t, "release", sbom, "{}"), second}, []int{2, 1}, true},
	} {
		judgement.Add(step.add...)
		var met []int
		for _, result := range judgement.Results() {
			met = append(met, len(result.Accepted))
		}
		if diff := cmp.Diff(step.met, met); diff != "" || judgement.Accepted() != step.accepted {
			t.Errorf("%s: accepted: %v, requirements that are met (-want +got):\n%s", step.sentence, judgement.Accepted(), diff)
		}
	}
	if got := judgement.Results()[0].Accepted[0].Evidence; !got.SignedAt.Equal(noon) {
		t.Errorf("the acceptance names the signature of %s", got.SignedAt)
	}
}

// What asks for no evidence is not satisfied by any: not by nothing either.
func TestNothingIsAcceptedWithoutARequirement(t *testing.T) {
	t.Parallel()
	broken, _ := policy.Compile(policy.Input{Policies: []v1alpha1.ChartPolicy{requiring("acme", "nobody")}})
	for sentence, matched := range map[string]policy.Matched{
		"no policy":         {},
		"the zero policy":   policy.MatchedOf(&policy.Policy{}),
		"a waiver":          compile(t, policy.Input{Policies: []v1alpha1.ChartPolicy{waiving("legacy", "x", "2027-01-31")}}).For(locationOf(t, podinfo)),
		"an invalid policy": broken.For(locationOf(t, podinfo)),
	} {
		judgement := matched.Judge(digestOf(t, "a"), noon)
		judgement.Add(signature(t, signerNamed("release")), signature(t, signerNamed("nobody")), evidence.Evidence{})
		if judgement.Accepted() {
			t.Errorf("%s accepts", sentence)
		}
		for _, result := range judgement.Results() {
			if result.Accepts() || len(result.Unmet) == 0 {
				t.Errorf("%s: %+v", sentence, result)
			}
		}
	}
	if new(policy.Judgement).Accepted() || (policy.Result{}).Accepts() {
		t.Error("a zero value accepts")
	}
}

// A denial says that the log entry is what lacks only where nothing else does.
func TestUnloggedMeansNothingButUnlogged(t *testing.T) {
	t.Parallel()
	release := person("release")
	release.Spec.Validity = &v1alpha1.Validity{NotAfter: at(noon)}
	late, unlogged := signature(t, signerNamed("release")), signature(t, signerNamed("release"))
	late.SignedAt, unlogged.SignedAt, unlogged.Logged = noon.Add(time.Hour), noon, false
	const (
		tooLate  = "release signed it at 2026-07-01T13:00:00Z, after validity.notAfter 2026-07-01T12:00:00Z"
		notInLog = "release signed it without the transparency log entry that transparencyLog: Required demands"
	)
	for _, c := range []struct {
		sentence string
		found    []evidence.Evidence
		want     verdict.Unmet
	}{
		{"nothing", nil, verdict.Unmet{}},
		{"not in the log", []evidence.Evidence{unlogged, unlogged}, verdict.Unmet{Near: []string{notInLog}, Unlogged: true}},
		{"too late", []evidence.Evidence{late}, verdict.Unmet{Near: []string{tooLate}}},
		{"too late, and another one not in the log", []evidence.Evidence{late, unlogged}, verdict.Unmet{Near: []string{tooLate, notInLog}}},
		{"the same in the other order", []evidence.Evidence{unlogged, late}, verdict.Unmet{Near: []string{notInLog, tooLate}}},
	} {
		set := compile(t, policy.Input{Identities: []v1alpha1.TrustedIdentity{release}, Policies: []v1alpha1.ChartPolicy{requiring("acme", "release")}})
		judgement := set.For(locationOf(t, podinfo)).Judge(digestOf(t, "a"), noon)
		judgement.Add(c.found...)
		want := []verdict.Unmet{c.want}
		if diff := cmp.Diff(want, judgement.Results()[0].Unmet, cmpopts.IgnoreFields(verdict.Unmet{}, "By"), cmpopts.EquateComparable(chart.Location{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.sentence, diff)
		}
	}
}
