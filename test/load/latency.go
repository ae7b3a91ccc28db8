package main

import (
	"slices"
	"sync"
	"time"
)

// latencies are the durations until the answers.
type latencies struct {
	mu   sync.Mutex
	took []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, d)
}

func (l *latencies) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.took)
}

// at returns the latency that the given share of answers did not exceed.
func (l *latencies) at(share float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.took) == 0 {
		return 0
	}
	slices.Sort(l.took)
	return l.took[min(int(share*float64(len(l.took))), len(l.took)-1)]
}

// together are the latencies of several classes.
func together(classes ...*class) *latencies {
	all := &latencies{}
	for _, c := range classes {
		all.took = append(all.took, c.latencies.took...)
	}
	return all
}
