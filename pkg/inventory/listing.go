package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

const (
	// page bounds what one answer to a list holds in memory: an object may have 1.5 MiB.
	page = 25
	// maxRestarts is how often a list is begun again because it took longer than the API server
	// keeps its start.
	maxRestarts = 3
)

// Cluster lists the objects of a cluster that take charts from somewhere, and the releases that helm
// itself installed.
type Cluster struct {
	Config   *rest.Config
	HTTP     *http.Client
	Versions *objects.Versions
	// Live reads single objects that a list does not hold.
	Live source.Reader
	// Namespace restricts what is listed; "" is all namespaces.
	Namespace string
	// Listed is told how many objects have been read so far. It may be nil.
	Listed func(int)
}

// List lists every kind. What cannot be listed is a problem of the snapshot, and the rest goes on.
// An error is that of a cluster that does not answer, or of ctx.
func (c *Cluster) List(ctx context.Context) (*Snapshot, error) {
	s := newSnapshot(c.Live)
	for _, k := range kinds() {
		mapping, err := c.Versions.Of(ctx, k.GroupKind)
		switch {
		case meta.IsNoMatchError(err):
			s.Absent = append(s.Absent, k.Kind)
			s.complete[k.GroupKind] = true
			continue
		case err != nil:
			return nil, fmt.Errorf("find the served version of %s: %w", k.Kind, err)
		}
		if err := c.listKind(ctx, s, k, mapping.GroupVersionKind); err != nil {
			if ctx.Err() != nil || !isAnswer(err) {
				return nil, fmt.Errorf("list %s: %w", plural(k.Kind), err)
			}
			s.Problems = append(s.Problems, c.problem(k, mapping.Resource.Resource, err))
			continue
		}
		s.complete[k.GroupKind] = c.Namespace == ""
	}
	return s, nil
}

// isAnswer reports whether an error is an answer of the API server, and not one of the network.
func isAnswer(err error) bool {
	return apierrors.ReasonForError(err) != metav1.StatusReasonUnknown
}

// problem says in plain words what is missing, and whom it takes to list it.
func (c *Cluster) problem(k kind, resource string, err error) Problem {
	p := Problem{What: plural(k.Kind) + " " + c.where(), Why: firstLine(err)}
	switch {
	case apierrors.IsForbidden(err):
		scope := "-A"
		if c.Namespace != "" {
			scope = "-n " + problem.Quote(c.Namespace)
		}
		p.Why = "this user may not list them"
		p.Next = fmt.Sprintf("ask the cluster's admin for the right to list %s.%s; to check: kubectl auth can-i list %s.%s %s", resource, k.Group, resource, k.Group, scope)
	case apierrors.IsUnauthorized(err):
		p.Why, p.Next = "the API server does not know this user", "log in to the cluster again"
	}
	return p
}

func (c *Cluster) where() string {
	if c.Namespace == "" {
		return "in all namespaces"
	}
	return "in namespace " + c.Namespace
}

func plural(kind string) string {
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		return stem + "ies"
	}
	return kind + "s"
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// listKind lists one kind page by page.
func (c *Cluster) listKind(ctx context.Context, s *Snapshot, k kind, gvk schema.GroupVersionKind) error {
	reader, err := c.reader(gvk)
	if err != nil {
		return err
	}
	for raw, err := range pages(ctx, reader, c.Namespace) {
		if err != nil {
			return err
		}
		object, err := k.keep(raw)
		s.add(object, err)
		if c.Listed != nil {
			c.Listed(s.Len())
		}
	}
	return nil
}

// objectList is a list whose items are not decoded yet.
type objectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []json.RawMessage `json:"items"`
}

// DeepCopyObject implements runtime.Object. The copy shares the items, which are never changed.
func (l *objectList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.Items = slices.Clone(l.Items)
	return &copied
}

// reader returns a client that lists one kind without decoding its objects.
func (c *Cluster) reader(gvk schema.GroupVersionKind) (client.Reader, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(gvk.GroupVersion().WithKind(gvk.Kind+"List"), &objectList{})
	metav1.AddToGroupVersion(scheme, gvk.GroupVersion())
	return client.New(c.Config, client.Options{Scheme: scheme, Mapper: c.Versions.Mapper, HTTPClient: c.HTTP})
}

// pages yields the objects of a kind. Where a list has outlived its start on the API server, it goes
// on with the token that the server offers, or begins again: the caller may meet an object twice.
func pages(ctx context.Context, reader client.Reader, namespace string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		token, restarts := "", 0
		for {
			list := &objectList{}
			err := reader.List(ctx, list, client.Limit(page), client.Continue(token), client.InNamespace(namespace))
			if apierrors.IsResourceExpired(err) && restarts < maxRestarts {
				restarts++
				token = resumed(err)
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range list.Items {
				if !yield(raw, nil) {
					return
				}
			}
			if token = list.Continue; token == "" {
				return
			}
		}
	}
}

// resumed returns the token with which an API server lets an expired list go on, inconsistently;
// "" begins again.
func resumed(err error) string {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return status.Status().Continue
	}
	return ""
}
