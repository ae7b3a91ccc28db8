package registry

import (
	"context"
	"sync"

	"github.com/chartgate/chartgate/pkg/fair"
)

// slots are the places of each host, which namespaces and repositories share fairly. A
// host is kept only while it is used: registries may redirect to any number of hosts.
type slots struct {
	size int64

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

type hostSlots struct {
	places *fair.Semaphore
	users  int // holders and waiters
}

func newSlots(size int64) *slots { return &slots{size: size, hosts: map[string]*hostSlots{}} }

// acquire waits for a slot until ctx ends. The slot must be released.
func (s *slots) acquire(ctx context.Context, host string, by fair.Claim) (release func(), err error) {
	h := s.enter(host)
	free, err := h.places.Acquire(ctx, 1, by)
	if err != nil {
		s.leave(host, h)
		return nil, err
	}
	return func() { free(); s.leave(host, h) }, nil
}

func (s *slots) enter(host string) *hostSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	if h == nil {
		h = &hostSlots{places: fair.NewSemaphore(s.size)}
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
