package faults_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// clock shows the time that a test says.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.now.Store(&at)
	return c
}

func (c *clock) read() time.Time { return *c.now.Load() }

func (c *clock) jump(by time.Duration) {
	later := c.read().Add(by)
	c.now.Store(&later)
}

const year = 365 * 24 * time.Hour

// TestSigningTimes: a certificate is good for ten minutes. What counts is the time that the log has
// signed, whatever the clock of this machine says.
func TestSigningTimes(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		sentence string
		ours     time.Duration // how wrong our clock is
		option   sigstore.Option
		want     verdict.Reason
	}{
		{"signed in time", 0, sigstore.At(now), ""},
		{"signed in time, five years ago", 0, sigstore.At(now.Add(-5 * year)), ""},
		{"signed in time, and our clock is ten years ahead", 10 * year, sigstore.At(now), ""},
		{"signed in time, and our clock is ten years behind", -10 * year, sigstore.At(now), ""},
		{"signed an hour before the certificate was issued", 0, sigstore.SignedAt(now.Add(-time.Hour)), verdict.SignatureInvalid},
		{"signed an hour after the certificate was issued", 0, sigstore.SignedAt(now.Add(time.Hour)), verdict.SignatureInvalid},
		{"signed too late, and our clock is back in the certificate's time", -year, sigstore.CertificateAt(now.Add(-year)), verdict.SignatureInvalid},
		{"signed too early, and our clock is in the certificate's time", year, sigstore.CertificateAt(now.Add(year)), verdict.SignatureInvalid},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			ours := newClock(now.Add(c.ours))
			w := newWorld(t, func(s *setting) { s.clock = ours.read })
			w.bundle(t, "acme/bundle", w.push(t, "acme/bundle"), c.option)
			w.legacy(t, "acme/legacy", w.push(t, "acme/legacy"), c.option)
			for _, repository := range []string{"acme/bundle", "acme/legacy"} {
				got := w.ask(t, w.application(repository, "1.0.0"), longestTimeout)
				if c.want == "" {
					mustAdmit(t, got)
				} else {
					mustDeny(t, c.want, got)
				}
			}
		})
	}
}

// TestClockJumps: evidence that was verified at another time of the clock is verified again.
func TestClockJumps(t *testing.T) {
	for sentence, jump := range map[string]time.Duration{
		"an hour ahead":  time.Hour + time.Second,
		"a year ahead":   year,
		"a second back":  -time.Second,
		"ten years back": -10 * year,
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			ours := newClock(time.Now())
			w := newWorld(t, func(s *setting) { s.clock = ours.read })
			digest := w.push(t, "acme/podinfo")
			w.bundle(t, "acme/podinfo", digest)
			mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", digest), longestTimeout))
			w.registry.Fail(``, refused(t))
			mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", digest), longestTimeout))
			ours.jump(jump)
			mustDeny(t, verdict.RegistryUnavailable, w.ask(t, w.byDigest("acme/podinfo", digest), longestTimeout))
			w.heal()
			mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", digest), longestTimeout))
		})
	}
}

// TestWaiverEnds: a waiver ends at midnight UTC after its last day, and holds again if the clock is
// set back.
func TestWaiverEnds(t *testing.T) {
	last := time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	ours := newClock(last)
	w := newWorld(t, func(s *setting) {
		s.clock = ours.read
		s.policies = func(t *testing.T, w *world) gate.Policies {
			in := w.policies()
			in.Policies[0].Spec.Require, in.Policies[0].Spec.Pinning = nil, ""
			in.Policies[0].Spec.AllowUnverified = &v1alpha1.AllowUnverified{Reason: "moving", Until: "2026-11-30"}
			return harness.Compile(t, in)
		}
	})
	w.push(t, "acme/podinfo")
	what := w.application("acme/podinfo", "1.0.0")
	if got := w.ask(t, what, longestTimeout); got.verdict != "AllowedUnverified" {
		t.Errorf("on the last day: %+v", got)
	}
	ours.jump(time.Second)
	mustDeny(t, verdict.NoPolicy, w.ask(t, what, longestTimeout))
	ours.jump(-time.Second)
	if got := w.ask(t, what, longestTimeout); got.verdict != "AllowedUnverified" {
		t.Errorf("on the last day again: %+v", got)
	}
}
