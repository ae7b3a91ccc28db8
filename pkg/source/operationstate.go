package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
)

// argoOperationState is status.operationState: the running operation. The controller resumes from
// it, and anyone who can edit an Application can write it.
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

// phaseTerminating is what argocd-server writes for "argocd app terminate-op". The controller stops
// what runs and deploys nothing (SyncAppState, v2.14 and v3.2).
const phaseTerminating = "Terminating"

// completed reports whether the controller starts an operation afresh beside this state instead of
// resuming from it (isOperationInProgress and OperationPhase.Completed, v3.2).
func (s argoOperationState) completed() bool {
	switch s.Phase {
	case "Succeeded", "Failed", "Error":
		return true
	default:
		return false
	}
}

// recordedFields reads the recorded state of an operation. What Argo CD's application controller
// writes while an operation runs is its record and is left alone: a denial would make it repeat the
// write without end. These are updates without a field manager (controller/appcontroller.go, v3.2).
// Every other write carries what a user wrote into it: argocd-server keeps the status of an
// Application that it creates, and patches the children of an app of apps for its users; the
// controller applies a child as it stands in Git, with a field manager. A state that a new
// operation resumes is read, whatever user writes it: it may be older than any gate.
func (e *Extractor) recordedFields(w Write, app, old *application) []gatedField {
	state := app.Status.OperationState
	if state == nil {
		return nil
	}
	if old == nil {
		old = new(application)
	}
	own := w.Old != nil && w.FieldManager == "" && slices.Contains(e.options.ArgoUsers, w.User)
	fields := e.stateFields(*state, *app, "")
	same := slices.Equal(fields, e.keptFields(*state, *app, *old))
	switch {
	case !own && old.Operation != nil && !same && len(fields)+len(e.syncedFields("spec", *app, nil)) > 0:
		// The controller writes parts of the state while an operation runs, so what another user
		// writes meanwhile is mixed with it, whatever operation it names besides: two signed charts
		// make a third one.
		return []gatedField{stateField{app: w.ID, user: w.User, state: fmt.Sprint(fields)}}
	case !state.completed() && e.startsOperation(*app, *old):
		return e.stateFields(*state, *app, "resumed")
	case own, same && state.Phase == phaseTerminating:
		return nil
	default:
		return fields
	}
}

// keptFields reads the state that old has, with the phase of state where that only terminates it. A
// state without sources deploys those of app.
func (e *Extractor) keptFields(state argoOperationState, app, old application) []gatedField {
	if old.Status.OperationState == nil {
		return nil
	}
	kept := *old.Status.OperationState
	if state.Phase == phaseTerminating {
		kept.Phase = state.Phase
	}
	return e.stateFields(kept, app, "")
}

// startsOperation reports whether app has an operation that old, which may be empty, has not.
func (e *Extractor) startsOperation(app, old application) bool {
	if app.Operation == nil || old.Operation == nil {
		return app.Operation != nil
	}
	return !slices.Equal(e.operationFields("", *old.Operation, old, ""), e.operationFields("", *app.Operation, app, ""))
}

// stateFields reads the state of an operation that is resumed now, or may be. syncResult decides
// what a resumed sync deploys; where it is absent, or on a retry, the recorded operation does. Argo
// CD 2 takes the revisions from the one and the sources from the other (controller/sync.go, v2.14).
// All are read, finished or not.
func (e *Extractor) stateFields(state argoOperationState, app application, resumed string) []gatedField {
	const path = "status.operationState"
	when := fmt.Sprintf("%s|%s|%d|%s", state.Phase, state.FinishedAt, state.RetryCount, resumed)
	fields := e.operationFields(path+".operation", state.Operation, app, when)
	result := state.SyncResult
	if result == nil {
		return fields
	}
	at := &revisions{single: result.Revision, list: result.Revisions, when: when}
	fields = append(fields, e.syncFields(path+".syncResult", argoSync{Source: result.Source, Sources: result.Sources}, at, app)...)
	if sync := state.Operation.Sync; sync != nil {
		mixed := &revisions{single: cmp.Or(result.Revision, sync.Revision), list: result.Revisions, when: when}
		if len(mixed.list) == 0 {
			mixed.list = sync.Revisions
		}
		fields = appendMissing(fields, e.syncFields(path+".operation.sync", *sync, mixed, app))
	}
	return fields
}

// stateField is the state of a running operation, written by another user than Argo CD's own.
type stateField struct {
	app         ID
	user, state string
}

func (f stateField) key() gatedField {
	f.user = ""
	return f
}

func (f stateField) use(context.Context, *Extractor) Use {
	return Use{Field: "status.operationState", Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: fmt.Sprintf("an operation runs, and %s is not Argo CD's user, which records its state", problem.QuoteInput(f.user)),
		Next:   "wait until the operation ends, or stop it: " + problem.Command("argocd", "app", "terminate-op", f.app.Name, "-N", f.app.Namespace),
	}}}
}
