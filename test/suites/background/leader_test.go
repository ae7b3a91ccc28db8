package background_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// replica starts chartgate beside others.
func (s *site) replica(t *testing.T) *cluster.Process {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Installation.Run(context.Background(), fmt.Sprintf("--webhook-port=%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLeaderDiesInTheMiddle: no finding is lost, and none is told twice.
func TestLeaderDiesInTheMiddle(t *testing.T) {
	s := with(t, []string{openReports}, trusting(), never)
	var names []string
	for i := range 24 {
		names = append(names, fmt.Sprintf("web-%02d", i))
		s.publish(t, names[i], "one", release)
	}
	s.deploy(t, names...)
	s.Restart(t)
	leader := s.Gate
	for _, name := range names {
		s.reports(t, v1alpha1, name, "pass Verified")
	}
	other := s.replica(t)
	defer func() { _ = other.Stop() }()

	lost := func() (n int) {
		for _, name := range names {
			if strings.Contains(results(s.report(t, v1alpha1, name)), "NoLongerTrusted") {
				n++
			}
		}
		return n
	}
	s.registry.Fail("/referrers/", registrytest.Slow(500*time.Millisecond))
	if err := s.ApplyText(context.Background(), harness.Identity("acme-release", keyless("other@acme.example"))); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() string {
		if lost() == 0 {
			return "no finding yet\n" + leader.Log()
		}
		return ""
	})
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	s.Gate = nil
	if n := lost(); n == len(names) {
		t.Fatal("the leader had done everything: it did not die in the middle")
	} else {
		t.Logf("%d of %d findings were written", n, len(names))
	}
	s.registry.Heal()
	harness.Eventually(t, func() string {
		if n := lost(); n < len(names) {
			return fmt.Sprintf("%d of %d findings\n%s", n, len(names), other.Log())
		}
		return ""
	})
	for _, name := range names {
		if diff := cmp.Diff([]string{"Warning NoLongerTrusted"}, s.events(t, name)); diff != "" {
			t.Errorf("Events on %s: %s", name, diff)
		}
	}
}
