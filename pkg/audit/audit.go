// Package audit verifies again, in the background, what a cluster deploys: on a schedule, and soon
// after a policy, identity or trust root has changed. What it finds goes to reports, Events and
// metrics. One replica, the leader, does it for all. It decides nothing: no admission waits for it,
// and none depends on what it found.
//
// +kubebuilder:rbac:groups=argoproj.io,resources=applications,verbs=list
// +kubebuilder:rbac:groups=openreports.io,resources=reports,verbs=get;list;create;update;delete
// +kubebuilder:rbac:groups=wgpolicyk8s.io,resources=policyreports,verbs=get;list;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create
package audit

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options configure an Auditor.
type Options struct {
	Rows Rows
	// Client writes; Live reads from the API server, not from a cache.
	Client client.Client
	Live   client.Reader
	// Interval is the time between two runs.
	Interval time.Duration
	// State identifies the policies, identities and trust roots in force; "" as long as they are not
	// loaded. A run follows soon after it has changed.
	State func() string
	// WithoutReports is set where chartgate must not write reports.
	WithoutReports bool
	Metrics        *Metrics
	Log            logr.Logger
}

// Auditor verifies in the background. Make one with New, and add it to a manager.
type Auditor struct {
	Options
	now    func() time.Time
	events *events
	// own is the memory where there are no reports.
	own inProcess
}

// New returns an Auditor.
func New(o Options) *Auditor {
	return &Auditor{Options: o, now: time.Now, events: &events{client: o.Client, now: time.Now}, own: inProcess{}}
}

const (
	// lookEvery is the time between two looks at State.
	lookEvery = 5 * time.Second
	// settleFor bounds how long a run waits for changes to end: a roll-out of policies writes many
	// objects. A run begins within settleFor of a change, and a little.
	settleFor = 30 * time.Second
	// retryAfter is the time after a run that has failed in part, unless Interval is shorter.
	retryAfter = 5 * time.Minute
	// jitter spreads the runs of many clusters that use one registry.
	jitter = 0.2
)

// NeedLeaderElection makes it run on one replica.
func (*Auditor) NeedLeaderElection() bool { return true }

// Start runs until ctx ends. It returns no error: an Auditor that fails must not end the process.
func (a *Auditor) Start(ctx context.Context) error {
	next, seen, interrupted := a.now(), "", false
	for {
		state, ok := a.await(ctx, seen, next)
		if !ok {
			return nil
		}
		err := a.lookUnder(ctx, state, !interrupted)
		interrupted = errors.Is(err, errChanged)
		switch {
		case ctx.Err() != nil:
			return nil
		case interrupted:
			a.Log.Info("the policies have changed; what runs in the cluster is verified from the start")
			next, state = a.now().Add(a.Interval), ""
		case err != nil:
			a.Log.Error(err, "what runs in the cluster could not be verified completely")
			next = a.now().Add(min(retryAfter, a.Interval))
		default:
			next = a.now().Add(wait.Jitter(a.Interval, jitter))
		}
		seen = state
	}
}

// await returns the state under which the next run looks: at the time, or earlier if the state is
// not what was seen, and has settled. It returns false when ctx ends.
func (a *Auditor) await(ctx context.Context, seen string, next time.Time) (string, bool) {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	last, since := seen, time.Time{}
	for {
		state := a.State()
		switch now := a.now(); {
		case state == "":
		case !now.Before(next):
			return state, true
		case state == seen:
			since = time.Time{}
		case since.IsZero():
			since = now
		case state == last || now.Sub(since) >= settleFor:
			return state, true
		}
		last = state
		select {
		case <-ctx.Done():
			return "", false
		case <-ticks.C:
		}
	}
}

var errChanged = errors.New("the policies, identities or trust roots have changed")

// lookUnder looks, and gives up with errChanged when the state changes. A run that follows on one
// that was given up is not interrupted: however often policies change, every second run looks at
// everything.
func (a *Auditor) lookUnder(ctx context.Context, state string, interruptible bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if interruptible {
		go func() {
			ticks := time.NewTicker(lookEvery)
			defer ticks.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticks.C:
				}
				if a.State() != state {
					cancel(errChanged)
					return
				}
			}
		}()
	}
	return a.look(ctx)
}

// recollect returns the memory that the cluster has now: definitions of reports can come and go.
func (a *Auditor) recollect() (memory, error) {
	if a.WithoutReports {
		return a.own, nil
	}
	flavor, found, err := served(a.Client.RESTMapper())
	switch {
	case err != nil:
		return nil, err
	case found:
		return &reports{flavor: flavor, reader: a.Live, writer: a.Client}, nil
	default:
		return a.own, nil
	}
}
