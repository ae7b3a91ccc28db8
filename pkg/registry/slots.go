package registry

import (
	"context"
	"sync"
)

// slots bounds the requests in flight per host. A host is kept only while it has
// requests: registries may redirect to any number of hosts.
type slots struct {
	size int

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

type hostSlots struct {
	taken chan struct{}
	users int // holders and waiters
}

func newSlots(size int) *slots { return &slots{size: size, hosts: map[string]*hostSlots{}} }

// acquire waits for a slot until ctx ends. The slot must be released.
func (s *slots) acquire(ctx context.Context, host string) (release func(), err error) {
	h := s.enter(host)
	select {
	case h.taken <- struct{}{}:
		return func() { <-h.taken; s.leave(host, h) }, nil
	case <-ctx.Done():
		s.leave(host, h)
		return nil, ctx.Err()
	}
}

func (s *slots) enter(host string) *hostSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	if h == nil {
		h = &hostSlots{taken: make(chan struct{}, s.size)}
		s.hosts[host] = h
	}
	h.users++
	return h
}

func (s *slots) leave(host string, h *hostSlots) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(s.hosts, host)
	}
}
