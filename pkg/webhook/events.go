package webhook

import (
	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// EventRecorder writes Kubernetes Events. client-go's recorders count equal Events and limit their
// rate, so a controller that retries makes one Event with a counter.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// EventNotifier writes Events about denials that Flux does not show: it shows no denied write of a
// status, and no denied HelmChart on its HelmRelease.
type EventNotifier struct{ recorder EventRecorder }

// NewEventNotifier returns an EventNotifier that writes with recorder.
func NewEventNotifier(recorder EventRecorder) *EventNotifier {
	return &EventNotifier{recorder: recorder}
}

// maxNote is the API server's limit on the text of an Event, less what the recorder may add.
const maxNote = 1000

// send writes a Warning Event for each denial, on the denied object and on the HelmReleases that
// install it, and for each warning, on the object that it is about.
func (n *EventNotifier) send(found findings) {
	if n == nil {
		return
	}
	for _, d := range found.dependents {
		if !d.verdict.Admits() {
			cause := "the change of " + found.write.ID.String()
			n.event(d.object, d.verdict, d.verdict.BreaksNote(cause, maxNote, again(d.object, true)))
		}
	}
	for _, v := range found.verdicts {
		if v.Admits() && !v.Warned() {
			continue
		}
		n.event(found.write.Object, v, v.Note(maxNote, again(found.write.Object, found.write.Old != nil)))
		for _, user := range found.users {
			n.event(user, v, v.Note(maxNote, again(user, true)))
		}
	}
}

// event writes one Event on an object.
func (n *EventNotifier) event(on source.Object, v verdict.Verdict, note string) {
	n.recorder.Eventf(referenceTo(on), nil, corev1.EventTypeWarning, string(v.Reason()), "Admit", "%s", note)
}

// again returns the command that makes an object's controller try again. What does not
// exist yet cannot be annotated, and Argo CD does not know Flux's annotation.
func again(on source.Object, exists bool) string {
	if !exists || on.Group == argo.Group {
		return ""
	}
	return verdict.Reconcile(on.Kind, on.Namespace, on.Name)
}

// referenceTo names an object as Events do: with its UID, by which kubectl describe finds them.
func referenceTo(o source.Object) *corev1.ObjectReference {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			UID types.UID `json:"uid"`
		} `json:"metadata"`
	}
	// Without a UID the Event is still found by the name of the object.
	_ = json.UnmarshalCaseSensitivePreserveInts(o.JSON, &object)
	return &corev1.ObjectReference{
		APIVersion: object.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: object.Metadata.UID,
	}
}
