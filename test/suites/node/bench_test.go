package node_test

import (
	"testing"
	"time"
)

// BenchmarkInstall installs chartgate from nothing by README.md's first command, and reports the
// longest time from the start of a pod's container until the pod was ready.
func BenchmarkInstall(b *testing.B) {
	s := running(b)
	var slowest time.Duration
	for b.Loop() {
		b.StopTimer()
		if s.installed {
			s.uninstall(b)
		}
		b.StartTimer()
		s.install(b)
		b.StopTimer()
		for _, pod := range s.settled(b) {
			b.Logf("pod %s was ready %s after its container had started", pod.Name, startOf(pod))
			slowest = max(slowest, startOf(pod))
		}
		b.StartTimer()
	}
	b.ReportMetric(slowest.Seconds(), "s-until-ready")
}
