package coalesce

import (
	"maps"
	"slices"
	"sync"
)

// Callers are the names under which work is awaited. They change while the work is running: what
// one caller started may go on in the name of another one. It is safe for concurrent use.
type Callers struct {
	mu      sync.Mutex
	waiting map[string]int // callers by name
	changed chan struct{}
}

func newCallers(first string) *Callers {
	return &Callers{waiting: map[string]int{first: 1}, changed: make(chan struct{})}
}

// Keys returns the names of those who wait now, each once, sorted.
func (c *Callers) Keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.waiting))
}

// Changed returns a channel that is closed as soon as Keys returns something else than now.
func (c *Callers) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *Callers) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[name]++; c.waiting[name] == 1 {
		c.announce()
	}
}

// remove returns how many names are left.
func (c *Callers) remove(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[name]--; c.waiting[name] == 0 {
		delete(c.waiting, name)
		c.announce()
	}
	return len(c.waiting)
}

func (c *Callers) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}
