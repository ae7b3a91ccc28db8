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
	places  *semaphore.Weighted
	answers int // so far
	silent  int // answers that did not come, in a row
}

// visit is a chart's turn at a registry.
type visit struct {
	*hosts
	at *host
	// answers are those that the registry had given to others when the turn began.
	answers int
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

// enter waits for a place at a registry, until the visit leaves. It fails where the registry is known not to answer.
func (h *hosts) enter(ctx context.Context, name string) (visit, error) {
	at := h.of(name)
	if err := at.places.Acquire(ctx, 1); err != nil {
		return visit{}, &problem.Error{Kind: problem.KindTimeout, Detail: "the scan ended before " + name + " could be asked", Err: err}
	}
	h.mu.Lock()
	v := visit{hosts: h, at: at, answers: at.answers}
	silent := at.silent >= maxSilent
	h.mu.Unlock()
	if silent {
		v.leave()
		return visit{}, &problem.Error{
			Kind:   problem.KindUnavailable,
			Detail: fmt.Sprintf("%s gave no answer %d times in a row, so it was not asked again in this run", name, maxSilent),
			Next:   "check that " + name + " is up and can be reached from here, and run again",
		}
	}
	return v, nil
}

// leave frees the place.
func (v visit) leave() { v.at.places.Release(1) }

// observe learns from the verdict whether the registry answers. A registry that has answered to others
// in the meantime does: whoever has some slow charts there must not hide all others.
func (v visit) observe(found verdict.Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case found.Admits() || found.Reason() != verdict.Timeout && found.Reason() != verdict.RegistryUnavailable:
		v.at.answers++
		if v.at.silent < maxSilent {
			v.at.silent = 0
		}
	case v.at.answers == v.answers:
		v.at.silent++
	}
}
