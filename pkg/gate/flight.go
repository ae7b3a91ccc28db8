package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/chartgate/chartgate/pkg/chart"
)

// maxFlight bounds shared work: 30 s is the longest that an API server waits for a
// webhook, so nobody waits for anything later.
const maxFlight = 30 * time.Second

// flights share concurrent equal work.
type flights struct{ group singleflight.Group }

// share runs work once for all callers that ask for the same key at the same time.
// The work outlives the caller that started it, since others may wait longer; each
// caller stops waiting at its own deadline, which is KindTimeout. Work that somebody
// gave up on is joined by nobody any more: it may hang on a connection that is dead,
// while a new one would be answered at once.
func share[K comparable, T any](ctx context.Context, f *flights, about chart.Reference, key K, work func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, timeout(about, err)
	}
	// Go syntax spells out every field, quoted: distinct keys have distinct names.
	name := fmt.Sprintf("%#v", key)
	result := f.group.DoChan(name, func() (value any, err error) {
		// singleflight turns a panic into the death of the process.
		defer func() {
			if r := recover(); r != nil {
				err = panicError(r)
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFlight)
		defer cancel()
		return work(ctx)
	})
	select {
	case <-ctx.Done():
		f.group.Forget(name)
		return zero, timeout(about, ctx.Err())
	case r := <-result:
		value, ok := r.Val.(T)
		if r.Err == nil && !ok {
			return zero, errors.New("shared work returned another type")
		}
		return value, r.Err
	}
}

// timeout is the problem that a chart's verification took too long.
func timeout(about chart.Reference, err error) error {
	return &chart.Problem{
		Kind:   chart.KindTimeout,
		Detail: fmt.Sprintf("the admission's deadline passed before %s had given what the verification of %s needs", about.Location.Host(), about),
		Err:    err,
	}
}
