package webhook

import (
	"context"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// EventRecorder writes Kubernetes Events. client-go's recorders aggregate equal
// ones and limit their rate, so a controller that retries makes one Event that
// counts.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// Notices tells people what the objects that they look at do not: Flux shows
// nothing of a denied status write, and of a denied HelmChart nothing on its
// HelmRelease.
type Notices struct{ events EventRecorder }

// NewNotices returns Notices that go to events.
func NewNotices(events EventRecorder) *Notices { return &Notices{events: events} }

// maxNote is the API server's limit on the text of an Event, less what the
// recorder's own marks may take.
const maxNote = 1000

// send writes a Warning Event for each denial on the object that is denied and on
// the HelmReleases that install it, and for each warning on what is warned of.
func (n *Notices) send(ctx context.Context, usersOf func(context.Context, source.ID) ([]source.Object, error), write source.Write, found findings) {
	if n == nil {
		return
	}
	for _, d := range found.dependents {
		if !d.verdict.Admits() {
			cause := "the change of " + write.ID.String()
			n.event(d.object, d.verdict, d.verdict.BreaksNote(cause, maxNote, again(d.object, true)))
		}
	}
	for _, v := range found.verdicts {
		if v.Admits() && !v.Warned() {
			continue
		}
		n.event(write.Object, v, v.Note(maxNote, again(write.Object, write.Old != nil)))
		if v.Admits() {
			continue
		}
		users, err := usersOf(ctx, write.ID)
		if err != nil {
			logr.FromContextOrDiscard(ctx).Error(err, "the releases that use a denied source were not told", "source", write.ID.String())
		}
		for _, user := range users {
			n.event(user, v, v.Note(maxNote, again(user, true)))
		}
	}
}

// event writes what people read on an object.
func (n *Notices) event(on source.Object, v verdict.Verdict, note string) {
	n.events.Eventf(referenceTo(on), nil, corev1.EventTypeWarning, string(v.Reason()), "Admit", "%s", note)
}

// again returns the command that makes an object's controller try again. What does not
// exist yet cannot be annotated, and Argo CD does not know Flux's annotation.
func again(on source.Object, exists bool) string {
	if !exists || on.Group == argo.Group {
		return ""
	}
	return verdict.Reconcile(on.Kind, on.Namespace, on.Name)
}

// referenceTo names an object as Events do: with its UID, by which kubectl describe
// finds them.
func referenceTo(o source.Object) *corev1.ObjectReference {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			UID types.UID `json:"uid"`
		} `json:"metadata"`
	}
	// What cannot be read has no UID; the Event is found by name then.
	_ = json.UnmarshalCaseSensitivePreserveInts(o.JSON, &object)
	return &corev1.ObjectReference{
		APIVersion: object.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: object.Metadata.UID,
	}
}
