// Package fair limits concurrent work that several tenants share, so that no tenant can keep the
// others waiting.
//
// golang.org/x/sync/semaphore serves in the order of arrival: a tenant that sends a thousand
// requests first is served a thousand times first.
package fair

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Tenants are those that wait for one piece of work at the moment. A slot is taken from the share
// of one of them. They may change while the work waits for its slot.
type Tenants interface {
	// Keys returns the tenants; an empty list means the tenant "".
	Keys() []string
	// Changed returns a channel that is closed when the result of Keys changes; nil if it never
	// changes.
	Changed() <-chan struct{}
}

// Tenant is one tenant.
type Tenant string

// Keys returns the tenant.
func (t Tenant) Keys() []string { return []string{string(t)} }

// Changed returns nil.
func (Tenant) Changed() <-chan struct{} { return nil }

// Share says whose share a slot is taken from.
type Share struct {
	// Tenants are those that wait for the work. The zero value is the tenant "".
	Tenants Tenants
	// Resource is what the work uses, such as a repository; "" has no share of its own.
	Resource string
}

const (
	// tenantShare limits the slots of one tenant, as a multiple of the slots that stay free: with
	// 3, a tenant that is alone gets three quarters of all slots, two get three sevenths each, and
	// n leave one of 3n+1 free for a newcomer. (The rule is the "dynamic threshold" of Choudhury
	// and Hahne, 1998, for the buffers of switches.)
	tenantShare = 3
	// resourceShare limits in the same way the slots that all tenants together use for one
	// resource. It is larger, so that one tenant alone cannot use up the share of another tenant's
	// resource.
	resourceShare = 7
)

// Semaphore is a number of slots that tenants share. It is safe for concurrent use.
//
// The contract of fairness:
//   - Tenants without a slot take turns: with n other tenants waiting, however much and however
//     often they ask, at most n slots are given away before a tenant without a slot gets one.
//   - A tenant gets no slot that would leave less than a third of the tenant's slots free. So a
//     newcomer finds a free slot as long as few tenants hold many. The same holds for a resource,
//     with a seventh: a tenant without a slot waits for others only if the resource that it asks
//     for has reached its limit.
//   - The slots of one tenant go to its resources in turn, and for one resource in the order of
//     arrival.
//   - A waiter whose turn it is gets its slots first, also if it needs more than are free: waiters
//     that need few slots do not pass one that needs many.
type Semaphore struct {
	size int64

	mu        sync.Mutex
	held      int64
	turn      uint64
	tenants   accounts
	resources accounts
	waiting   []*waiter // in the order of arrival
}

// accounts are those of the tenants, or resources, that hold slots or wait for some.
type accounts map[string]*account

type account struct {
	key    string
	held   int64
	users  int    // that hold or wait
	served uint64 // the turn in which it last got a slot
}

type waiter struct {
	n        int64
	tenants  []*account // from the share of one of which the slots are taken
	resource *account
	tenant   *account      // from whose share they are taken; nil while it waits
	ready    chan struct{} // closed when it has its slots
}

// NewSemaphore returns a Semaphore with so many slots.
func NewSemaphore(size int64) *Semaphore {
	return &Semaphore{size: size, turn: 1, tenants: accounts{}, resources: accounts{}}
}

// Held returns the number of slots that are in use.
func (s *Semaphore) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Acquire waits for n slots until ctx ends. They must be released.
func (s *Semaphore) Acquire(ctx context.Context, n int64, from Share) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n > s.size {
		return nil, fmt.Errorf("%d slots are wanted of %d", n, s.size)
	}
	keys, changed := keysOf(from)
	w := s.enqueue(n, keys, from.Resource)
	for {
		select {
		case <-w.ready:
			return sync.OnceFunc(func() { s.release(w) }), nil
		case <-changed:
			keys, changed = keysOf(from)
			s.rekey(w, keys)
		case <-ctx.Done():
			s.abandon(w)
			return nil, ctx.Err()
		}
	}
}

// TryAcquire takes n slots if they are available without waiting.
func (s *Semaphore) TryAcquire(n int64, from Share) (release func(), ok bool) {
	keys, _ := keysOf(from)
	w := s.enqueue(n, keys, from.Resource)
	select {
	case <-w.ready:
		return sync.OnceFunc(func() { s.release(w) }), true
	default:
		s.abandon(w)
		return nil, false
	}
}

// keysOf asks for the channel first, so that no change is missed.
func keysOf(from Share) (keys []string, changed <-chan struct{}) {
	if from.Tenants != nil {
		changed = from.Tenants.Changed()
		keys = from.Tenants.Keys()
	}
	if len(keys) == 0 {
		keys = []string{""}
	}
	return keys, changed
}

func (s *Semaphore) enqueue(n int64, keys []string, resource string) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &waiter{
		n: n, ready: make(chan struct{}),
		tenants: s.tenants.open(keys, s.turn), resource: s.resources.open([]string{resource}, s.turn)[0],
	}
	s.waiting = append(s.waiting, w)
	s.dispatch()
	return w
}

// rekey gives a waiter other tenants.
func (s *Semaphore) rekey(w *waiter, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.tenant != nil {
		return
	}
	before := w.tenants
	w.tenants = s.tenants.open(keys, s.turn)
	s.tenants.close(before...)
	s.dispatch()
}

// abandon ends the wait. Slots that were given at the same moment go to others.
func (s *Semaphore) abandon(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.tenant != nil {
		s.free(w)
	} else {
		s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
		s.tenants.close(w.tenants...)
		s.resources.close(w.resource)
	}
	s.dispatch()
}

func (s *Semaphore) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(w)
	s.dispatch()
}

// dispatch gives slots to the waiters whose turn it is.
func (s *Semaphore) dispatch() {
	for s.held < s.size {
		w, tenant := s.next()
		if w == nil || w.n > s.size-s.held {
			return
		}
		s.grant(w, tenant)
	}
}

// next returns the waiter whose turn it is, and the tenant from whose share it takes its slots.
func (s *Semaphore) next() (found *waiter, tenant *account) {
	for _, w := range s.waiting {
		for _, a := range w.tenants {
			if s.mayTake(w, a) && (found == nil || before(w, a, found, tenant)) {
				found, tenant = w, a
			}
		}
	}
	return found, tenant
}

// mayTake reports whether the shares of tenant and resource allow it.
func (s *Semaphore) mayTake(w *waiter, tenant *account) bool {
	left := s.size - s.held - w.n
	return tenant.within(w.n, tenantShare, left) && (w.resource.key == "" || w.resource.within(w.n, resourceShare, left))
}

func (a *account) within(n, share, left int64) bool { return a.held == 0 || a.held+n <= share*left }

// before reports whether it is the turn of a rather than of b, which arrived earlier.
func before(a *waiter, aTenant *account, b *waiter, bTenant *account) bool {
	if aTenant != bTenant {
		return aTenant.served < bTenant.served
	}
	return a.resource.served < b.resource.served
}

func (s *Semaphore) grant(w *waiter, tenant *account) {
	s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
	s.turn += 2
	s.held += w.n
	tenant.users++
	s.tenants.close(w.tenants...)
	for _, a := range []*account{tenant, w.resource} {
		a.held += w.n
		a.served = s.turn
	}
	w.tenant = tenant
	close(w.ready)
}

// free gives slots back.
func (s *Semaphore) free(w *waiter) {
	s.held -= w.n
	w.tenant.held -= w.n
	w.resource.held -= w.n
	s.tenants.close(w.tenant)
	s.resources.close(w.resource)
}

// open returns the accounts of one more user of the keys. A new account comes after all others but
// the one that was served last: a tenant that leaves and comes back gains nothing by it.
func (a accounts) open(keys []string, turn uint64) []*account {
	opened := make([]*account, 0, len(keys))
	for _, key := range keys {
		if a[key] == nil {
			a[key] = &account{key: key, served: turn - 1}
		}
		a[key].users++
		opened = append(opened, a[key])
	}
	return opened
}

// close takes a user off; the last one takes the account along.
func (a accounts) close(closed ...*account) {
	for _, account := range closed {
		if account.users--; account.users == 0 {
			delete(a, account.key)
		}
	}
}
