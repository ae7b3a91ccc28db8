package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Stopper can be stopped, even after a start that failed half-way.
type Stopper interface{ Stop() error }

// Shared is a value that takes seconds to start. The first test that needs it starts it; Main stops
// it.
type Shared[T Stopper] struct {
	once    sync.Once
	value   T
	err     error
	started bool
}

// Get starts the value the first time.
func (s *Shared[T]) Get(t testing.TB, start func(context.Context) (T, error)) T {
	t.Helper()
	s.once.Do(func() {
		s.started = true
		// Not the test's context: other tests use the value too.
		s.value, s.err = start(context.Background())
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.value
}

// Value is the value; zero if it was not started.
func (s *Shared[T]) Value() T { return s.value }

// Stop stops the value if it was started.
func (s *Shared[T]) Stop() error {
	if !s.started {
		return nil
	}
	return s.value.Stop()
}

// Log is what the value's programs have written, if it can tell.
func (s *Shared[T]) Log() string {
	if logs, ok := any(s.value).(interface{ Log() string }); ok && s.started {
		return logs.Log()
	}
	return ""
}

// Main runs the tests of a package, stops what they have shared in that order, and ends the
// process. If a test failed, it prints what the shared values' programs have written.
func Main(m *testing.M, shared ...interface {
	Stopper
	Log() string
}) {
	code := m.Run()
	var errs []error
	for _, s := range shared {
		if code != 0 {
			fmt.Fprint(os.Stderr, s.Log())
		}
		errs = append(errs, s.Stop())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}
