package registry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestRetry: a request that failed for a transient reason is sent once more, and no more often.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault    registrytest.Fault
		requests int
		ok       bool
	}{
		"503 once":                            {registrytest.Times(1, registrytest.Status(503)), 2, true},
		"502 once":                            {registrytest.Times(1, registrytest.Status(502)), 2, true},
		"504 once":                            {registrytest.Times(1, registrytest.Status(504)), 2, true},
		"503 twice":                           {registrytest.Times(2, registrytest.Status(503)), 2, false},
		"429 once, with the seconds to wait":  {registrytest.Times(1, answer(429, "Retry-After: 1")), 2, true},
		"429 once, with the time to wait for": {registrytest.Times(1, answer(429, "Retry-After: Mon, 02 Jan 2006 15:04:05 GMT")), 2, true},
		"429, with a longer wait than 5 s":    {registrytest.Times(1, answer(429, "Retry-After: 6")), 1, false},
		"reset once":                          {registrytest.Times(1, registrytest.Reset()), 2, true},
		"truncated once":                      {registrytest.Times(1, registrytest.Truncated()), 2, true},
		"reset twice":                         {registrytest.Times(2, registrytest.Reset()), 2, false},
		"500 is not transient":                {registrytest.Times(1, registrytest.Status(500)), 1, false},
		"403 is not transient":                {registrytest.Times(1, registrytest.Status(403)), 1, false},
		"404 is not transient":                {registrytest.Times(1, registrytest.Status(404)), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/", tc.fault)
			_, err := s.client().Resolve(t.Context(), reference(t, s, "CHART@DIGEST"), sourceauth.Auth{})
			equal(t, tc.ok, err == nil)
			equal(t, tc.requests, len(s.Requests()))
		})
	}
}

// TestRetryNeedsTime: a request is not repeated if the deadline leaves no time for the pause and an
// answer.
func TestRetryNeedsTime(t *testing.T) {
	t.Parallel()
	requests := 0
	client := registry.New(registry.Options{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		requests++
		header := http.Header{"Retry-After": {"4"}}
		return &http.Response{StatusCode: 503, Header: header, Body: http.NoBody, Request: req}, nil
	})})
	s := newShelf(t, registrytest.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	start := time.Now()
	if _, err := client.Resolve(ctx, reference(t, s, "CHART@DIGEST"), sourceauth.Auth{}); err == nil {
		t.Error("503 was accepted")
	}
	equal(t, 1, requests)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it waited %s for nothing", took)
	}
}
