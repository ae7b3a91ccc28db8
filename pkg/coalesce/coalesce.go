// Package coalesce runs equal work once for all callers that ask for it at the same time.
//
// golang.org/x/sync/singleflight knows no contexts and ends the process when the work panics.
// resenje.org/singleflight knows contexts; but it panics in every caller, lets new callers join
// work that another caller has given up on, and does not tell the work who is waiting for it.
package coalesce

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// ErrStoppedWaiting is in the error of a caller whose context ended before the work did. The
// context's error is in it too. An error of the work itself does not contain it.
var ErrStoppedWaiting = errors.New("the caller stopped waiting")

// Group shares work by its key. Make one with New; it is safe for concurrent use.
type Group[K comparable, V any] struct {
	timeout time.Duration
	mu      sync.Mutex
	running map[K]*call[V]
}

// New returns a Group whose work ends after the timeout at the latest.
func New[K comparable, V any](timeout time.Duration) *Group[K, V] {
	return &Group[K, V]{timeout: timeout, running: map[K]*call[V]{}}
}

// call is one run of the work, and the callers that wait for it.
type call[V any] struct {
	done    chan struct{} // closed when value and err are set
	value   V
	err     error
	cancel  context.CancelFunc
	callers *Callers
}

// Do is DoFor for callers that need no name.
func (g *Group[K, V]) Do(ctx context.Context, key K, work func(context.Context) (V, error)) (V, error) {
	return g.DoFor(ctx, "", key, func(ctx context.Context, _ *Callers) (V, error) { return work(ctx) })
}

// DoFor returns what work returns. Callers that ask for the same key while the work is running
// share one run of it, whether their names are equal or not. A panic of the work is an error.
//
// The work does not end with the caller that started it, because others may wait longer. Each
// caller stops waiting when its own context ends, with ErrStoppedWaiting; when the last one has
// stopped, the context of the work is canceled. Work on which a caller has given up gets no new
// callers: it may hang on a connection that is dead, while a new run would be answered at once.
func (g *Group[K, V]) DoFor(ctx context.Context, caller string, key K, work func(context.Context, *Callers) (V, error)) (V, error) {
	var zero V
	if err := ctx.Err(); err != nil {
		return zero, fmt.Errorf("%w: %w", ErrStoppedWaiting, err)
	}
	joined := g.join(ctx, caller, key, work)
	select {
	case <-ctx.Done():
		g.leave(caller, key, joined)
		return zero, fmt.Errorf("%w: %w", ErrStoppedWaiting, ctx.Err())
	case <-joined.done:
		return joined.value, joined.err
	}
}

// join returns the running call for the key, or starts one.
func (g *Group[K, V]) join(ctx context.Context, caller string, key K, work func(context.Context, *Callers) (V, error)) *call[V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if running := g.running[key]; running != nil {
		running.callers.add(caller)
		return running
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	started := &call[V]{done: make(chan struct{}), cancel: cancel, callers: newCallers(caller)}
	g.running[key] = started
	go func() {
		defer close(started.done)
		defer g.close(key, started)
		defer cancel()
		started.run(ctx, work)
	}()
	return started
}

// run does the work. Work that neither returns nor panics has called runtime.Goexit, as a failing
// test does; it is an error too.
func (c *call[V]) run(ctx context.Context, work func(context.Context, *Callers) (V, error)) {
	var zero V
	c.err = errors.New("the work ended without a result")
	defer func() {
		if r := recover(); r != nil {
			c.value, c.err = zero, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	c.value, c.err = work(ctx, c.callers)
}

// leave is for a caller that stops waiting.
func (g *Group[K, V]) leave(caller string, key K, left *call[V]) {
	g.close(key, left)
	if left.callers.remove(caller) == 0 {
		left.cancel()
	}
}

// close lets a call take no more callers.
func (g *Group[K, V]) close(key K, closed *call[V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[key] == closed {
		delete(g.running, key)
	}
}
