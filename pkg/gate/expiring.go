package gate

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// expiring is a bounded cache of values that are read until they have a certain age, which counts
// from when they were true. Reading a value does not make it younger, and a value that is younger
// than nothing, because the clock was set back, is dropped.
//
// It is not golang-lru's expirable cache: that counts from when a value was added, by the wall
// clock instead of the gate's, and starts a goroutine that never ends.
type expiring[K comparable, V any] struct {
	entries  *lru.Cache[K, dated[V]]
	lifetime time.Duration
	now      func() time.Time
}

type dated[V any] struct {
	value V
	since time.Time
}

// newExpiring returns a cache of at most size values; evicted, if not nil, is called for each that
// goes.
func newExpiring[K comparable, V any](size int, lifetime time.Duration, now func() time.Time, evicted func(V)) *expiring[K, V] {
	entries, err := lru.NewWithEvict(size, func(_ K, gone dated[V]) {
		if evicted != nil {
			evicted(gone.value)
		}
	})
	if err != nil {
		panic(err) // only for a size below one
	}
	return &expiring[K, V]{entries: entries, lifetime: lifetime, now: now}
}

func (e *expiring[K, V]) get(key K) (V, bool) {
	var zero V
	found, ok := e.entries.Get(key)
	if !ok {
		return zero, false
	}
	if age := e.now().Sub(found.since); age < 0 || age >= e.lifetime {
		e.entries.Remove(key)
		return zero, false
	}
	return found.value, true
}

// add keeps a value that is true since then.
func (e *expiring[K, V]) add(key K, value V, since time.Time) {
	e.entries.Add(key, dated[V]{value, since})
}
