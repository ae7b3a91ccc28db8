package gate_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// A predicate may have 8 MiB, and decoding it is most of what an admission costs: it is decoded
// once for all policies, also where several pieces of material are looked at.
func TestAPredicateIsDecodedOncePerAdmission(t *testing.T) {
	predicate := `{"at": "` + today.Format(time.RFC3339) + `", "packages": [` + strings.Repeat(`{"name": "podinfo"}, `, 50_000) + `{}]}`
	decoding := testing.AllocsPerRun(1, func() {
		var decoded any
		if err := json.Unmarshal([]byte(predicate), &decoded); err != nil {
			t.Fatal(err)
		}
	})
	byDigest := use(t, pinned+strings.Repeat("a", 64))
	s := fine(t)
	s.current = always(compile(t, requiring("acme", subject, scanned), requiring("strict", subject, scanned), requiring("signed", subject)))
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		return materials(attachment.Attachment{Format: attachment.LegacyAttestation}, attachment.Attachment{Format: attachment.Bundle}, attachment.Attachment{Format: attachment.Legacy})
	}
	s.verify = func(_ context.Context, d chart.Digest, a attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		switch a.Format {
		case attachment.LegacyAttestation:
			e := signedBy(d, subject)
			e.Statement, e.Predicate, e.Content = evidence.Attestation, scan, []byte(predicate)
			return e, nil
		case attachment.Bundle:
			return signedBy(d, "mallory@evil.example"), nil
		default:
			return signedBy(d, subject), nil
		}
	}
	warm := s.gate()
	for _, c := range []struct {
		sentence string
		decide   func() verdict.Verdict
	}{
		{"cold by tag", func() verdict.Verdict { return s.gate().Decide(t.Context(), use(t, podinfo)) }},
		{"cold by digest", func() verdict.Verdict { return s.gate().Decide(t.Context(), byDigest) }},
		{"warm by tag", func() verdict.Verdict { return warm.Decide(t.Context(), use(t, podinfo)) }},
		{"warm by digest", func() verdict.Verdict { return warm.Decide(t.Context(), byDigest) }},
	} {
		allocations := testing.AllocsPerRun(2, func() {
			if v := c.decide(); v.String() != "Verified" {
				t.Errorf("%s: %s", c.sentence, v.Message())
			}
		})
		if decodings := allocations / decoding; decodings < 0.9 || decodings > 1.5 {
			t.Errorf("%s: as much as %.1f decodings", c.sentence, decodings)
		}
	}
}

// Every policy judges at the time at which the admission began, however long the registry takes.
func TestAnAdmissionIsJudgedAtOneTime(t *testing.T) {
	content := `{"at": "` + today.Add(-7*24*time.Hour+time.Second).Format(time.RFC3339) + `"}` // old in a second
	now, verified := today, 0
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = always(compile(t, requiring("acme", subject, scanned), requiring("other", subject, scanned)))
	attesting(&s, content, &verified)
	slow := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		now = now.Add(time.Minute)
		return slow(ctx, ref)
	}
	inner := s.verify
	s.verify = func(ctx context.Context, d chart.Digest, a attachment.Attachment, w evidence.Wanted) (evidence.Evidence, error) {
		now = now.Add(time.Minute)
		return inner(ctx, d, a, w)
	}
	g := gateOver(&s)
	expect(t, g, use(t, podinfo), admitted)
	expect(t, g, use(t, podinfo), denied(verdict.AttestationRejected))
}

// Cached evidence that a policy no longer accepts is judged once, before the search for new
// evidence.
func TestOutdatedEvidenceIsJudgedOnce(t *testing.T) {
	verified, now := 0, today
	predicate := func(at time.Time) string {
		return `{"at": "` + at.Format(time.RFC3339) + `", "packages": [` + strings.Repeat(`{"name": "podinfo"}, `, 50_000) + `{}]}`
	}
	decoding := testing.AllocsPerRun(1, func() {
		var decoded any
		if err := json.Unmarshal([]byte(predicate(today)), &decoded); err != nil {
			t.Fatal(err)
		}
	})
	byDigest := use(t, pinned+strings.Repeat("a", 64))
	s := fine(t)
	s.now = func() time.Time { return now }
	s.current = always(compile(t, requiring("acme", subject, scanned)))
	attesting(&s, predicate(today.Add(-7*24*time.Hour+time.Minute)), &verified)
	g := gateOver(&s)
	expect(t, g, byDigest, admitted)
	now = now.Add(2 * time.Minute)
	allocations := testing.AllocsPerRun(2, func() {
		expect(t, g, byDigest, denied(verdict.AttestationRejected))
	})
	if decodings := allocations / decoding; decodings < 1.8 || decodings > 2.5 {
		t.Errorf("as much as %.1f decodings, want that of what was cached and that of what was found", decodings)
	}
}

// Admissions share a search, and each is judged at its own time.
func TestAdmissionsThatShareASearchJudgeByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verified, now := 0, today
		s := fine(t)
		s.now = func() time.Time { return now }
		s.current = always(compile(t, requiring("acme", subject, scanned)))
		attesting(&s, `{"at": "`+today.Add(-7*24*time.Hour+time.Second).Format(time.RFC3339)+`"}`, &verified)
		release, inner := make(chan struct{}), s.verify
		s.verify = func(ctx context.Context, d chart.Digest, a attachment.Attachment, w evidence.Wanted) (evidence.Evidence, error) {
			<-release
			return inner(ctx, d, a, w)
		}
		g := s.gate()
		var group sync.WaitGroup
		for _, want := range []string{"Verified", "Denied"} {
			group.Go(func() {
				if v := g.Decide(t.Context(), use(t, podinfo)); v.String() != want {
					t.Errorf("want %s: %s", want, v.Message())
				}
			})
			synctest.Wait()
			now = now.Add(2 * time.Second)
		}
		close(release)
		group.Wait()
		if verified != 1 {
			t.Errorf("verified %d times", verified)
		}
	})
}
