package faults_test

import (
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// TestCrash: two replicas of the real binary behind one address, asked by a real API server, while somebody creates
// HelmReleases of signed and of unsigned charts all the time (flood.create judges each answer). Whatever happens to the
// replicas, no unsigned chart is admitted, and no signed one denied; what is lost is at most a call in progress when a
// replica is killed.
func TestCrash(t *testing.T) {
	s := openSite(t)
	first, second := s.start(t), s.start(t)
	flood := s.flood(t)
	flood.goesOn(t)

	killed := flood.during(t, func() {
		first.kill(t)
		flood.goesOn(t)
		first = s.start(t)
		flood.goesOn(t)
	})
	t.Logf("kill -9 and a new start: %s", killed)

	rolled := flood.during(t, func() {
		for _, replica := range []**replica{&first, &second} {
			old := *replica
			*replica = s.start(t)
			old.terminate(t)
			flood.goesOn(t)
		}
	})
	t.Logf("rolling restart: %s", rolled)
	if rolled.uncalled > 0 {
		t.Errorf("the API server could not call the webhook %d times during a rolling restart: %s", rolled.uncalled, rolled.last)
	}

	first.kill(t)
	second.kill(t)
	none := flood.during(t, func() { flood.fails(t) })
	t.Logf("without any replica: %s", none)
	s.start(t)
	flood.goesOn(t)
	s.unsignedIsAbsent(t)
}

// kill ends a replica as the kernel does when it runs out of memory. Its address stays.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	if err := r.process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// terminate ends a replica as a kubelet does: its address goes first, then comes SIGTERM.
func (r *replica) terminate(t *testing.T) {
	t.Helper()
	r.balancer.remove(r.address)
	caller := newCaller()
	if err := caller.call(t.Context(), r.address); err != nil {
		t.Error(err)
	}
	if err := r.process.Terminate(); err != nil {
		t.Error(err)
	}
	answers := 0
	for caller.call(t.Context(), r.address) == nil {
		answers++
		time.Sleep(10 * time.Millisecond)
	}
	if answers < fewAnswers {
		t.Errorf("a replica that was told to end answered %d times more: whoever is calling is cut off", answers)
	}
	if err := r.process.Wait(); err != nil {
		t.Error(err)
	}
}

// fewAnswers is a twentieth of those that a replica gives in the two seconds in which it lets its callers leave.
const fewAnswers = 10

// replica is a running "chartgate serve".
type replica struct {
	process  *cluster.Process
	balancer *balancer
	address  string
}
