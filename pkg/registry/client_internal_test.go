package registry

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// A host whose charts are all being looked at delays its own charts, and no others.
func TestPlacesForCharts(t *testing.T) {
	client := New(Options{})
	at := func(host string) *repository {
		location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
		if err != nil {
			t.Fatal(err)
		}
		return &repository{client: client, location: location, at: location, link: client.ownLink}
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
