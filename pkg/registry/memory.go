package registry

import (
	"sync"
	"time"
)

// memory holds hosts for a while. Hosts of charts come from policies, so there
// are few.
type memory struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

func newMemory(keep time.Duration, now func() time.Time) *memory {
	return &memory{keep: keep, now: now, until: map[string]time.Time{}}
}

func (m *memory) remember(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until[host] = m.now().Add(m.keep)
}

func (m *memory) forget(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.until, host)
}

func (m *memory) holds(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now().Before(m.until[host])
}
