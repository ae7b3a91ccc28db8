package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// maxFlight bounds shared work: 30 s is the longest that an API server waits for a
// webhook, so nobody waits for anything later.
const maxFlight = 30 * time.Second

// flights share concurrent equal work.
type flights struct {
	mu      sync.Mutex
	running map[any]*flight
}

// flight is one piece of work and those who wait for it.
type flight struct {
	done   chan struct{} // closed when value and err are there
	value  any
	err    error
	cancel context.CancelFunc
	askers *askers
}

// caller is who waits for shared work: a namespace, and the chart that it asked for.
type caller struct {
	namespace string
	about     chart.Reference
}

// share runs work once for all callers that ask for the same key at the same time, by
// whatever namespace. The work outlives the caller that started it, since others may wait
// longer; each caller stops waiting at its own deadline, which is KindTimeout, and with
// the last one the work's context ends. Work that somebody gave up on gets no new callers:
// it may hang on a connection that is dead, while a new one would be answered at once.
func share[K comparable, T any](ctx context.Context, f *flights, by caller, key K, work func(context.Context, sourceauth.Askers) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, timeout(by.about, err)
	}
	joined := f.join(ctx, by.namespace, key, func(ctx context.Context, askers sourceauth.Askers) (any, error) { return work(ctx, askers) })
	select {
	case <-ctx.Done():
		f.leave(by.namespace, key, joined)
		return zero, timeout(by.about, ctx.Err())
	case <-joined.done:
		value, ok := joined.value.(T)
		if joined.err == nil && !ok {
			return zero, errors.New("shared work returned another type")
		}
		return value, joined.err
	}
}

// join returns the flight for the key, which it starts if there is none.
func (f *flights) join(ctx context.Context, by string, key any, work func(context.Context, sourceauth.Askers) (any, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if running := f.running[key]; running != nil {
		running.askers.join(by)
		return running
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFlight)
	started := &flight{done: make(chan struct{}), cancel: cancel, askers: newAskers(by)}
	if f.running == nil {
		f.running = map[any]*flight{}
	}
	f.running[key] = started
	go func() {
		defer cancel()
		started.run(ctx, work)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.land(key, started)
		close(started.done)
	}()
	return started
}

// run does the work; a panic in it is an error.
func (l *flight) run(ctx context.Context, work func(context.Context, sourceauth.Askers) (any, error)) {
	defer func() {
		if r := recover(); r != nil {
			l.value, l.err = nil, panicError(r)
		}
	}()
	l.value, l.err = work(ctx, l.askers)
}

// leave is for a caller that does not wait any more.
func (f *flights) leave(by string, key any, left *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.land(key, left)
	if left.askers.leave(by) == 0 {
		left.cancel()
	}
}

// land lets a flight take no more callers.
func (f *flights) land(key any, landed *flight) {
	if f.running[key] == landed {
		delete(f.running, key)
	}
}

// askers are the namespaces of a flight's callers. Any of them may let it go on: what a
// namespace that has used up its share began is not held up by that for others.
type askers struct {
	mu      sync.Mutex
	callers map[string]int // by namespace
	changed chan struct{}
}

func newAskers(by string) *askers {
	return &askers{callers: map[string]int{by: 1}, changed: make(chan struct{})}
}

// Keys implements sourceauth.Askers.
func (a *askers) Keys() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.callers))
}

// Changed implements sourceauth.Askers.
func (a *askers) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

func (a *askers) join(by string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.callers[by]++; a.callers[by] == 1 {
		a.change()
	}
}

// leave returns how many namespaces are left.
func (a *askers) leave(by string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.callers[by]--; a.callers[by] == 0 {
		delete(a.callers, by)
		a.change()
	}
	return len(a.callers)
}

func (a *askers) change() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// timeout is the problem that a chart's verification took too long.
func timeout(about chart.Reference, err error) error {
	return &problem.Error{
		Kind:   problem.KindTimeout,
		Detail: fmt.Sprintf("the admission's deadline passed before %s had given what the verification of %s needs", about.Location.Host(), about),
		Err:    err,
	}
}
