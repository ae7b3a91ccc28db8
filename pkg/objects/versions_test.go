package objects_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

// slowMapper answers when it is let go.
type slowMapper struct {
	meta.RESTMapper
	free  chan struct{}
	asked atomic.Int64
	fail  func() error
}

func (m *slowMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	m.asked.Add(1)
	if m.free != nil {
		<-m.free
	}
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return nil, err
		}
	}
	return m.RESTMapper.RESTMapping(kind, versions...)
}

// An API server that does not say what it serves must not hold an admission beyond
// its deadline.
func TestSlowDiscovery(t *testing.T) {
	mapper := &slowMapper{RESTMapper: served(), free: make(chan struct{})}
	s := objects.NewReader(kube.Cluster(t, interceptor.Funcs{}, repository("apps", "a")), objects.NewVersions(mapper), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if found, err := s.Read(ctx, repositoryID("apps", "a")); !errors.Is(err, context.DeadlineExceeded) || len(found) > 0 {
				t.Errorf("%d objects, error %v", len(found), err)
			}
		})
	}
	group.Wait()
	if asked := mapper.asked.Load(); asked > 1 {
		t.Errorf("asked %d times while the first question was open", asked)
	}
	close(mapper.free)
	if found, err := s.Read(t.Context(), repositoryID("apps", "a")); err != nil || len(found) != 1 {
		t.Errorf("%d objects, error %v", len(found), err)
	}
}

// What went wrong once is asked again, and a panic is an error.
func TestBrokenDiscovery(t *testing.T) {
	for _, c := range []struct {
		sentence string
		fail     func() error
	}{
		{"an error", func() error { return kube.ErrInjected }},
		{"a panic", func() error { panic("injected") }},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			mapper := &slowMapper{RESTMapper: served(), fail: c.fail}
			s := objects.NewReader(kube.Cluster(t, interceptor.Funcs{}, repository("apps", "a")), objects.NewVersions(mapper), nil)
			if found, err := s.Read(t.Context(), repositoryID("apps", "a")); err == nil || len(found) > 0 {
				t.Errorf("%d objects, no error", len(found))
			}
			mapper.fail = nil
			if found, err := s.Read(t.Context(), repositoryID("apps", "a")); err != nil || len(found) != 1 {
				t.Errorf("%d objects, error %v", len(found), err)
			}
		})
	}
}
