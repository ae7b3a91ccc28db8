package coalesce_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartgate/chartgate/pkg/coalesce"
)

var errInjected = errors.New("injected")

func TestCallersShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := coalesce.New[string, int](time.Minute)
		var runs atomic.Int32
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				got, err := group.Do(t.Context(), "key", func(context.Context) (int, error) {
					runs.Add(1)
					<-release
					return 42, errInjected
				})
				if got != 42 || err != errInjected {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		if runs.Load() != 1 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

// What is asked for after the answer is another question.
func TestAnAnswerIsNotKept(t *testing.T) {
	group := coalesce.New[string, int](time.Minute)
	runs := 0
	for want := 1; want <= 3; want++ {
		got, err := group.Do(t.Context(), "key", func(context.Context) (int, error) { runs++; return runs, nil })
		if got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
}

func TestOtherKeysAreOtherWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := coalesce.New[int, int](time.Minute)
		var both sync.WaitGroup
		both.Add(2)
		for key := range 2 {
			go func() {
				got, err := group.Do(t.Context(), key, func(context.Context) (int, error) {
					both.Done()
					both.Wait()
					return key, nil
				})
				if got != key || err != nil {
					t.Errorf("got %d, %v, want %d", got, err, key)
				}
			}()
		}
		synctest.Wait()
	})
}

func TestWorkThatEndsWithoutAResultIsAnError(t *testing.T) {
	for name, work := range map[string]func(context.Context) (int, error){
		"panic: canary":                   func(context.Context) (int, error) { panic("canary") },
		"panic: ":                         func(context.Context) (int, error) { panic(errInjected) },
		"the work ended without a result": func(context.Context) (int, error) { runtime.Goexit(); return 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			group := coalesce.New[string, int](time.Minute)
			for range 2 {
				got, err := group.Do(t.Context(), "key", work)
				if got != 0 || err == nil || !strings.HasPrefix(err.Error(), name) || errors.Is(err, coalesce.ErrStoppedWaiting) {
					t.Errorf("got %d, %v", got, err)
				}
			}
		})
	}
}

// The work ends with its last caller, and not before.
func TestWorkEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := coalesce.New[string, int](time.Minute)
		var ended atomic.Int32
		for _, patience := range []time.Duration{time.Second, 3 * time.Second} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := group.Do(ctx, "key", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					ended.Add(1)
					return 0, ctx.Err()
				})
				if !errors.Is(err, coalesce.ErrStoppedWaiting) || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ended.Load() != 0 {
			t.Error("it ended with its first caller")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("it goes on without callers")
		}
	})
}

func TestWorkOnWhichACallerGaveUpGetsNoNewCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := coalesce.New[string, int](time.Minute)
		hanging := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		go func() { _, _ = group.Do(t.Context(), "key", hanging) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := group.Do(ctx, "key", hanging); !errors.Is(err, coalesce.ErrStoppedWaiting) {
			t.Fatal(err)
		}
		if got, err := group.Do(t.Context(), "key", func(context.Context) (int, error) { return 42, nil }); got != 42 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
}

func TestWorkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := coalesce.New[string, int](time.Minute).Do(t.Context(), "key", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err != context.DeadlineExceeded || time.Since(began) != time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestACallerWhoseTimeIsOverStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := coalesce.New[string, int](time.Minute).Do(ctx, "key", func(context.Context) (int, error) {
		t.Error("it started")
		return 0, nil
	})
	if !errors.Is(err, coalesce.ErrStoppedWaiting) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCallersAreToldToTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := coalesce.New[string, int](time.Minute)
		var callers *coalesce.Callers
		free := make(chan struct{})
		var all sync.WaitGroup
		do := func(ctx context.Context, caller string) {
			all.Go(func() {
				_, _ = group.DoFor(ctx, caller, "key", func(_ context.Context, given *coalesce.Callers) (int, error) {
					callers = given
					<-free
					return 0, nil
				})
			})
			synctest.Wait()
		}
		expect := func(want string) {
			t.Helper()
			if got := strings.Join(callers.Keys(), " "); got != want {
				t.Errorf("%q wait, want %q", got, want)
			}
		}
		told := func(changed <-chan struct{}) bool {
			select {
			case <-changed:
				return true
			default:
				return false
			}
		}
		brief, leave := context.WithCancel(t.Context())
		do(brief, "greedy")
		expect("greedy")
		changed := callers.Changed()
		do(t.Context(), "honest")
		expect("greedy honest")
		if !told(changed) {
			t.Error("a new name was not told")
		}
		changed = callers.Changed()
		do(t.Context(), "honest")
		if told(changed) {
			t.Error("a second caller of the same name is no change")
		}
		leave()
		synctest.Wait()
		expect("honest")
		if !told(changed) {
			t.Error("that a name left was not told")
		}
		close(free)
		all.Wait()
	})
}
