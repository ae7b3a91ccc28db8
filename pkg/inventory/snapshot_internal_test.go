package inventory

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/chartgate/chartgate/pkg/source"
)

// asked is a cluster that answers every read, and remembers it.
type asked []source.ID

func (a *asked) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	*a = append(*a, id)
	return []source.Object{{ID: id}}, nil
}

func (a *asked) Releases(context.Context, source.ID) ([]source.Object, error) { return nil, nil }

// TestSnapshotReads: what a list holds, or would hold, is not read again.
func TestSnapshotReads(t *testing.T) {
	const flux = "source.toolkit.fluxcd.io"
	held := source.ID{Group: flux, Kind: "HelmChart", Namespace: "apps", Name: "held"}
	large := source.ID{Group: flux, Kind: "HelmChart", Namespace: "apps", Name: "large"}
	for _, c := range []struct {
		sentence string
		id       source.ID
		want     string // who answers: the snapshot, the cluster, or nobody
	}{
		{"an object of the list", held, "snapshot"},
		{"an object of the list of which only the name is kept", large, "cluster"},
		{"an object of a kind that is listed in whole", source.ID{Group: flux, Kind: "HelmChart", Namespace: "apps", Name: "other"}, "nobody"},
		{"an object of a kind that is not", source.ID{Group: flux, Kind: "HelmRepository", Namespace: "apps", Name: "other"}, "cluster"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			live := &asked{}
			s := newSnapshot(live)
			s.add(source.Object{ID: held, JSON: []byte(`{}`)}, nil)
			s.add(source.Object{ID: large}, errors.New("injected"))
			s.complete[schema.GroupKind{Group: flux, Kind: "HelmChart"}] = true
			found, err := s.Read(t.Context(), c.id)
			got := "nobody"
			switch {
			case len(*live) > 0:
				got = "cluster"
			case len(found) > 0:
				got = "snapshot"
			}
			if got != c.want || err != nil {
				t.Errorf("%s answers, want %s; %v", got, c.want, err)
			}
		})
	}
}

// TestSnapshotOrder: objects come by namespace, kind and name, each once, though a list that was
// begun again held it twice.
func TestSnapshotOrder(t *testing.T) {
	s := newSnapshot(nil)
	for _, name := range []string{"b/HelmChart/x", "a/OCIRepository/x", "a/HelmChart/y", "b/HelmChart/x", "a/HelmChart/x"} {
		part := strings.Split(name, "/")
		s.add(source.Object{ID: source.ID{Namespace: part[0], Kind: part[1], Name: part[2]}}, nil)
	}
	var got []string
	for _, o := range s.Objects() {
		got = append(got, o.Namespace+"/"+o.Kind+"/"+o.Name)
	}
	if diff := cmp.Diff([]string{"a/HelmChart/x", "a/HelmChart/y", "a/OCIRepository/x", "b/HelmChart/x"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReleasesOfASource: a release that a list held twice counts once.
func TestReleasesOfASource(t *testing.T) {
	s := newSnapshot(nil)
	release := source.Object{
		ID:   source.ID{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: "apps", Name: "web"},
		JSON: []byte(`{"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"namespace": "apps", "name": "web"}, "spec": {"chartRef": {"kind": "OCIRepository", "name": "web"}}}`),
	}
	s.add(release, nil)
	s.add(release, nil)
	found, err := s.Releases(t.Context(), source.ID{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository", Namespace: "apps", Name: "web"})
	if err != nil || len(found) != 1 {
		t.Errorf("%d releases, %v", len(found), err)
	}
}

// TestServed: one kind is enough.
func TestServed(t *testing.T) {
	s := newSnapshot(nil)
	for _, k := range kinds()[1:] {
		s.Absent = append(s.Absent, k.Kind)
	}
	if err := s.Served(); err != nil {
		t.Error(err)
	}
	s.Absent = append(s.Absent, kinds()[0].Kind)
	if err := s.Served(); err == nil || !strings.Contains(err.Error(), "neither Flux nor Argo CD is installed") {
		t.Error(err)
	}
}
