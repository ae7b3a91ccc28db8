package inventory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/chartgate/chartgate/pkg/source"
)

// Snapshot holds the objects that take charts from somewhere, as a cluster had them when they were
// listed: some hundred bytes each. It is a source.Reader, so that a scan reads no object twice.
type Snapshot struct {
	objects map[source.ID]source.Object
	// unread are the reasons why nothing but the name of an object is kept. That is a row of the object and no problem
	// of the whole, so that nobody can make every run of the background verification fail with one object.
	unread   map[source.ID]error
	releases map[source.ID][]source.Object // by what their charts come from
	// complete are the kinds of which every object of the cluster is here.
	complete map[schema.GroupKind]bool
	// live reads what may not be here; nil if everything is.
	live source.Reader
	// Problems are what could not be listed.
	Problems []Problem
	// Absent are the kinds that the cluster does not serve.
	Absent []string
}

func newSnapshot(live source.Reader) *Snapshot {
	return &Snapshot{
		objects: map[source.ID]source.Object{}, unread: map[source.ID]error{}, releases: map[source.ID][]source.Object{}, complete: map[schema.GroupKind]bool{}, live: live,
	}
}

// add adds an object, of which only the name could be kept if there is a reason.
func (s *Snapshot) add(object source.Object, unread error) {
	if _, again := s.objects[object.ID]; again {
		return // a list that was begun again
	}
	s.objects[object.ID] = object
	if unread != nil {
		s.unread[object.ID] = unread
		return
	}
	if object.Kind != helmv2.HelmReleaseKind {
		return
	}
	release, err := source.ReadRelease(object)
	if err != nil {
		return // it is refused when it is examined
	}
	for _, from := range release.Sources {
		s.releases[from] = append(s.releases[from], object)
	}
}

// Len returns the number of objects.
func (s *Snapshot) Len() int { return len(s.objects) }

// Served returns an error where the cluster serves no kind that takes charts from somewhere.
func (s *Snapshot) Served() error {
	if len(s.Absent) == len(kinds()) {
		return errors.New("neither Flux nor Argo CD is installed: the cluster serves none of " + strings.Join(s.Absent, ", "))
	}
	return nil
}

// Objects returns all objects, by namespace, kind and name.
func (s *Snapshot) Objects() []source.Object {
	all := make([]source.Object, 0, len(s.objects))
	for _, object := range s.objects {
		all = append(all, object)
	}
	slices.SortFunc(all, func(a, b source.Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Group, b.Group))
	})
	return all
}

// Read implements source.Reader.
func (s *Snapshot) Read(ctx context.Context, id source.ID) ([]source.Object, error) {
	unread := s.unread[id]
	if object, ok := s.objects[id]; ok && unread == nil {
		return []source.Object{object}, nil
	}
	if s.live != nil && (unread != nil || !s.complete[schema.GroupKind{Group: id.Group, Kind: id.Kind}]) {
		return s.live.Read(ctx, id)
	}
	return nil, unread
}

// Releases implements source.Reader. Releases that could not be listed are missing.
func (s *Snapshot) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return s.releases[from], nil
}

// whyUnread implements partial.
func (s *Snapshot) whyUnread(id source.ID) error { return s.unread[id] }

var (
	_ source.Reader = (*Snapshot)(nil)
	_ partial       = (*Snapshot)(nil)
)
