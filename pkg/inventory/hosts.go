package inventory

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// maxSilent is how often in a row a registry may give no answer before it is not asked again in a
// run: each time costs the timeout of a chart, and there may be thousands.
const maxSilent = 3

// hosts bounds the work at each registry, and remembers those that do not answer.
type hosts struct {
	perHost int
	mu      sync.Mutex
	known   map[string]*host
}

type host struct {
	places *semaphore.Weighted
	silent int // answers that did not come, in a row
}

func newHosts(perHost int) *hosts { return &hosts{perHost: perHost, known: map[string]*host{}} }

func (h *hosts) of(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := h.known[name]
	if found == nil {
		found = &host{places: semaphore.NewWeighted(int64(h.perHost))}
		h.known[name] = found
	}
	return found
}

// enter waits for a place at a registry. It fails where the registry is known not to answer.
func (h *hosts) enter(ctx context.Context, name string) (leave func(), err error) {
	at := h.of(name)
	if err := at.places.Acquire(ctx, 1); err != nil {
		return nil, &problem.Error{Kind: problem.KindTimeout, Detail: "the scan ended before " + name + " could be asked", Err: err}
	}
	if h.silent(at) {
		at.places.Release(1)
		return nil, &problem.Error{
			Kind:   problem.KindUnavailable,
			Detail: fmt.Sprintf("%s gave no answer %d times in a row, so it was not asked again in this run", name, maxSilent),
			Next:   "check that " + name + " is up and can be reached from here, and run again",
		}
	}
	return func() { at.places.Release(1) }, nil
}

func (h *hosts) silent(at *host) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return at.silent >= maxSilent
}

// observe learns from a verdict whether the registry answers.
func (h *hosts) observe(name string, v verdict.Verdict) {
	at := h.of(name)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !v.Admits() && (v.Reason() == verdict.Timeout || v.Reason() == verdict.RegistryUnavailable):
		at.silent++
	case at.silent < maxSilent:
		at.silent = 0
	}
}
