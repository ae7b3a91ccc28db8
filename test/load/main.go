// Command load measures the webhook under load: `go run ./test/load -duration 20s`, which is `make
// load`.
//
// It starts a registry and, in a process of its own so that memory and CPU are the webhook's alone,
// the real webhook over TLS; it asks as an API server does, over HTTP/2 with connections kept
// alive. Everything is on 127.0.0.1, bounded in count and time, and stops by itself. Targets are
// printed beside what was measured; a missed target is no failure. Failures are a wrong verdict, an
// honest namespace that hostile ones delay, and memory above the chart's limit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options say how much load there is.
type options struct {
	duration                         time.Duration
	unchanged, byTag, byDigest, cold int // a second, of the mix
	charts, stampede                 int
	keyless                          bool
}

func main() {
	var o options
	server := flag.Bool("server", false, "be the webhook: the process that is measured, which the other one starts")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "how long the mix lasts, a minute at most")
	flag.IntVar(&o.unchanged, "unchanged", 1000, "writes a second that change no chart")
	flag.IntVar(&o.byTag, "by-tag", 500, "warm verifications a second by version")
	flag.IntVar(&o.byDigest, "by-digest", 500, "warm verifications a second by digest")
	flag.IntVar(&o.cold, "cold", 20, "charts a second that are verified for the first time")
	flag.IntVar(&o.charts, "charts", 20_000, "distinct charts to verify after the mix; 0 for none")
	flag.IntVar(&o.stampede, "stampede", 500, "equal cold admissions at the same time")
	flag.BoolVar(&o.keyless, "keyless", false, "sign charts with certificates instead of a key, which takes longer to prepare")
	flag.Parse()
	o.duration = min(o.duration, time.Minute)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	run := o.run
	if *server {
		run = serve
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run measures one thing after the other.
func (o options) run(ctx context.Context) (err error) {
	s, err := newStore(o.keyless)
	if err != nil {
		return err
	}
	defer s.close()
	h, err := startWebhook(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	r := newReport(os.Stdout, h.pid())
	for _, measure := range []func(context.Context, *report, *store, *webhook) error{
		measureIdle, o.measureStampede, o.measureMix, o.measureCharts, o.measureHostile,
	} {
		if err := measure(ctx, r, s, h); err != nil {
			return err
		}
	}
	return nil
}
