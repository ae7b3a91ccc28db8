package registry

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestLimitOfCharts: a host whose charts are all being examined delays its own charts only.
func TestLimitOfCharts(t *testing.T) {
	client := New(Options{})
	at := func(host string) *repository {
		location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
		if err != nil {
			t.Fatal(err)
		}
		return &repository{client: client, location: location, at: location, host: client.withIdentity}
	}
	var leave func()
	for range 24 { // of maxCharts, for one namespace
		var err error
		if leave, err = at("slow.example").enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := at("slow.example").enter(over)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.KindTimeout {
		t.Errorf("one more chart: %v", err)
	}
	if _, err := at("other.example").enter(t.Context()); err != nil {
		t.Errorf("a chart of another host: %v", err)
	}
	leave()
	if _, err := at("slow.example").enter(t.Context()); err != nil {
		t.Errorf("a chart after another is done: %v", err)
	}
}

// TestObservationsEnd: an observation counts until its time is over, or it is withdrawn.
func TestObservationsEnd(t *testing.T) {
	t.Parallel()
	long, short := newObservations(time.Hour), newObservations(time.Millisecond)
	key, other := hostKey{"1", "a"}, hostKey{"2", "a"}
	long.Add(key, struct{}{})
	if !long.Contains(key) || long.Contains(other) {
		t.Error("the observation of one connection is not kept, or counts for another one")
	}
	long.Remove(key)
	if long.Contains(key) {
		t.Error("a withdrawn observation counts")
	}
	short.Add(key, struct{}{})
	for until := time.Now().Add(2 * time.Minute); short.Contains(key); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("an observation counts for ever")
		}
	}
}
