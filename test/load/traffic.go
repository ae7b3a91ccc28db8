package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// class is one kind of admission.
type class struct {
	name string
	rate int // a second
	next func(n int) ([]byte, error)
	ask  func(context.Context, []byte) error

	latencies latencies
	failures  failures
}

// maxWaiting bounds the admissions of a class that are in progress. An API server has a bound too.
const maxWaiting = 256

// drive sends admissions at their rate until the time is over, however slow the answers are, and
// waits for those. A latency is measured from the time at which the admission was due, so that a
// webhook that hangs does not look fast.
func (c *class) drive(ctx context.Context, span time.Duration) error {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, maxWaiting)
	start := time.Now()
	for n := range c.rate * int(span/time.Millisecond) / 1000 {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(c.rate))
		body, err := c.next(n)
		if err != nil {
			return err
		}
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			err := c.ask(ctx, body)
			c.latencies.add(time.Since(due))
			c.failures.add(err)
		})
	}
	return nil
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failures counts what was not admitted, and keeps the first reason.
type failures struct {
	count atomic.Int64
	once  sync.Once
	first error
}

func (f *failures) add(err error) {
	if err == nil {
		return
	}
	f.count.Add(1)
	f.once.Do(func() { f.first = err })
}

// wrong returns the first failure if it is a wrong verdict.
func (f *failures) wrong() error {
	if f.count.Load() > 0 && errors.Is(f.first, errDenied) {
		return f.first
	}
	return nil
}
