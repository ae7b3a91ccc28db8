package faults_test

import (
	"sync/atomic"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// counter counts, and lets tests wait for a count.
type counter struct{ n atomic.Int64 }

func (c *counter) add() { c.n.Add(1) }

func (c *counter) value() int { return int(c.n.Load()) }

// until waits for something that must happen.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	harness.Eventually(t, func() string {
		if happened() {
			return ""
		}
		return "not so: " + what
	})
}
