package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Setup says what a Site consists of.
type Setup struct {
	cluster.Options
	// Values are those of chartgate's chart.
	Values map[string]any
	// ManagedCertificate has chartgate make its serving certificate; otherwise the test makes it.
	ManagedCertificate bool
	// Objects is YAML of objects that exist before chartgate starts. Policies among them are in
	// force as soon as chartgate is ready.
	Objects string
	// Prepare changes the cluster before chartgate is installed; it may be nil.
	Prepare func(context.Context, *cluster.Cluster) error
	// Args are arguments of chartgate beside those of the chart.
	Args []string
	// Stopped leaves it to the test to start chartgate.
	Stopped bool
	// Absent leaves it to the test to install chartgate.
	Absent bool
	// Local translates the names that rows use to those of this machine, Public translates them
	// back. Nil changes nothing.
	Local, Public func(string) string
}

// Site is a cluster with chartgate in it.
type Site struct {
	*cluster.Cluster
	Installation *cluster.Installation
	// Gate is the running chartgate; nil if it was not started.
	Gate *cluster.Process
	// Forbidden is set by tests that take rights away from chartgate. In other tests it is an error
	// that the API server denies chartgate a right.
	Forbidden bool

	local, public func(string) string
}

// Open starts the cluster and installs and starts chartgate. Stop stops the Site, also after an
// error.
func Open(ctx context.Context, setup Setup) (*Site, error) {
	same := func(text string) string { return text }
	s := &Site{local: setup.Local, public: setup.Public}
	if s.local == nil {
		s.local = same
	}
	if s.public == nil {
		s.public = same
	}
	var err error
	if s.Cluster, err = cluster.Start(ctx, setup.Options); err != nil {
		return s, err
	}
	if setup.Prepare != nil {
		if err := setup.Prepare(ctx, s.Cluster); err != nil {
			return s, err
		}
	}
	if setup.Absent {
		return s, nil
	}
	if s.Installation, err = s.Install(ctx, setup.Values, setup.ManagedCertificate); err != nil {
		return s, err
	}
	if err := s.ApplyText(ctx, setup.Objects); err != nil {
		return s, err
	}
	if setup.Stopped {
		return s, nil
	}
	return s, s.Start(ctx, setup.Args...)
}

// OpenForTest is Open for one test, which stops the Site at its end.
func OpenForTest(t testing.TB, setup Setup) *Site {
	t.Helper()
	s, err := Open(t.Context(), setup)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Start starts chartgate with more arguments and waits until it is ready.
func (s *Site) Start(ctx context.Context, args ...string) error {
	gate, err := s.Installation.Run(ctx, args...)
	if err == nil {
		s.Gate = gate
	}
	return err
}

// Restart stops chartgate if it runs, and starts it with more arguments.
func (s *Site) Restart(t testing.TB, args ...string) {
	t.Helper()
	if s.Gate != nil {
		if err := s.Gate.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	// Not the test's context: other tests use it too.
	if err := s.Start(context.Background(), args...); err != nil {
		t.Fatal(err)
	}
}

// Stop stops chartgate, which must exit with code 0, and the cluster.
func (s *Site) Stop() error {
	if s == nil {
		return nil
	}
	var errs []error
	if s.Gate != nil {
		errs = append(errs, s.Gate.Stop())
		if !s.Forbidden && strings.Contains(s.Gate.Log(), "is forbidden") {
			errs = append(errs, fmt.Errorf("the chart's RBAC does not allow what chartgate does:\n%s", s.Gate.Log()))
		}
	}
	if s.Cluster != nil {
		errs = append(errs, s.Cluster.Stop())
	}
	return errors.Join(errs...)
}

// Local translates the names that rows use to those of this machine.
func (s *Site) Local(text string) string { return s.local(text) }

// Public translates the names of this machine to those that rows use.
func (s *Site) Public(text string) string { return s.public(text) }

// ApplyText applies YAML with the names that rows use.
func (s *Site) ApplyText(ctx context.Context, text string) error {
	objects, err := cluster.Objects(s.local(text))
	if err != nil || len(objects) == 0 {
		return err
	}
	return s.Apply(ctx, objects...)
}

// Objects reads YAML with the names that rows use.
func (s *Site) Objects(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.Objects(s.local(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// Object reads YAML of one object.
func (s *Site) Object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	objects := s.Objects(t, text)
	if len(objects) != 1 {
		t.Fatalf("want one object, found %d in\n%s", len(objects), text)
	}
	return objects[0]
}
