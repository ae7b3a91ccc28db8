package faults_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestCrash: two replicas of the real binary behind one address, asked by a real API server, while
// a user creates HelmReleases of signed and of unsigned charts all the time (harness.Flood judges
// each answer). Whatever happens to the replicas, no unsigned chart is admitted, and no signed one
// denied; what is lost is at most a call in progress when a replica is killed.
func TestCrash(t *testing.T) {
	s := openSite(t)
	first, second := s.start(t), s.start(t)
	flood := s.flood(t)
	flood.GoesOn(t)

	killed := flood.During(func() {
		first.kill(t)
		flood.GoesOn(t)
		first = s.start(t)
		flood.GoesOn(t)
	})
	t.Logf("kill -9 and a new start: %s", killed)

	rolled := flood.During(func() {
		for _, replica := range []**replica{&first, &second} {
			old := *replica
			*replica = s.start(t)
			old.terminate(t)
			flood.GoesOn(t)
		}
	})
	t.Logf("rolling restart: %s", rolled)
	if len(rolled.Lost) > 0 {
		t.Errorf("the API server could not call the webhook during a rolling restart: %q", rolled.Lost)
	}

	first.kill(t)
	second.kill(t)
	none := flood.During(func() { flood.Fails(t) })
	t.Logf("without any replica: %s", none)
	s.start(t)
	flood.GoesOn(t)
	flood.CheckStored(t)
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

// flood starts one; the end of the test ends it.
func (s *site) flood(t *testing.T) *harness.Flood {
	t.Helper()
	if err := s.ApplyText(t.Context(), harness.Source("HelmRepository", "acme", `spec: {type: oci, url: "oci://HOST/acme"}`)); err != nil {
		t.Fatal(err)
	}
	release := func(chart string) *unstructured.Unstructured {
		return s.Object(t, harness.HelmRelease(chart, "spec: {interval: 10m, "+harness.FromRepository("acme", chart, "1.0.0")+"}"))
	}
	f := &harness.Flood{Client: s.Client, Signed: release("signed"), Unsigned: release("unsigned"), Clients: 4, Pause: 10 * time.Millisecond}
	f.Start(t)
	return f
}
