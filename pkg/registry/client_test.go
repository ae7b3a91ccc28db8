package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// held is a registry that answers nothing for now.
type held struct {
	shelf
	waiting atomic.Int64
}

func hold(t *testing.T) *held {
	h := &held{shelf: newShelf(t, registrytest.Options{})}
	h.Fail(".", func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		h.waiting.Add(1)
		defer h.waiting.Add(-1)
		<-req.Context().Done()
	})
	return h
}

// ask asks for many charts at a time, until ctx ends.
func (h *held) ask(ctx context.Context, t *testing.T, c *registry.Client, tag string) {
	for i := range 40 {
		ref, err := chart.ParseReference(fmt.Sprintf("oci://%s/acme/%s-%d:1.0.0", h.Host(), tag, i))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Resolve(ctx, ref, sourceauth.Auth{}) }()
	}
}

// settled returns how many requests wait once their number no longer grows.
func (h *held) settled(t *testing.T, atLeast int64) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); h.waiting.Load() < atLeast; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests wait, not %d", h.waiting.Load(), atLeast)
		}
	}
	time.Sleep(100 * time.Millisecond) // for those that must not come
	return h.waiting.Load()
}

// The registry is held by the background. An admission has as many places there as ever.
func TestBackgroundTakesNoPlaceOfAnAdmission(t *testing.T) {
	h := hold(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	foreground := registry.New(registry.Options{PlainHTTP: []string{h.Host()}})
	h.ask(ctx, t, foreground, "alone")
	const normal = 12 // of one namespace: three quarters of maxPerHost
	if got := h.settled(t, normal); got != normal {
		t.Fatalf("%d requests of admissions, not %d", got, normal)
	}
	stop()
	for h.waiting.Load() > 0 {
		time.Sleep(5 * time.Millisecond)
	}

	background := registry.New(registry.Options{PlainHTTP: []string{h.Host()}, Background: true})
	h.ask(t.Context(), t, background, "background")
	const small = 3 // of one namespace: three quarters of backgroundPerHost
	if got := h.settled(t, small); got != small {
		t.Fatalf("%d requests of the background, not %d", got, small)
	}
	h.ask(t.Context(), t, foreground, "beside")
	if got := h.settled(t, normal+small); got != normal+small {
		t.Errorf("%d requests in all, not %d", got, normal+small)
	}
}
