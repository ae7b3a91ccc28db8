package fair_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/fair"
)

// queue is a Semaphore with requests in goroutines of their own. Between the steps of a test each
// of them either holds its slots or waits.
type queue struct {
	t     *testing.T
	sem   *fair.Semaphore
	mu    sync.Mutex
	order []string            // the tenants that got slots, in order: "tenant/resource"
	held  map[string][]func() // by tenant
}

func newQueue(t *testing.T, size int64) *queue {
	return &queue{t: t, sem: fair.NewSemaphore(size), held: map[string][]func(){}}
}

// ask asks for n slots, until ctx ends.
func (q *queue) ask(ctx context.Context, n int64, tenant, resource string) {
	go func() {
		release, err := q.sem.Acquire(ctx, n, fair.Share{Tenants: fair.Tenant(tenant), Resource: resource})
		q.mu.Lock()
		defer q.mu.Unlock()
		switch {
		case err == nil:
			q.order = append(q.order, tenant+"/"+resource)
			q.held[tenant] = append(q.held[tenant], release)
		case !errors.Is(err, ctx.Err()):
			q.t.Error(err)
		}
	}()
	synctest.Wait()
}

func (q *queue) asks(times int, tenant, resource string) {
	for range times {
		q.ask(q.t.Context(), 1, tenant, resource)
	}
}

// ends ends the oldest piece of a tenant's work.
func (q *queue) ends(tenant string) {
	q.t.Helper()
	q.mu.Lock()
	if len(q.held[tenant]) == 0 {
		q.mu.Unlock()
		q.t.Fatalf("%s holds nothing", tenant)
	}
	release := q.held[tenant][0]
	q.held[tenant] = q.held[tenant][1:]
	q.mu.Unlock()
	release()
	synctest.Wait()
}

func (q *queue) holds(tenant string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held[tenant])
}

// after ends everything, so that the bubble of the test can end, and checks that nothing is left.
func (q *queue) after() {
	for more := true; more; {
		more = false
		for tenant := range q.held {
			for q.holds(tenant) > 0 {
				q.ends(tenant)
				more = true
			}
		}
	}
	if left := fair.Left(q.sem); left != 0 {
		q.t.Errorf("%d accounts, waiters or slots are left", left)
	}
}

// inTurn runs a test in a bubble, in which it is known when all goroutines wait.
func inTurn(t *testing.T, size int64, test func(*testing.T, *queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, size)
		test(t, q)
		q.after()
	})
}

func TestOneTenantNeverTakesAllSlots(t *testing.T) {
	for size, want := range map[int64]int{1: 1, 2: 1, 4: 3, 16: 12, 32: 24, 500: 375} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			inTurn(t, size, func(t *testing.T, q *queue) {
				for i := range 600 {
					q.asks(1, "greedy", fmt.Sprint(i))
				}
				if got := q.holds("greedy"); got != want {
					t.Errorf("of %d slots one tenant got %d, not %d", size, got, want)
				}
			})
		})
	}
}

func TestANewcomerNeedNotWaitWhileFewTenantsAreGreedy(t *testing.T) {
	for _, greedy := range []int{1, 2, 3, 4, 5} {
		t.Run(fmt.Sprint(greedy), func(t *testing.T) {
			inTurn(t, 16, func(t *testing.T, q *queue) {
				for i := range greedy {
					q.asks(40, fmt.Sprint("greedy", i), "theirs")
				}
				q.asks(1, "honest", "its own")
				if q.holds("honest") != 1 {
					t.Errorf("it waits: %v", q.order)
				}
			})
		})
	}
}

func TestOneResourceNeverTakesAllSlots(t *testing.T) {
	inTurn(t, 16, func(t *testing.T, q *queue) {
		for i := range 40 {
			q.asks(1, fmt.Sprint("tenant", i), "junk")
		}
		if got := len(q.order); got != 14 {
			t.Errorf("one resource holds %d slots", got)
		}
		q.asks(1, "honest", "its own")
		if q.holds("honest") != 1 {
			t.Errorf("a tenant with another resource waits: %v", q.order)
		}
	})
}

// A tenant that uses the resource of another tenant must not close it for others.
func TestAGreedyTenantDoesNotTakeTheResourceOfAnother(t *testing.T) {
	inTurn(t, 16, func(t *testing.T, q *queue) {
		q.asks(40, "greedy", "the platform's chart")
		q.asks(1, "honest", "the platform's chart")
		if q.holds("honest") != 1 {
			t.Errorf("it waits: %v", q.order)
		}
	})
}

func TestTurnsGoRound(t *testing.T) {
	inTurn(t, 1, func(t *testing.T, q *queue) {
		q.asks(3, "a", "x")
		q.asks(3, "b", "x")
		q.asks(1, "c", "x")
		for q.holds("a")+q.holds("b")+q.holds("c") > 0 {
			last := q.order[len(q.order)-1]
			q.ends(last[:1])
		}
		if diff := cmp.Diff([]string{"a/x", "b/x", "c/x", "a/x", "b/x", "a/x", "b/x"}, q.order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheTurnsOfOneTenantGoRoundItsResources(t *testing.T) {
	inTurn(t, 1, func(t *testing.T, q *queue) {
		q.asks(3, "a", "junk")
		q.asks(2, "a", "good")
		for q.holds("a") > 0 {
			q.ends("a")
		}
		if diff := cmp.Diff([]string{"a/junk", "a/good", "a/junk", "a/good", "a/junk"}, q.order); diff != "" {
			t.Error(diff)
		}
	})
}

// A tenant whose account is forgotten between two requests, or that asks under a new name each
// time, does not pass a tenant that waits.
func TestATenantThatComesAndGoesGainsNothing(t *testing.T) {
	inTurn(t, 1, func(t *testing.T, q *queue) {
		q.asks(2, "a", "x")
		q.asks(1, "new", "x")
		q.ends("a")
		q.asks(1, "newer", "x")
		q.ends("new")
		if diff := cmp.Diff([]string{"a/x", "new/x", "a/x"}, q.order); diff != "" {
			t.Error(diff)
		}
	})
}

// Greedy tenants ask again as soon as they are served, for any resource. However many there are, a
// tenant that holds nothing waits for at most as many completions as there are greedy tenants. (If
// its resource has reached its limit, one more for each slot that must be free first.)
func TestPropertyNoTenantWaitsLongerThanARound(t *testing.T) {
	for seed := range uint64(200) {
		inTurn(t, int64(1+seed%9), func(t *testing.T, q *queue) {
			random := rand.New(rand.NewPCG(seed, 1))
			greedy := 1 + random.IntN(12)
			name := func(i int) string { return fmt.Sprint("greedy", i) }
			resource := func() string { return fmt.Sprint("of ", random.IntN(3)) }
			for range 30 {
				q.asks(1, name(random.IntN(greedy)), resource())
			}
			q.asks(1, "honest", "its own")
			waited := 0
			for ; q.holds("honest") == 0; waited++ {
				if waited > greedy {
					t.Fatalf("seed %d: after %d completions of %d greedy tenants it still waits", seed, waited, greedy)
				}
				ends := random.IntN(greedy)
				for q.holds(name(ends)) == 0 {
					ends = (ends + 1) % greedy
				}
				for range 1 + random.IntN(3) {
					q.asks(1, name(ends), resource())
				}
				q.ends(name(ends))
			}
		})
	}
}

// A request for many slots is not passed by requests for few.
func TestALargeRequestIsNotPassed(t *testing.T) {
	inTurn(t, 8, func(t *testing.T, q *queue) {
		for i := range 8 {
			q.asks(1, fmt.Sprint("small", i), "")
		}
		q.ask(t.Context(), 6, "large", "")
		for i := range 8 {
			q.asks(1, fmt.Sprint("later", i), "")
		}
		for i := range 6 {
			if q.holds("large") != 0 {
				t.Fatalf("it holds its slots after %d are free", i)
			}
			q.ends(fmt.Sprint("small", i))
		}
		if q.holds("large") != 1 {
			t.Errorf("six slots are free, and others got them: %v", q.order)
		}
	})
}

func TestATenantThatGivesUpHoldsNothing(t *testing.T) {
	inTurn(t, 1, func(t *testing.T, q *queue) {
		q.asks(1, "a", "x")
		ctx, cancel := context.WithCancel(t.Context())
		q.ask(ctx, 1, "b", "y")
		q.asks(1, "c", "z")
		cancel()
		synctest.Wait()
		q.ends("a")
		if diff := cmp.Diff([]string{"a/x", "c/z"}, q.order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMoreSlotsThanExistAreRefused(t *testing.T) {
	if _, err := fair.NewSemaphore(2).Acquire(t.Context(), 3, fair.Share{}); err == nil {
		t.Error("it was not refused")
	}
}

func TestTryAcquire(t *testing.T) {
	inTurn(t, 4, func(t *testing.T, q *queue) {
		q.asks(3, "a", "")
		if _, ok := q.sem.TryAcquire(1, fair.Share{Tenants: fair.Tenant("a")}); ok {
			t.Error("a got the last slot")
		}
		release, ok := q.sem.TryAcquire(1, fair.Share{Tenants: fair.Tenant("b")})
		if !ok {
			t.Fatal("b did not get it")
		}
		if _, ok := q.sem.TryAcquire(1, fair.Share{Tenants: fair.Tenant("c")}); ok {
			t.Error("c got a slot that does not exist")
		}
		release()
		release() // again: nothing
		if release, ok = q.sem.TryAcquire(1, fair.Share{Tenants: fair.Tenant("c")}); !ok {
			t.Fatal("the slot was not released")
		}
		release()
	})
}

// callers are tenants that change.
type callers struct {
	mu      sync.Mutex
	keys    []string
	changed chan struct{}
}

func (c *callers) Keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys
}

func (c *callers) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *callers) set(keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = keys
	close(c.changed)
	c.changed = make(chan struct{})
}

// Work that a greedy tenant has started continues when a tenant waits for it that has a share left.
func TestTheShareOfAnyCallerIsUsed(t *testing.T) {
	inTurn(t, 16, func(t *testing.T, q *queue) {
		q.asks(12, "greedy", "junk")
		both := &callers{keys: []string{"greedy"}, changed: make(chan struct{})}
		var release func()
		go func() {
			var err error
			if release, err = q.sem.Acquire(t.Context(), 1, fair.Share{Tenants: both, Resource: "good"}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if release != nil {
			t.Fatal("the greedy tenant got more than its share")
		}
		both.set("greedy", "honest")
		synctest.Wait()
		if release == nil {
			t.Fatal("it still waits for the greedy tenant's share")
		}
		release()
	})
}

func TestHeldCountsTheSlotsInUse(t *testing.T) {
	t.Parallel()
	s := fair.NewSemaphore(10)
	release, ok := s.TryAcquire(3, fair.Share{})
	if !ok || s.Held() != 3 {
		t.Errorf("%d slots are held", s.Held())
	}
	release()
	if s.Held() != 0 {
		t.Errorf("%d slots are held after the release", s.Held())
	}
}
