package faults_test

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// TestFaults: whatever an admission needs fails in whatever way. It is denied for the right reason and in time, and
// admitted as soon as the fault is over.
func TestFaults(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		for _, d := range dependencies() {
			for i, c := range columns() {
				if c.endless || d.reason[i] == na {
					continue
				}
				t.Run(d.what+" "+c.what, func(t *testing.T) {
					t.Parallel()
					d.meets(t, c, i)
				})
			}
		}
	})
	goleak.VerifyNone(t, before)
}

// maxGrowth bounds what is allocated because of one answer without an end, by everybody in this process, from the first
// byte to the denial. The largest limit on an answer is 1 MiB, which a growing buffer takes five times, and each part of
// a search may meet the fault.
const maxGrowth = 32 << 20

// TestEndlessAnswers are read up to a limit, and leave nothing behind.
func TestEndlessAnswers(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		for _, d := range dependencies() {
			for i, c := range columns() {
				if !c.endless || d.reason[i] == na {
					continue
				}
				t.Run(d.what+" "+c.what, func(t *testing.T) {
					d.meets(t, c, i)
				})
			}
		}
	})
	goleak.VerifyNone(t, before)
}

// meets runs one cell of the matrix.
func (d dependency) meets(t *testing.T, c column, position int) {
	t.Helper()
	w := newWorld(t, d.setting)
	what, requests := d.given(t, w)
	fail := w.registry.Fail
	if d.ofAPI {
		fail = w.api.Fail
	}
	fail(requests, c.fault(t))

	allocated := totalAlloc()
	got := w.ask(t, what, timeoutFor(d.reason[position]))
	if grown := totalAlloc() - allocated; c.endless && grown > maxGrowth {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
	mustDeny(t, d.reason[position], got)

	w.heal()
	if d.healsLate {
		until(t, "it is admitted", func() bool { return w.ask(t, what, patience).allowed })
	}
	mustAdmit(t, w.ask(t, what, patience))
}

func (d dependency) setting(s *setting) {
	if d.at != nil {
		d.at(s)
	}
}

// totalAlloc is what has been allocated so far; freeing does not lower it.
func totalAlloc() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
