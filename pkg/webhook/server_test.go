package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/webhook"
)

// Our own answer must arrive before the API server gives up.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		sentence, query string
		want            time.Duration
	}{
		{"the API server's timeout, less a margin", "?timeout=10s", 9500 * time.Millisecond},
		{"the longest timeout, less a margin", "?timeout=30s", 29500 * time.Millisecond},
		{"half of a timeout that is as short as the margin", "?timeout=500ms", 250 * time.Millisecond},
		{"half of a tiny timeout", "?timeout=2ns", time.Nanosecond},
		{"the default where there is no timeout", "", 9500 * time.Millisecond},
		{"the default for an empty timeout", "?timeout=", 9500 * time.Millisecond},
		{"the default for garbage", "?timeout=soon", 9500 * time.Millisecond},
		{"the default for a number without a unit", "?timeout=10", 9500 * time.Millisecond},
		{"the default for zero", "?timeout=0s", 9500 * time.Millisecond},
		{"the default for a negative timeout", "?timeout=-10s", 9500 * time.Millisecond},
		{"the default for one longer than any API server grants", "?timeout=1h", 9500 * time.Millisecond},
		{"the default for one that overflows", "?timeout=9999999999h", 9500 * time.Millisecond},
		{"the first of two timeouts", "?timeout=4s&timeout=20s", 3500 * time.Millisecond},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			before := time.Now()
			webhook.WithDeadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				deadline, ok := r.Context().Deadline()
				if !ok || deadline.Before(before.Add(c.want)) || deadline.After(time.Now().Add(c.want)) {
					t.Errorf("the deadline is in %s, want %s", time.Until(deadline), c.want)
				}
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/validate-charts"+c.query, nil))
		})
	}
}
