package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// measureIdle measures a webhook that has answered once.
func measureIdle(ctx context.Context, r *report, s *store, h *webhook) error {
	if err := h.ask(ctx, updated(byTag(s.registry.Host(), 0))); err != nil {
		return err
	}
	r.title("Idle")
	return r.memory("memory (RSS)", "VmRSS", "< 90 MiB")
}

// measureStampede asks the same question many times at once, and lets the registry answer when all
// have arrived.
func (o options) measureStampede(ctx context.Context, r *report, s *store, h *webhook) error {
	const chart = 1_000_000 // not one of the others
	if _, err := s.chart(chart); err != nil {
		return err
	}
	arrived := make(chan struct{})
	s.registry.Fail(`/manifests/1[.]0[.]0$`, held(arrived))
	s.registry.Reset()
	var group sync.WaitGroup
	var failed failures
	for range o.stampede {
		group.Go(func() { failed.add(h.ask(ctx, created(byTag(s.registry.Host(), chart)))) })
	}
	err := h.untilWaiting(ctx, o.stampede)
	started := time.Now()
	close(arrived)
	group.Wait()
	s.registry.Heal()
	r.title("%d equal cold admissions at once", o.stampede)
	r.line("registry requests", fmt.Sprint(len(s.registry.Requests())), "4")
	r.line("answered, after the registry", milliseconds(time.Since(started)), "")
	r.line("not admitted", fmt.Sprint(failed.count.Load()), "0")
	return errors.Join(err, failed.first)
}

func held(until <-chan struct{}) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		select {
		case <-until:
			healthy.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	}
}

// untilWaiting waits until that many admissions have arrived, and a moment more until they wait for
// the registry.
func (h *webhook) untilWaiting(ctx context.Context, n int) error {
	for range 50 {
		got, err := h.stats(ctx, false)
		if err != nil {
			return err
		}
		if err := sleepUntil(ctx, time.Now().Add(100*time.Millisecond)); err != nil {
			return err
		}
		if got.Waiting >= int64(n) {
			return nil
		}
	}
	return fmt.Errorf("not all of %d admissions arrived", n)
}

// measureMix sends all classes at the same time, each at its rate.
func (o options) measureMix(ctx context.Context, r *report, s *store, h *webhook) error {
	classes, err := o.classes(ctx, s, h)
	if err != nil {
		return err
	}
	s.registry.Reset()
	cpu, err := r.process.cpu()
	if err != nil {
		return err
	}
	started := time.Now()
	group, within := errgroup.WithContext(ctx)
	for _, c := range classes {
		group.Go(func() error { return c.drive(within, o.duration) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(started)
	used, err := r.process.cpu()
	if err != nil {
		return err
	}
	r.mix(took, classes)
	r.line("CPU of the webhook", fmt.Sprintf("%.0f %%", 100*float64(used-cpu)/float64(took)), "")
	r.line("registry requests", fmt.Sprint(len(s.registry.Requests())), fmt.Sprintf("%d at most", classes[1].latencies.count()+4*classes[3].latencies.count()))
	return errors.Join(r.memory("memory (RSS)", "VmRSS", ""), classes[0].failures.wrong(), classes[1].failures.wrong(), classes[2].failures.wrong(), classes[3].failures.wrong())
}

// warmCharts are those that are verified again and again.
const warmCharts = 100

// classes are, in this order: unchanged, by tag, by digest, cold.
func (o options) classes(ctx context.Context, s *store, h *webhook) ([]*class, error) {
	host := s.registry.Host()
	var tags, digests, changes [][]byte
	for i := range warmCharts {
		digest, err := s.chart(i)
		if err != nil {
			return nil, err
		}
		tags, digests = append(tags, created(byTag(host, i))), append(digests, created(byDigest(host, i, digest)))
		changes = append(changes, updated(byTag(host, i)))
		if err := h.ask(ctx, tags[i]); err != nil {
			return nil, fmt.Errorf("warm up: %w", err)
		}
	}
	again := func(reviews [][]byte) func(int) ([]byte, error) {
		return func(n int) ([]byte, error) { return reviews[n%len(reviews)], nil }
	}
	never := func(n int) ([]byte, error) {
		_, err := s.chart(2_000_000 + n)
		return created(byTag(host, 2_000_000+n)), err
	}
	return []*class{
		{name: "unchanged", rate: o.unchanged, next: again(changes), ask: h.ask},
		{name: "warm, by version", rate: o.byTag, next: again(tags), ask: h.ask},
		{name: "warm, by digest", rate: o.byDigest, next: again(digests), ask: h.ask},
		{name: "cold", rate: o.cold, next: never, ask: h.ask},
	}, nil
}

// mix prints the result of each class.
func (r *report) mix(took time.Duration, classes []*class) {
	r.title("A mix, for %s", took.Round(time.Second))
	r.print("  %-34s %10s %10s %10s %10s %8s\n", "", "a second", "p50", "p99", "most", "failed")
	all := together(classes...)
	for _, c := range classes {
		r.class(c.name, took, &c.latencies, c.failures.count.Load())
	}
	warm := classes[1:3]
	r.class("all warm verifications", took, together(warm...), warm[0].failures.count.Load()+warm[1].failures.count.Load())
	r.print("  %-34s %10s %10s %10s\n", "(target)", "1000", "", "< 50 ms")
	r.line("admissions a second, in all", fmt.Sprintf("%.0f", float64(all.count())/took.Seconds()), "")
}

func (r *report) class(name string, took time.Duration, l *latencies, failed int64) {
	r.print("  %-34s %10.0f %10s %10s %10s %8d\n", name, float64(l.count())/took.Seconds(),
		milliseconds(l.at(.5)), milliseconds(l.at(.99)), milliseconds(l.at(1)), failed)
}

// measureCharts verifies many distinct charts, as many at a time as a few controllers would.
func (o options) measureCharts(ctx context.Context, r *report, s *store, h *webhook) error {
	if o.charts == 0 {
		return nil
	}
	before, err := r.process.cpu()
	if err != nil {
		return err
	}
	started := time.Now()
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range o.charts {
		group.Go(func() error {
			if _, err := s.chart(i); err != nil {
				return err
			}
			return h.ask(within, created(byTag(s.registry.Host(), i)))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(started)
	after, err := r.process.cpu()
	if err != nil {
		return err
	}
	r.title("%d distinct charts", o.charts)
	r.line("verified a second", fmt.Sprintf("%.0f", float64(o.charts)/took.Seconds()), "")
	r.line("CPU of the webhook for each", milliseconds((after-before)/time.Duration(o.charts)), "")
	if err := r.memory("memory at its highest (VmHWM)", "VmHWM", "< 200 MiB"); err != nil {
		return err
	}
	return o.measureRemembered(ctx, r, s, h)
}

// measureRemembered sends a thousand of the charts again, by digest, and measures their cost.
func (o options) measureRemembered(ctx context.Context, r *report, s *store, h *webhook) error {
	s.registry.Reset()
	step := max(o.charts/1000, 1)
	asked := 0
	for i := 0; i < o.charts; i += step {
		digest, err := s.chart(i)
		if err != nil {
			return err
		}
		if err := h.ask(ctx, created(byDigest(s.registry.Host(), i, digest))); err != nil {
			return err
		}
		asked++
	}
	r.line(fmt.Sprintf("requests for %d of them, by digest", asked), fmt.Sprint(len(s.registry.Requests())), "")
	at, err := h.stats(ctx, true)
	if err != nil {
		return err
	}
	r.line("heap after a collection", mebibytes(at.Heap), "")
	r.line("goroutines", fmt.Sprint(at.Goroutines), "")
	return r.memory("memory (RSS)", "VmRSS", "")
}
