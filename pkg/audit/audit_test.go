package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// scans are Rows that note when they are asked. They hold no object.
type scans struct {
	began  time.Time
	times  []string
	during func(ctx context.Context, n int) error
}

func (s *scans) Scan(ctx context.Context, _ Yield) ([]inventory.Problem, error) {
	s.times = append(s.times, time.Since(s.began).Round(time.Second).String())
	if s.during == nil {
		return nil, nil
	}
	return nil, s.during(ctx, len(s.times))
}

// when runs an Auditor for some time, and returns when it looked and what it logged. The state
// follows the time that has passed.
func when(t *testing.T, span, interval time.Duration, state func(time.Duration) string, during func(context.Context, int) error) (times []string, logged string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scans{began: time.Now(), during: during}
		metrics, err := NewMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
		a := New(Options{
			Rows: s, Interval: interval, Metrics: metrics, Log: log, WithoutReports: true,
			State: func() string { return state(time.Since(s.began)) },
		})
		ctx, stop := context.WithTimeout(t.Context(), span)
		defer stop()
		if err := a.Start(ctx); err != nil {
			t.Errorf("it returns an error, which would end the process: %v", err)
		}
		if lasted := time.Since(s.began); lasted != span {
			t.Errorf("it ended after %s", lasted)
		}
		times, logged = s.times, strings.Join(lines, "\n")
	})
	return times, logged
}

func constant(time.Duration) string { return "p1" }

func TestWhenItLooks(t *testing.T) {
	slow := func(ctx context.Context, _ int) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Second):
			return nil
		}
	}
	changesAt := func(times ...time.Duration) func(time.Duration) string {
		return func(now time.Duration) string {
			n := 0
			for _, at := range times {
				if now >= at {
					n++
				}
			}
			return fmt.Sprint("p", n)
		}
	}
	for _, c := range []struct {
		sentence string
		span     time.Duration
		state    func(time.Duration) string
		during   func(context.Context, int) error
		want     string
	}{
		{"at once when it becomes the leader", time.Minute, constant, nil, "0s"},
		{"not before the policies are loaded", time.Minute, func(now time.Duration) string {
			if now < 12*time.Second {
				return ""
			}
			return "p1"
		}, nil, "15s"},
		{"soon after a change", 2 * time.Minute, changesAt(31 * time.Second), nil, "0s 40s"},
		{"once for several changes", 2 * time.Minute, changesAt(31*time.Second, 36*time.Second, 41*time.Second), nil, "0s 50s"},
		{"within a minute even if changes do not end", 2 * time.Minute, func(now time.Duration) string {
			if now < 31*time.Second {
				return "p0"
			}
			return now.String()
		}, nil, "0s 1m5s 1m40s"},
		{"from the start when the policies change meanwhile", 3 * time.Minute, changesAt(31 * time.Second), slow, "0s 40s"},
		{"to the end if it had to start again already", 4 * time.Minute, changesAt(31*time.Second, 61*time.Second), slow, "0s 40s 2m25s"},
		{"from the start also when a change is taken back meanwhile", 3 * time.Minute, func(now time.Duration) string {
			if now > 20*time.Second && now < 28*time.Second {
				return "p1"
			}
			return "p0"
		}, slow, "0s 35s"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			times, _ := when(t, c.span, time.Hour, c.state, c.during)
			if got := strings.Join(times, " "); got != c.want {
				t.Errorf("it looked at %s, not at %s", got, c.want)
			}
		})
	}
}

func TestItLooksAtEachInterval(t *testing.T) {
	times, _ := when(t, 10*time.Hour, time.Hour, constant, nil)
	if len(times) < 8 || len(times) > 11 {
		t.Errorf("in ten hours it looked at %s", times)
	}
}

// A failure, of whatever sort, is logged and tried again soon.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		sentence string
		fault    func() error
		says     string
	}{
		{"an error", func() error { return errors.New("injected") }, "injected"},
		{"a panic", func() error { panic("injected") }, "panic: injected"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			times, logged := when(t, 8*time.Minute, time.Hour, constant, func(_ context.Context, n int) error {
				if n == 1 {
					return c.fault()
				}
				return nil
			})
			if got := strings.Join(times, " "); got != "0s 5m0s" || !strings.Contains(logged, c.says) {
				t.Errorf("it looked at %s and logged %s", got, logged)
			}
		})
	}
}

// The end of the leadership ends a run in the middle, without an error in the log.
func TestItStopsInTheMiddle(t *testing.T) {
	times, logged := when(t, 10*time.Second, time.Hour, constant, func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if len(times) != 1 || logged != "" {
		t.Errorf("it looked at %s and logged %s", times, logged)
	}
}
