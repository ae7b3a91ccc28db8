package gate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const scan = "https://cosign.sigstore.dev/attestation/vuln/v1"

// scanned is a policy that wants a scan of the last week.
func scanned(p *v1alpha1.ChartPolicy) {
	p.Spec.Require[0].Attestation = &v1alpha1.Attestation{
		PredicateType: scan,
		Conditions:    []v1alpha1.Condition{{CEL: `now - timestamp(predicate.at) < duration("168h")`, Message: "the scan is old"}},
	}
}

// attesting makes of the steps some whose charts carry an attestation with the content.
func attesting(s *steps, content string, verified *int) {
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		*verified++
		e := signedBy(d, subject)
		e.Statement, e.Predicate, e.Content = evidence.Attestation, scan, []byte(content)
		return e, nil
	}
}

// The cached evidence of a chart is evaluated again each time: a scan becomes too old.
func TestMemoryJudgesAttestationsAnew(t *testing.T) {
	verified, now := 0, today
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	attesting(&s, `{"at": "`+today.Add(-6*24*time.Hour-23*time.Hour-30*time.Minute).Format(time.RFC3339)+`"}`, &verified)
	g := gateOver(&s)
	for range 2 {
		if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
			t.Fatal(v.Message())
		}
	}
	if verified != 1 {
		t.Errorf("verified %d times", verified)
	}
	now = now.Add(45 * time.Minute)
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Admits() || v.Reason() != verdict.AttestationRejected {
		t.Error(v.Message())
	}
}

// Who scans again and applies again is admitted at once, though an older scan is remembered.
func TestMemoryDoesNotHideANewerAttestation(t *testing.T) {
	verified, now := 0, today
	scanOf := func(at time.Time) string { return `{"at": "` + at.Format(time.RFC3339) + `"}` }
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	attesting(&s, scanOf(today.Add(-7*24*time.Hour+time.Minute)), &verified)
	g := gateOver(&s)
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Fatal(v.Message())
	}
	now = now.Add(2 * time.Minute)
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Admits() || v.Reason() != verdict.AttestationRejected {
		t.Fatal(v.Message())
	}
	attesting(&s, scanOf(now), &verified)
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Error(v.Message())
	}
}

// A window that closes closes for charts that are remembered, too.
func TestMemoryDoesNotOutliveAValidity(t *testing.T) {
	s := fine(t)
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		e := signedBy(d, subject)
		e.SignedAt = today
		return e, nil
	}
	until := func(end time.Time) func() *policy.Set {
		in := requiring("acme", subject)
		in.Identities[0].Spec.Validity = &v1alpha1.Validity{NotAfter: &metav1.Time{Time: end}}
		return func() *policy.Set { return compile(t, in) }
	}
	g := gateOver(&s)
	s.current = until(today.Add(time.Hour))
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Fatal(v.Message())
	}
	s.current = until(today.Add(-time.Hour))
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Admits() || v.Reason() != verdict.IdentityNotAllowed {
		t.Error(v.Message())
	}
	s.current = until(today.Add(time.Hour))
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Error(v.Message())
	}
}

// Nothing is remembered while a trust root cannot be used, nor what was found while it
// changed.
func TestMemoryNeedsItsTrustRoots(t *testing.T) {
	for _, tc := range []struct {
		sentence       string
		before, during string // the state before the signature is verified, and from then on
		verified       int    // of two admissions
	}{
		{"a root that stays", "one", "one", 1},
		{"no root", "", "", 2},
		{"a root that goes away while it is used", "one", "", 2},
		{"a root that changes while it is used", "one", "two", 2},
		{"a root that comes back", "", "one", 2},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			verified, state := 0, ""
			s := fine(t)
			s.state = func() string { return state }
			s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
				verified++
				state = tc.during
				return signedBy(d, subject), nil
			}
			g := s.gate()
			for range 2 {
				state = tc.before
				if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
					t.Fatal(v.Message())
				}
			}
			if verified != tc.verified {
				t.Errorf("verified %d times, want %d", verified, tc.verified)
			}
		})
	}
}

// The predicates in memory are bounded: charts with large ones push others out, and
// one that is larger than all of it is never kept.
func TestMemoryOfPredicatesIsBounded(t *testing.T) {
	padding := func(mebibytes int) string {
		return `{"at": "` + today.Format(time.RFC3339) + `", "padding": "` + strings.Repeat("x", mebibytes<<20) + `"}`
	}
	verified := 0
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	g := gateOver(&s)
	ask := func(name string, mebibytes, want int) {
		t.Helper()
		attesting(&s, padding(mebibytes), &verified)
		verified = 0
		if v := g.Decide(t.Context(), use(t, "oci://ghcr.io/acme/"+name+":1.0.0")); !v.Admits() {
			t.Fatal(v.Message())
		}
		if verified != want {
			t.Errorf("%s: verified %d times, want %d", name, verified, want)
		}
	}
	ask("first", 30, 1)
	ask("first", 30, 0)
	ask("second", 30, 1)
	ask("first", 30, 0)
	ask("third", 30, 1) // there is room for two
	ask("first", 30, 0)
	ask("second", 30, 1)
	ask("giant", 65, 1)
	ask("giant", 65, 1)
	ask("second", 30, 0)
}

// The message names the signers of attestations, also those that the policy does not name.
func TestAStrangersAttestationIsNamed(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		e := signedBy(d, "mallory@evil.example")
		e.Statement, e.Predicate, e.Content = evidence.Attestation, scan, []byte(`{"at": "2099-01-01T00:00:00Z"}`)
		return e, nil
	}
	v := s.gate().Decide(t.Context(), use(t, podinfo))
	if v.Admits() || v.Reason() != verdict.AttestationMissing || !strings.Contains(v.Message(), "attested: "+scan+" by subject mallory@evil.example") {
		t.Error(v.Message())
	}
}

// What a source has stored is what is deployed, whatever its tag means by now. The artifact that
// is written just now must be the chart that its tag means.
func TestMemoryKnowsAChartByItsStoredArchive(t *testing.T) {
	stored := gate.Object{Kind: "HelmChart", Namespace: "apps", Name: "apps-podinfo"}
	moved := func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{Location: ref.Location, Digest: digest(t, "c"), Layer: digest(t, "d")}, nil
	}
	for _, c := range []struct {
		sentence, repository string
		held                 gate.Artifact
		state                string
		asked                int
		want                 verdict.Reason
	}{
		{"the archive of a chart that is remembered", podinfo, gate.Artifact{Source: stored, Archive: digest(t, "b")}, "root", 0, ""},
		{"the same as it is written", podinfo, gate.Artifact{Archive: digest(t, "b")}, "root", 2, verdict.DigestMismatch},
		{"another archive", podinfo, gate.Artifact{Source: stored, Archive: digest(t, "e")}, "root", 2, verdict.DigestMismatch},
		{"no digest of an archive", podinfo, gate.Artifact{Source: stored, Incomparable: true, ByController: true}, "root", 2, ""},
		{"the same archive in another repository", "oci://ghcr.io/acme/other:1.0.0", gate.Artifact{Source: stored, Archive: digest(t, "b")}, "root", 2, verdict.DigestMismatch},
		{"the same archive with other trust roots", podinfo, gate.Artifact{Source: stored, Archive: digest(t, "b")}, "other", 2, verdict.DigestMismatch},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s, state, asked := fine(t), "root", 0
			s.state = func() string { return state }
			g := gateOver(&s)
			if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
				t.Fatal(v.Message())
			}
			s.resolve, s.asked, state = moved, func(attachment.Search) { asked++ }, c.state
			v := g.Decide(t.Context(), use(t, c.repository, holding(&c.held)))
			if v.Reason() != c.want && !(c.want == "" && v.Admits()) || asked != c.asked {
				t.Errorf("asked %d times\n%s", asked, v.Message())
			}
		})
	}
}
