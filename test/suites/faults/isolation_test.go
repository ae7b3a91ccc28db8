package faults_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// pending is how many admissions wait for the registry that does not answer: three times as many as "chartgate serve"
// does anything of at the same time by default.
const pending = 100

// atOnce is how many requests the product has in flight to one registry for one namespace, of 16 in all.
const atOnce = 12

// TestASlowRegistryHoldsUpNobodyElse: as long as a hundred charts of a registry that does not answer are waited for,
// whatever does not need that registry is decided.
func TestASlowRegistryHoldsUpNobodyElse(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		other := registrytest.New(registrytest.Options{})
		t.Cleanup(other.Close)
		w := newWorld(t, func(s *setting) {
			s.others = []string{other.Host()}
			s.policies = func(t *testing.T, w *world) gate.Policies {
				in := w.policies()
				in.Policies = append(in.Policies, w.policy("other", "oci://"+other.Host()+"/acme/**", v1alpha1.PinningVersion))
				return compiled(t, in)
			}
		})
		elsewhere := &world{registry: other, hook: w.hook}
		known := w.push(t, "acme/podinfo")
		w.bundle(t, "acme/podinfo", known)
		elsewhere.bundle(t, "acme/podinfo", elsewhere.push(t, "acme/podinfo"))
		elsewhere.bundle(t, "acme/new", elsewhere.push(t, "acme/new"))
		mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", known), patience))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/podinfo", "1.0.0"), patience))

		waiting := w.block(t, pending)
		mustAdmitUnchanged(t, w)
		mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", known), patience))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/podinfo", "1.0.0"), patience))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/new", "1.0.0"), patience))
		if w.arrived.value()-w.answered.value() != pending {
			t.Errorf("of %d admissions only %d still wait", pending, w.arrived.value()-w.answered.value())
		}
		waiting()
	})
	goleak.VerifyNone(t, before)
}

// block lets the registry answer nobody, and sends the webhook that many signed charts from it, which all wait. The
// returned function lets it answer, and returns when all are admitted.
func (w *world) block(t *testing.T, charts int) (release func()) {
	t.Helper()
	for i := range charts {
		repository := fmt.Sprintf("acme/slow-%d", i)
		w.bundle(t, repository, w.push(t, repository))
	}
	free := make(chan struct{})
	var asked counter
	w.registry.Fail(``, func(rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
		asked.add()
		waitFor(free, rw, req, healthy)
	})
	earlier := w.arrived.value()
	var group sync.WaitGroup
	for i := range charts {
		group.Go(func() {
			got, err := w.post(t.Context(), w.application(fmt.Sprintf("acme/slow-%d", i), "1.0.0"), patience)
			if err != nil || !got.allowed {
				t.Errorf("after the registry has answered: %+v, %v", got, err)
			}
		})
	}
	until(t, "all are waiting", func() bool { return w.arrived.value()-earlier == charts && asked.value() >= atOnce })
	return func() {
		close(free)
		group.Wait()
	}
}

// waitFor answers well once the channel is closed.
func waitFor(free <-chan struct{}, rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
	select {
	case <-free:
		healthy.ServeHTTP(rw, req)
	case <-req.Context().Done():
	}
}

// mustAdmitUnchanged writes something again that changes no chart.
func mustAdmitUnchanged(t *testing.T, w *world) {
	t.Helper()
	if got := w.ask(t, unchanged(w.application("acme/podinfo", "1.0.0")), patience); !got.allowed || got.verdict != "" {
		t.Errorf("a write that changes no chart: %+v", got)
	}
}

// TestAStampedeCostsOneVerification: five hundred equal writes, cold, ask the registry four times in all.
func TestAStampedeCostsOneVerification(t *testing.T) {
	const writes = 500
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	free := make(chan struct{})
	w.registry.Fail(`/manifests/1[.]0[.]0$`, func(rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
		waitFor(free, rw, req, healthy)
	})
	mustAdmitUnchanged(t, w) // so that there is a connection to share
	var group sync.WaitGroup
	for range writes {
		group.Go(func() {
			got, err := w.post(t.Context(), w.application("acme/podinfo", "1.0.0"), patience)
			if err != nil || !got.allowed {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	// Whoever came after the answer would ask what the tag means now.
	until(t, "all wait for one answer", func() bool { return strings.Count(stacks(), "pkg/gate.share[...](") == writes })
	close(free)
	group.Wait()
	if got := w.registry.Requests(); len(got) != 4 {
		t.Errorf("%d requests: %v", len(got), got)
	}
}

// stacks are those of all goroutines.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return string(buffer[:n])
		}
	}
}
