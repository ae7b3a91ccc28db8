package source

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// argoOperation is an Application's operation: the sync that the controller starts
// as soon as it sees it. All fields were observed to decide what is deployed
// (Argo CD 3.2); argo-cd/v2's types lack retry.refresh.
type argoOperation struct {
	Sync  *argoSync `json:"sync"`
	Retry struct {
		Refresh bool `json:"refresh"`
	} `json:"retry"`
}

type argoSync struct {
	Source    *argoSource `json:"source"`
	Sources   argoSources `json:"sources"`
	Revision  string      `json:"revision"`
	Revisions []string    `json:"revisions"`
	Manifests []string    `json:"manifests"`
}

// argoOperationState is status.operationState: the running operation. The
// controller resumes from it, and whoever may edit an Application may write it.
type argoOperationState struct {
	Phase      string        `json:"phase"`
	FinishedAt string        `json:"finishedAt"`
	RetryCount int64         `json:"retryCount"`
	Operation  argoOperation `json:"operation"`
	SyncResult *struct {
		Source    *argoSource `json:"source"`
		Sources   argoSources `json:"sources"`
		Revision  string      `json:"revision"`
		Revisions []string    `json:"revisions"`
	} `json:"syncResult"`
}

// onlySource is the position of a source that is not in a list.
const onlySource = -1

// revisions are those that a sync names, in place of its sources' own.
type revisions struct {
	single  string
	list    []string
	refresh bool // a retry resolves again, unseen
	when    string
}

// forSources returns what is left of the revisions for a list of n sources: Argo CD
// drops a list of another length whole (CompareAppState, v2.14 and v3.2).
func (r *revisions) forSources(n int) *revisions {
	if r == nil || len(r.list) == n {
		return r
	}
	left := *r
	left.list = nil
	return &left
}

func (r *revisions) whenOf() string {
	if r == nil {
		return ""
	}
	return r.when
}

// of returns the revision for the source at position i; "" if the sync names none.
func (r *revisions) of(i int) string {
	switch {
	case i == onlySource:
		return r.single
	case i < len(r.list):
		return r.list[i]
	default:
		return ""
	}
}

// apply returns the source as the sync deploys it. Without a revision, the
// controller falls back on the source's own.
func (r *revisions) apply(s argoSource, i int) argoSource {
	if r != nil && r.of(i) != "" {
		s.TargetRevision = r.of(i)
	}
	return s
}

// unseen reports whether the controller resolves the revision by itself.
func (r *revisions) unseen(i int) bool {
	return r != nil && (r.refresh || r.of(i) == "")
}

// operationClaims reads a sync. It is checked even where it repeats spec, because
// every sync deploys anew.
func (e *Extractor) operationClaims(field string, operation argoOperation, app application, when string) []claim {
	sync := operation.Sync
	if sync == nil {
		return nil
	}
	at := &revisions{single: sync.Revision, list: sync.Revisions, refresh: operation.Retry.Refresh, when: when}
	claims := e.syncClaims(field+".sync", sync.Source, sync.Sources, at, app)
	if at.refresh {
		// A retry forgets the revisions, and takes the sources' own.
		own := &revisions{refresh: true, when: when}
		claims = appendNew(claims, e.syncClaims(field+".sync", sync.Source, sync.Sources, own, app))
	}
	if len(sync.Manifests) > 0 && (len(claims) > 0 || len(e.specClaims("spec", app, nil)) > 0) {
		claims = append(claims, manifestsClaim{field: field + ".sync.manifests", manifests: strings.Join(sync.Manifests, "\x00"), when: when})
	}
	return claims
}

// syncClaims reads sources with the revisions of a sync. A sync without sources
// deploys those of spec.
func (e *Extractor) syncClaims(field string, source *argoSource, sources []argoSource, at *revisions, app application) []claim {
	if len(sources) == 0 && (source == nil || *source == argoSource{}) {
		return e.specClaims(field, app, at)
	}
	return e.argoClaims(field, source, sources, at)
}

// completed reports whether the controller starts an operation afresh beside this state
// instead of resuming from it (isOperationInProgress and OperationPhase.Completed, v3.2).
func (s argoOperationState) completed() bool {
	switch s.Phase {
	case "Succeeded", "Failed", "Error":
		return true
	default:
		return false
	}
}

// recordedClaims reads the recorded state of an operation. What Argo CD's application controller
// writes while an operation runs is its record and is left alone: a denial would make it repeat
// the write without end. These are updates without a field manager (controller/appcontroller.go,
// v3.2). Everything else carries what somebody wrote into it: argocd-server keeps the status of an
// Application that it creates, and patches the children of an app of apps for its users; the
// controller applies a child as it stands in Git, with a field manager. A state that a new
// operation resumes is read, whoever writes: it may be older than any gate.
func (e *Extractor) recordedClaims(w Write, app application) []claim {
	state := app.Status.OperationState
	if state == nil {
		return nil
	}
	own := w.Old != nil && w.FieldManager == "" && slices.Contains(e.options.ArgoUsers, w.User)
	was := e.before(w)
	claims := e.stateClaims(*state, app, "")
	var kept []claim
	if old := was.Status.OperationState; old != nil {
		if state.Phase == phaseTerminating {
			old.Phase = state.Phase
		}
		kept = e.stateClaims(*old, app, "")
	}
	same := slices.Equal(claims, kept)
	switch {
	case !own && was.Operation != nil && !same && len(claims)+len(e.specClaims("spec", app, nil)) > 0:
		// The controller writes parts of the state while an operation runs, so what another user
		// writes meanwhile is mixed with it, whatever operation it names besides: two signed charts
		// make a third one.
		return []claim{stateClaim{user: w.User, state: fmt.Sprint(claims)}}
	case !state.completed() && e.startsOperation(w, app):
		return e.stateClaims(*state, app, "resumed")
	case own, same && state.Phase == phaseTerminating:
		return nil
	default:
		return claims
	}
}

// before returns the object before the write, empty if there was none or it cannot be read.
func (e *Extractor) before(w Write) application {
	var old application
	if w.Old != nil {
		before := w.Object
		before.JSON = w.Old
		if err := decode(before, &old); err != nil {
			return application{}
		}
	}
	return old
}

// stateClaim is the state of a running operation, written by another user than Argo CD's own.
type stateClaim struct{ user, state string }

func (c stateClaim) bare() claim {
	c.user = ""
	return c
}

func (c stateClaim) use(context.Context, *Extractor) Use {
	return Use{Field: "status.operationState", Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: fmt.Sprintf("an operation runs, and %s is not Argo CD's user, which records its state", chart.Quote(c.user)),
		Next:   "wait until the operation ends, or stop it: argocd app terminate-op",
	}}}
}

// phaseTerminating is what argocd-server writes for "argocd app terminate-op". The controller
// stops what runs and deploys nothing (SyncAppState, v2.14 and v3.2).
const phaseTerminating = "Terminating"

// startsOperation reports whether w sets an operation that was not there before, or was another.
func (e *Extractor) startsOperation(w Write, app application) bool {
	if app.Operation == nil || w.Old == nil {
		return app.Operation != nil
	}
	before := w.Object
	before.JSON = w.Old
	var old application
	if err := decode(before, &old); err != nil || old.Operation == nil {
		return true
	}
	return !slices.Equal(e.operationClaims("", *old.Operation, old, ""), e.operationClaims("", *app.Operation, app, ""))
}

// stateClaims reads the state of an operation that is resumed now, or may be. syncResult decides what a
// resumed sync deploys; where it is absent, or on a retry, the recorded operation
// does. Argo CD 2 takes the revisions from the one and the sources from the other
// (controller/sync.go, v2.14). All are read, finished or not.
func (e *Extractor) stateClaims(state argoOperationState, app application, resumed string) []claim {
	const field = "status.operationState"
	when := fmt.Sprintf("%s|%s|%d|%s", state.Phase, state.FinishedAt, state.RetryCount, resumed)
	claims := e.operationClaims(field+".operation", state.Operation, app, when)
	result := state.SyncResult
	if result == nil {
		return claims
	}
	at := &revisions{single: result.Revision, list: result.Revisions, when: when}
	claims = append(claims, e.syncClaims(field+".syncResult", result.Source, result.Sources, at, app)...)
	if sync := state.Operation.Sync; sync != nil {
		mixed := &revisions{single: or(result.Revision, sync.Revision), list: result.Revisions, when: when}
		if len(mixed.list) == 0 {
			mixed.list = sync.Revisions
		}
		claims = appendNew(claims, e.syncClaims(field+".operation.sync", sync.Source, sync.Sources, mixed, app))
	}
	return claims
}

func appendNew(claims, more []claim) []claim {
	for _, c := range more {
		if !slices.Contains(claims, c) {
			claims = append(claims, c)
		}
	}
	return claims
}

// manifestsClaim is a sync of manifests that somebody sends instead of the chart's.
type manifestsClaim struct{ field, manifests, when string }

func (c manifestsClaim) bare() claim { return c }

func (c manifestsClaim) use(context.Context, *Extractor) Use {
	return Use{Field: c.field, Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: "the sync brings its own manifests in place of the chart, and they are not signed",
		Next:   "sync the chart itself, without --local",
	}}}
}
