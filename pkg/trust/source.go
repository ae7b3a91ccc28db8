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

// pace is when updates follow each other.
type pace struct{ refresh, retry time.Duration }

// source follows one TUF repository. Only its own goroutine asks the mirror, one update at a time; everybody else reads
// what the last one brought.
type source struct {
	title    string // for people
	where    repository
	dir      string
	noDir    error
	client   *http.Client
	pace     *pace
	patience time.Duration
	now      func() time.Time
	changed  func()
	log      logr.Logger

	ctx   context.Context // ends when nobody needs the source any more
	stop  context.CancelFunc
	work  *sync.WaitGroup
	once  sync.Once
	begun time.Time     // by the system's clock
	first chan struct{} // closed after the first update

	updating sync.Mutex
	mu       sync.Mutex
	state    state
}

// state is what the updates so far brought.
type state struct {
	updated bool    // at least once, with whatever result
	good    content // the last that was proven; zero if none was
	// refused is why good is not to be trusted any more, until an update succeeds.
	refused *failure
	failed  *failure // of the last update; nil if it succeeded
}

func (r *Roots) newSource(name, title string, where repository) *source {
	s := &source{
		title: title, where: where, client: r.client, pace: &r.pace, work: &r.work,
		patience: r.options.Patience, now: r.options.Now, changed: r.options.Changed,
		log:   r.options.Log.WithName("trust").WithValues("trustRoot", title, "mirror", where.mirror),
		first: make(chan struct{}),
	}
	s.dir, s.noDir = cacheOf(r.options.CacheDir, name, where)
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// start begins to follow the repository, once.
func (s *source) start() {
	s.once.Do(func() {
		s.begun = time.Now()
		s.work.Go(s.follow)
	})
}

func (s *source) follow() {
	for s.ctx.Err() == nil {
		s.update()
		timer := time.NewTimer(s.pause())
		select {
		case <-s.ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pause is the time to the next update, with some chance in it, so that replicas do not ask all at once.
func (s *source) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.failed != nil {
		return s.pace.retry
	}
	pause := max(min(s.pace.refresh, s.state.good.expires.Sub(s.now())/2), s.pace.retry)
	return pause - rand.N(pause/10+1)
}

// update asks the mirror and takes what it says into the state.
func (s *source) update() {
	s.updating.Lock()
	defer s.updating.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, updateTimeout)
	defer cancel()
	found, failed := content{}, &failure{clause: "--tuf-cache names no directory", err: s.noDir}
	if s.noDir == nil {
		found, failed = s.where.run(ctx, s.client, s.dir, s.now())
	}
	if s.ctx.Err() != nil {
		return // stopped: nobody is interested, and the failure may be just that
	}
	s.take(found, failed)
	s.changed()
}

// take is how an update changes the state. Without an answer, what is known stays in use until it expires. An answer that
// TUF refuses is a sign of an attack: then nothing is in use until an update succeeds.
func (s *source) take(found content, failed *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(failed)
	first := !s.state.updated
	s.state.updated, s.state.failed = true, failed
	switch {
	case failed == nil:
		s.state.good, s.state.refused = found, nil
	case failed.refused:
		s.state.refused = failed
	case first && s.noDir == nil:
		// After a restart the cache is as good as what a running chartgate would have in memory.
		if known, bad := s.where.cached(s.dir, s.now()); bad == nil {
			s.state.good = known
		}
	}
	if first {
		close(s.first)
	}
}

// tell logs what is new.
func (s *source) tell(failed *failure) {
	switch before := s.state.failed; {
	case failed == nil && (!s.state.updated || before != nil):
		s.log.Info("trust root fetched")
	case failed != nil && (before == nil || before.clause != failed.clause):
		s.log.Error(failed.err, "trust root not fetched", "why", failed.clause, "refused", failed.refused)
	}
}

// need returns the trust root. Only the first update is waited for, as long as ctx and patience allow.
func (s *source) need(ctx context.Context) (signature.Root, error) {
	s.start()
	timer := time.NewTimer(time.Until(s.begun.Add(s.patience)))
	defer timer.Stop()
	select {
	case <-s.first:
	default:
		select {
		case <-s.first:
		case <-s.ctx.Done():
			return signature.Root{}, unavailable(s.title+" has just been changed or deleted", nil)
		case <-ctx.Done():
			return signature.Root{}, unavailable(s.title+" is still being fetched from "+s.where.mirror, ctx.Err())
		case <-timer.C:
			return signature.Root{}, unavailable(s.title+" is still being fetched from "+s.where.mirror, nil)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if why := s.why(); why != nil {
		return signature.Root{}, unavailable(why.clause, why.err)
	}
	return s.state.good.root, nil
}

// why returns why there is no trust root, nil if there is one. The clause is a whole sentence.
func (s *source) why() *failure {
	switch good, now := s.state.good, s.now(); {
	case s.state.refused != nil:
		f := s.state.refused
		return &failure{clause: fmt.Sprintf("%s was refused as %s serves it: %s", s.title, s.where.mirror, f.clause), err: f.err}
	case good.root.State() == "" && s.state.failed != nil:
		f := s.state.failed
		return &failure{clause: fmt.Sprintf("%s could not be fetched from %s: %s", s.title, s.where.mirror, f.clause), err: f.err}
	case now.Before(good.expires):
		return nil
	case s.state.failed != nil:
		f := s.state.failed
		return &failure{clause: fmt.Sprintf("%s expired on %s and could not be fetched again from %s: %s", s.title, day(good.expires), s.where.mirror, f.clause), err: f.err}
	default:
		return &failure{clause: fmt.Sprintf("%s expired on %s and is being fetched again from %s", s.title, day(good.expires), s.where.mirror)}
	}
}
