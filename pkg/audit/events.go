package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// maxNote is the API server's limit on the text of an Event, less a margin.
const maxNote = 1000

// events writes Events. client-go's recorders write them later, drop them when there are many, and
// give each a name of its own; these are written before anything is remembered, and an Event for
// the same news has the same name. So a leader that dies between the two loses none, and the next
// one writes none twice.
type events struct {
	client client.Client
	now    func() time.Time
}

// tell writes news about a row. The version is that of what was remembered when it was news.
func (e *events) tell(ctx context.Context, of inventory.Object, row key, version string, n news) error {
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: eventName(of, row, version, n)},
		EventTime:  metav1.NewMicroTime(e.now()),
		Type:       corev1.EventTypeNormal, Reason: n.reason, Action: "Audit", Note: strings.ToValidUTF8(n.note[:min(len(n.note), maxNote)], ""),
		ReportingController: reporter, ReportingInstance: reporter + "-audit",
		Regarding: corev1.ObjectReference{
			APIVersion: schema.GroupVersion{Group: of.Group, Version: of.Version}.String(),
			Kind:       of.Kind, Namespace: of.Namespace, Name: of.Name, UID: types.UID(of.UID),
		},
	}
	if n.warning {
		event.Type = corev1.EventTypeWarning
	}
	err := e.client.Create(ctx, event)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return ignoreEnding(err)
}

func eventName(of inventory.Object, row key, version string, n news) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{of.UID, row.field, row.reference, version, n.reason, n.note}))
	return reporter + "-audit." + hex.EncodeToString(sum[:12])
}
