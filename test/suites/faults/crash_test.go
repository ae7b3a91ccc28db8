package faults_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestCrash: two replicas of the real binary behind one address, asked by a real API server, while
// a user creates HelmReleases of signed and of unsigned charts all the time (flood.create judges
// each answer). Whatever happens to the replicas, no unsigned chart is admitted, and no signed one
// denied; what is lost is at most a call in progress when a replica is killed.
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

// kill ends a replica as the kernel does when memory runs out. Its address stays.
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
		t.Errorf("a replica that was told to end answered %d times more: calls in progress are cut off", answers)
	}
	if err := r.process.Wait(); err != nil {
		t.Error(err)
	}
}

// fewAnswers is a twentieth of the answers that a replica gives in the two seconds before it closes
// connections.
const fewAnswers = 10

// replica is a running "chartgate serve".
type replica struct {
	process  *cluster.Process
	balancer *balancer
	address  string
}

// flood creates HelmReleases of a signed and of an unsigned chart, in turn, by a few clients, as
// long as the test lasts.
type flood struct {
	site *site

	mu  sync.Mutex
	sum tally
}

// tally counts their answers.
type tally struct {
	admitted, denied int    // as they should be
	uncalled         int    // "failed calling webhook"
	last             string // error of those
}

func (s tally) String() string {
	return fmt.Sprintf("%d signed admitted, %d unsigned denied, %d times the webhook could not be called", s.admitted, s.denied, s.uncalled)
}

const floodClients = 4

// flood starts it; the end of the test ends it.
func (s *site) flood(t *testing.T) *flood {
	t.Helper()
	if err := s.ApplyText(t.Context(), harness.Source("HelmRepository", "acme", `spec: {type: oci, url: "oci://HOST/acme"}`)); err != nil {
		t.Fatal(err)
	}
	f := &flood{site: s}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for client := range floodClients {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				f.create(ctx, t, "signed", fmt.Sprintf("%d-%d", client, n))
				f.create(ctx, t, "unsigned", fmt.Sprintf("%d-%d", client, n))
				time.Sleep(10 * time.Millisecond) // leave the API server room to breathe
			}
		})
	}
	t.Cleanup(func() {
		stop()
		group.Wait()
	})
	return f
}

// create creates one release and judges the API server's answer.
func (f *flood) create(ctx context.Context, t *testing.T, chart, suffix string) {
	err := f.site.Client.Create(ctx, f.site.Object(t, harness.HelmRelease(chart+"-"+suffix, "spec: {interval: 10m, "+harness.FromRepository("acme", chart, "1.0.0")+"}")))
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil: // over
	case err == nil && chart == "signed":
		f.sum.admitted++
	case err == nil:
		t.Errorf("%s-%s was admitted", chart, suffix)
	case strings.Contains(err.Error(), "failed calling webhook"):
		f.sum.uncalled++
		f.sum.last = err.Error()
	case chart == "unsigned" && strings.Contains(err.Error(), "denied (SignatureMissing)"):
		f.sum.denied++
	default:
		t.Errorf("%s-%s: %v", chart, suffix, err)
	}
}

func (f *flood) sofar() tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sum
}

// goesOn waits until a number of both have been decided from now on.
func (f *flood) goesOn(t *testing.T) {
	t.Helper()
	before := f.sofar()
	until(t, "signed charts are admitted and unsigned ones denied", func() bool {
		now := f.sofar()
		return now.admitted >= before.admitted+50 && now.denied >= before.denied+50
	})
}

// fails waits until no release has been decided for a while.
func (f *flood) fails(t *testing.T) {
	t.Helper()
	before := f.sofar()
	until(t, "calls fail", func() bool { return f.sofar().uncalled >= before.uncalled+20 })
}

// during returns the answers to releases meanwhile.
func (f *flood) during(t *testing.T, happens func()) tally {
	t.Helper()
	before := f.sofar()
	happens()
	after := f.sofar()
	return tally{
		admitted: after.admitted - before.admitted, denied: after.denied - before.denied,
		uncalled: after.uncalled - before.uncalled, last: after.last,
	}
}
