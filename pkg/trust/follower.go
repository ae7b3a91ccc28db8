package trust

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/chartgate/chartgate/pkg/signature"
)

// pace is the time between updates.
type pace struct{ refresh, retry time.Duration }

// follower follows one TUF repository. Only its own goroutine asks the mirror, one update at a
// time; all others read the result of the last one.
type follower struct {
	title      string // for users
	repository repository
	cacheDir   string
	cacheErr   error // why there is no cacheDir
	client     *http.Client
	pace       *pace
	patience   time.Duration
	now        func() time.Time
	changed    func()
	log        logr.Logger

	ctx   context.Context // ends when the follower is not needed any more
	stop  context.CancelFunc
	work  *sync.WaitGroup
	once  sync.Once
	begun time.Time     // by the system's clock
	first chan struct{} // closed after the first update

	updating sync.Mutex
	mu       sync.Mutex
	state    state
}

// state is the result of the updates so far.
type state struct {
	updated  bool         // at least once, with success or without
	verified verifiedRoot // the last one; zero if no update succeeded
	// refusal is why verified must not be trusted until an update succeeds.
	refusal *updateError
	failure *updateError // of the last update; nil if it succeeded
}

func (r *Roots) newFollower(name, title string, repository repository) *follower {
	f := &follower{
		title: title, repository: repository, client: r.client, pace: &r.pace, work: &r.work,
		patience: r.options.Patience, now: r.options.Now, changed: r.options.Changed,
		log:   r.options.Log.WithName("trust").WithValues("trustRoot", title, "mirror", repository.mirror),
		first: make(chan struct{}),
	}
	f.cacheDir, f.cacheErr = cacheDir(r.options.CacheDir, name, repository)
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// start begins to follow the repository. Only the first call counts.
func (f *follower) start() {
	f.once.Do(func() {
		f.begun = time.Now()
		f.work.Go(f.follow)
	})
}

func (f *follower) follow() {
	for f.ctx.Err() == nil {
		f.update()
		timer := time.NewTimer(f.pause())
		select {
		case <-f.ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pause is the time to the next update. It is partly random, so that the replicas do not all ask at
// the same time.
func (f *follower) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.failure != nil {
		return f.pace.retry
	}
	pause := max(min(f.pace.refresh, f.state.verified.expires.Sub(f.now())/2), f.pace.retry)
	return pause - rand.N(pause/10+1)
}

// update asks the mirror and records the result.
func (f *follower) update() {
	f.updating.Lock()
	defer f.updating.Unlock()
	ctx, cancel := context.WithTimeout(f.ctx, updateTimeout)
	defer cancel()
	found, failure := verifiedRoot{}, &updateError{detail: "--tuf-cache names no directory", err: f.cacheErr}
	if f.cacheErr == nil {
		found, failure = f.repository.update(ctx, f.client, f.cacheDir, f.now())
	}
	if f.ctx.Err() != nil {
		return // stopped: the result is not needed, and the stop may be why it is a failure
	}
	f.record(found, failure)
	f.changed()
}

// record records the result of an update. If the mirror did not answer, the trust root stays in use
// until it expires. An answer that TUF refuses is a sign of an attack: then there is no trust root
// until an update succeeds.
func (f *follower) record(found verifiedRoot, failure *updateError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logChange(failure)
	first := !f.state.updated
	f.state.updated, f.state.failure = true, failure
	switch {
	case failure == nil:
		f.state.verified, f.state.refusal = found, nil
	case failure.refused:
		f.state.refusal = failure
	case first && f.cacheErr == nil:
		// After a restart, the cache proves as much as a running chartgate would have in memory.
		if cached, err := f.repository.cached(f.cacheDir, f.now()); err == nil {
			f.state.verified = cached
		}
	}
	if first {
		close(f.first)
	}
}

// logChange logs a result that differs from the one before.
func (f *follower) logChange(failure *updateError) {
	switch before := f.state.failure; {
	case failure == nil && (!f.state.updated || before != nil):
		f.log.Info("trust root fetched")
	case failure != nil && (before == nil || before.detail != failure.detail):
		f.log.Error(failure.err, "trust root not fetched", "why", failure.detail, "refused", failure.refused)
	}
}

// root returns the trust root. It waits for the first update only, as long as ctx and patience
// allow.
func (f *follower) root(ctx context.Context) (signature.Root, error) {
	f.start()
	timer := time.NewTimer(time.Until(f.begun.Add(f.patience)))
	defer timer.Stop()
	select {
	case <-f.first:
	default:
		select {
		case <-f.first:
		case <-f.ctx.Done():
			return signature.Root{}, unavailable(f.title+" has just been changed or deleted", nil)
		case <-ctx.Done():
			return signature.Root{}, unavailable(f.title+" is still being fetched from "+f.repository.mirror, ctx.Err())
		case <-timer.C:
			return signature.Root{}, unavailable(f.title+" is still being fetched from "+f.repository.mirror, nil)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.unavailable(); err != nil {
		return signature.Root{}, unavailable(err.detail, err.err)
	}
	return f.state.verified.root, nil
}

// unavailable says why there is no trust root, nil if there is one. The detail is a full sentence.
func (f *follower) unavailable() *updateError {
	verified, failure, mirror := f.state.verified, f.state.failure, f.repository.mirror
	switch {
	case f.state.refusal != nil:
		return f.state.refusal.within("%s was refused as %s serves it", f.title, mirror)
	case verified.root.State() == "" && failure != nil:
		return failure.within("%s could not be fetched from %s", f.title, mirror)
	case f.now().Before(verified.expires):
		return nil
	case failure != nil:
		return failure.within("%s expired on %s and could not be fetched again from %s", f.title, day(verified.expires), mirror)
	default:
		return &updateError{detail: fmt.Sprintf("%s expired on %s and is being fetched again from %s", f.title, day(verified.expires), mirror)}
	}
}
