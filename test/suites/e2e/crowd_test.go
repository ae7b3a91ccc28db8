package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/test/harness"
)

// TestConcurrentEqualRequestsShareTheWork: twenty releases of one cold chart cost hardly more than one.
func TestConcurrentEqualRequestsShareTheWork(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	const crowd = 20
	before := len(w.requests("acme/charts/crowd"))
	// The registry answers when all of them are waiting.
	w.registry.Fail("/acme/charts/crowd/", func(rw http.ResponseWriter, r *http.Request, healthy http.Handler) {
		for w.inFlight(t) < crowd && r.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // from being accepted to asking for the chart
		healthy.ServeHTTP(rw, r)
	})
	var group errgroup.Group
	for n := range crowd {
		object := w.Object(t, helmRelease(fmt.Sprintf("crowd-%d", n), "{interval: 10m, "+harness.FromRepository("acme", "crowd", "1.0.0")+"}"))
		group.Go(func() error {
			_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	// Four for a cold chart by design; a straggler asks once more what the tag means.
	if asked := w.requests("acme/charts/crowd")[before:]; len(asked) > 8 {
		t.Errorf("%d requests:\n%s", len(asked), strings.Join(asked, "\n"))
	}
}

// inFlight is how many writes chartgate is working on, by its metrics.
func (w *site) inFlight(t *testing.T) int {
	text, err := w.Gate.Metrics(t.Context())
	if err != nil {
		t.Error(err)
		return 0
	}
	total := 0
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "controller_runtime_webhook_requests_in_flight{") {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Error(err)
		}
		total += n
	}
	return total
}
