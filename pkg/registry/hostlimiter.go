package registry

import (
	"context"
	"sync"

	"github.com/chartgate/chartgate/pkg/fair"
)

// hostLimiter limits concurrent work for each host, which namespaces and repositories share fairly.
// A host is kept only while it is used: registries may redirect to any number of hosts.
type hostLimiter struct {
	size int64

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

type hostSlots struct {
	*fair.Semaphore
	users int // that hold a slot or wait for one
}

func newHostLimiter(size int64) *hostLimiter {
	return &hostLimiter{size: size, hosts: map[string]*hostSlots{}}
}

// acquire waits for a slot of the host until ctx ends. The slot must be released.
func (l *hostLimiter) acquire(ctx context.Context, host string, from fair.Share) (release func(), err error) {
	slots := l.enter(host)
	free, err := slots.Acquire(ctx, 1, from)
	if err != nil {
		l.leave(host, slots)
		return nil, err
	}
	return func() { free(); l.leave(host, slots) }, nil
}

// tryAcquire takes a slot of the host if one is available without waiting. The slot must be
// released.
func (l *hostLimiter) tryAcquire(host string, from fair.Share) (release func(), ok bool) {
	slots := l.enter(host)
	free, ok := slots.TryAcquire(1, from)
	if !ok {
		l.leave(host, slots)
		return nil, false
	}
	return func() { free(); l.leave(host, slots) }, true
}

func (l *hostLimiter) enter(host string) *hostSlots {
	l.mu.Lock()
	defer l.mu.Unlock()
	slots := l.hosts[host]
	if slots == nil {
		slots = &hostSlots{Semaphore: fair.NewSemaphore(l.size)}
		l.hosts[host] = slots
	}
	slots.users++
	return slots
}

func (l *hostLimiter) leave(host string, slots *hostSlots) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slots.users--; slots.users == 0 {
		delete(l.hosts, host)
	}
}
