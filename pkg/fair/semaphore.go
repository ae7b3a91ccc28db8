// Package fair bounds work that many tenants share, so that one of them cannot keep the
// others waiting.
//
// golang.org/x/sync/semaphore serves in the order of arrival: who sends a thousand
// requests first is served a thousand times first.
package fair

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Payers are the tenants one of whom is to pay for a place: any of those who wait for
// the same work at the moment. They may change while the place is waited for.
type Payers interface {
	// Keys returns the tenants; none at all are the tenant "".
	Keys() []string
	// Changed returns a channel that is closed when Keys returns something else than
	// now; nil if that never happens.
	Changed() <-chan struct{}
}

// Payer is one tenant.
type Payer string

// Keys returns the tenant.
func (p Payer) Keys() []string { return []string{string(p)} }

// Changed returns nil.
func (Payer) Changed() <-chan struct{} { return nil }

// Claim says who wants a place, and for what.
type Claim struct {
	// By pays for the place. The zero value is the tenant "".
	By Payers
	// On is what the work is about, such as a repository; "" is nothing in particular.
	On string
}

const (
	// payerShare bounds what one tenant holds, as a multiple of what it leaves free:
	// with 3, one alone gets three quarters of all places, two get three sevenths each,
	// n leave one of 3n+1 free for a newcomer. (The rule is the "dynamic threshold" of
	// Choudhury and Hahne, 1998, for the buffers of switches.)
	payerShare = 3
	// subjectShare bounds in the same way what is held on one subject, by all tenants
	// together. It is larger, so that one tenant who asks about another one's subject
	// cannot take all that may be held on it.
	subjectShare = 7
)

// Semaphore is a number of places that tenants share. It is safe for concurrent use.
//
// The contract of fairness:
//   - A tenant who holds no place gets the next free one when it is its turn, and turns go
//     round: with n other tenants waiting, whatever they ask for and however often, at
//     most n places are given away before.
//   - A tenant takes no place that would leave less than a third of what it holds free, so
//     there is a free place for a newcomer as long as few tenants hold many. The same
//     holds for a subject, with a seventh: a tenant without a place waits for others only
//     where what it asks for is itself at its limit.
//   - The places of one tenant go round its subjects in turn, and on one subject in the
//     order of arrival.
//   - Whose turn it is gets served before others also if it needs more than is free: those
//     who need little do not pass those who need much.
type Semaphore struct {
	size int64

	mu       sync.Mutex
	held     int64
	turn     uint64
	payers   accounts
	subjects accounts
	waiting  []*waiter // in the order of arrival
}

// accounts are those of the tenants, or subjects, that hold places or wait for some.
type accounts map[string]*account

type account struct {
	key    string
	held   int64
	users  int    // that hold or wait
	served uint64 // the turn in which it last got a place
}

type waiter struct {
	n      int64
	payers []*account // one of whom is to pay
	on     *account
	payer  *account      // who pays; nil while it waits
	ready  chan struct{} // closed when it has its places
}

// NewSemaphore returns a Semaphore with so many places.
func NewSemaphore(size int64) *Semaphore {
	return &Semaphore{size: size, turn: 1, payers: accounts{}, subjects: accounts{}}
}

// Acquire waits for n places until ctx ends. They must be released.
func (s *Semaphore) Acquire(ctx context.Context, n int64, by Claim) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n > s.size {
		return nil, fmt.Errorf("%d places are wanted of %d", n, s.size)
	}
	keys, changed := keysOf(by)
	w := s.enqueue(n, keys, by.On)
	for {
		select {
		case <-w.ready:
			return sync.OnceFunc(func() { s.release(w) }), nil
		case <-changed:
			keys, changed = keysOf(by)
			s.rekey(w, keys)
		case <-ctx.Done():
			s.abandon(w)
			return nil, ctx.Err()
		}
	}
}

// TryAcquire takes n places if they need not be waited for.
func (s *Semaphore) TryAcquire(n int64, by Claim) (release func(), ok bool) {
	keys, _ := keysOf(by)
	w := s.enqueue(n, keys, by.On)
	select {
	case <-w.ready:
		return sync.OnceFunc(func() { s.release(w) }), true
	default:
		s.abandon(w)
		return nil, false
	}
}

// keysOf asks for the change first, so that none is missed.
func keysOf(by Claim) (keys []string, changed <-chan struct{}) {
	if by.By != nil {
		changed = by.By.Changed()
		keys = by.By.Keys()
	}
	if len(keys) == 0 {
		keys = []string{""}
	}
	return keys, changed
}

func (s *Semaphore) enqueue(n int64, keys []string, on string) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &waiter{n: n, payers: s.payers.open(keys, s.turn), on: s.subjects.open([]string{on}, s.turn)[0], ready: make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.dispatch()
	return w
}

// rekey gives a waiter other payers.
func (s *Semaphore) rekey(w *waiter, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.payer != nil {
		return
	}
	before := w.payers
	w.payers = s.payers.open(keys, s.turn)
	s.payers.close(before...)
	s.dispatch()
}

// abandon ends the wait. Places that came at the same moment go to others.
func (s *Semaphore) abandon(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.payer != nil {
		s.free(w)
	} else {
		s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
		s.payers.close(w.payers...)
		s.subjects.close(w.on)
	}
	s.dispatch()
}

func (s *Semaphore) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(w)
	s.dispatch()
}

// dispatch gives places to those whose turn it is.
func (s *Semaphore) dispatch() {
	for s.held < s.size {
		w, payer := s.next()
		if w == nil || w.n > s.size-s.held {
			return
		}
		s.grant(w, payer)
	}
}

// next returns the waiter whose turn it is, and who pays.
func (s *Semaphore) next() (found *waiter, payer *account) {
	for _, w := range s.waiting {
		for _, a := range w.payers {
			if s.mayTake(w, a) && (found == nil || before(w, a, found, payer)) {
				found, payer = w, a
			}
		}
	}
	return found, payer
}

// mayTake reports whether the shares of payer and subject allow it.
func (s *Semaphore) mayTake(w *waiter, payer *account) bool {
	left := s.size - s.held - w.n
	return payer.within(w.n, payerShare, left) && (w.on.key == "" || w.on.within(w.n, subjectShare, left))
}

func (a *account) within(n, share, left int64) bool { return a.held == 0 || a.held+n <= share*left }

// before reports whether it is a's turn rather than b's, which arrived earlier.
func before(a *waiter, aPayer *account, b *waiter, bPayer *account) bool {
	if aPayer != bPayer {
		return aPayer.served < bPayer.served
	}
	return a.on.served < b.on.served
}

func (s *Semaphore) grant(w *waiter, payer *account) {
	s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
	s.turn += 2
	s.held += w.n
	payer.users++
	s.payers.close(w.payers...)
	for _, a := range []*account{payer, w.on} {
		a.held += w.n
		a.served = s.turn
	}
	w.payer = payer
	close(w.ready)
}

// free gives places back.
func (s *Semaphore) free(w *waiter) {
	s.held -= w.n
	w.payer.held -= w.n
	w.on.held -= w.n
	s.payers.close(w.payer)
	s.subjects.close(w.on)
}

// open returns the accounts of one more user of the keys. A new account comes after all
// others but the one that was served last: who comes and goes gains nothing by it.
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
