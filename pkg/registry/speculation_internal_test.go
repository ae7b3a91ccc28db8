package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// TestSpeculationTakesNoSlotOfOthers: a speculative request is sent only if a slot of the host is
// free without waiting, within the share of the namespace.
func TestSpeculationTakesNoSlotOfOthers(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	host := server.Listener.Addr().String()
	location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{PlainHTTP: []string{host}})
	r, err := c.repository(t.Context(), location, sourceauth.Auth{Askers: fair.Tenant("apps")})
	if err != nil {
		t.Fatal(err)
	}
	var release func()
	for range 12 { // of maxPerHost, for one namespace
		if release, err = c.requests.acquire(t.Context(), host, fair.Share{Tenants: fair.Tenant("apps")}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() error {
		s := r.speculate(t.Context(), "latest")
		defer s.stop()
		<-s.done
		return s.err
	}
	if err := ask(); !errors.Is(err, errSkipped) || requests.Load() != 0 {
		t.Errorf("it was sent %d times: %v", requests.Load(), err)
	}
	release()
	if err := ask(); err != nil || requests.Load() != 1 {
		t.Errorf("it was sent %d times: %v", requests.Load(), err)
	}
}
