package gate_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestEvidenceIsForgotten(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(*testing.T, *steps)
	}{
		{"after an hour", func(_ *testing.T, s *steps) { s.now = func() time.Time { return today.Add(61 * time.Minute) } }},
		{"when the clock goes back", func(_ *testing.T, s *steps) { s.now = func() time.Time { return today.Add(-time.Minute) } }},
		{"when the trust root changes", func(_ *testing.T, s *steps) { s.state = func() string { return "another" } }},
		{"when the policy's identities change", func(t *testing.T, s *steps) {
			s.current = func() *policy.Set { return compile(t, requiring("acme", "new@acme.example")) }
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			g := gateOver(&s)
			expect(t, g, use(t, podinfo), admitted)
			s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { return materials() }
			c.change(t, &s)
			if v := g.Decide(t.Context(), use(t, podinfo)); v.Reason() != verdict.SignatureMissing {
				t.Errorf("got %s: %s", v, v.Message())
			}
		})
	}
}

// Cached evidence is judged in every admission: a scan grows old.
func TestCachedAttestationsAreJudgedInEveryAdmission(t *testing.T) {
	verified, now := 0, today
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	attesting(&s, `{"at": "`+today.Add(-6*24*time.Hour-23*time.Hour-30*time.Minute).Format(time.RFC3339)+`"}`, &verified)
	g := gateOver(&s)
	expectTwice(t, g, use(t, podinfo), admitted)
	if verified != 1 {
		t.Errorf("verified %d times", verified)
	}
	now = now.Add(45 * time.Minute)
	expect(t, g, use(t, podinfo), denied(verdict.AttestationRejected))
}

// A new scan counts at once, although an older one is cached.
func TestTheCacheDoesNotHideANewerAttestation(t *testing.T) {
	verified, now := 0, today
	scanOf := func(at time.Time) string { return `{"at": "` + at.Format(time.RFC3339) + `"}` }
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	attesting(&s, scanOf(today.Add(-7*24*time.Hour+time.Minute)), &verified)
	g := gateOver(&s)
	expect(t, g, use(t, podinfo), admitted)
	now = now.Add(2 * time.Minute)
	expect(t, g, use(t, podinfo), denied(verdict.AttestationRejected))
	attesting(&s, scanOf(now), &verified)
	expect(t, g, use(t, podinfo), admitted)
}

// The end of a validity window counts for cached charts too.
func TestCachedEvidenceDoesNotOutliveAValidity(t *testing.T) {
	s := fine(t)
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		e := signedBy(d, subject)
		e.SignedAt = today
		return e, nil
	}
	until := func(end time.Time) func() *policy.Set {
		in := requiring("acme", subject)
		in.Identities[0].Spec.Validity = &v1alpha1.Validity{NotAfter: v1alpha1.NewTime(end)}
		return func() *policy.Set { return compile(t, in) }
	}
	g := gateOver(&s)
	s.current = until(today.Add(time.Hour))
	expect(t, g, use(t, podinfo), admitted)
	s.current = until(today.Add(-time.Hour))
	expect(t, g, use(t, podinfo), denied(verdict.IdentityNotAllowed))
	s.current = until(today.Add(time.Hour))
	expect(t, g, use(t, podinfo), admitted)
}

// Nothing is cached while a trust root cannot be used, or if it changed during the search.
func TestTheCacheNeedsItsTrustRoots(t *testing.T) {
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
				expect(t, g, use(t, podinfo), admitted)
			}
			if verified != tc.verified {
				t.Errorf("verified %d times, want %d", verified, tc.verified)
			}
		})
	}
}

// The cached predicates are bounded: charts with large ones push others out, and
// one that is larger than all of it is never kept.
func TestCachedPredicatesAreBounded(t *testing.T) {
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
		expect(t, g, use(t, "oci://ghcr.io/acme/"+name+":1.0.0"), admitted)
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

// A stored artifact is what is deployed, even if its tag has moved since. The artifact that
// is written just now must be the chart that its tag means.
func TestTheCacheKnowsAChartByItsStoredArchive(t *testing.T) {
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
		{"the archive of a chart that is cached", podinfo, gate.Artifact{Source: stored, Archive: digest(t, "b")}, "root", 0, ""},
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
			expect(t, g, use(t, podinfo), admitted)
			s.resolve, s.asked, state = moved, func(attachment.Search) { asked++ }, c.state
			v := g.Decide(t.Context(), use(t, c.repository, holding(&c.held)))
			if v.Reason() != c.want && !(c.want == "" && v.Admits()) || asked != c.asked {
				t.Errorf("asked %d times\n%s", asked, v.Message())
			}
		})
	}
}
