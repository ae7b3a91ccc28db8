package faults_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// pending is how many admissions wait for the registry that does not answer: three times the
// default number that "chartgate serve" works on at the same time.
const pending = 100

// atOnce is the number of requests in flight to one registry for one namespace, of 16 in all.
const atOnce = 12

// TestSlowRegistryDelaysNoOther: while a hundred charts wait for a registry that does not answer,
// writes that do not need that registry are decided.
func TestSlowRegistryDelaysNoOther(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		other := registrytest.New(registrytest.Options{})
		t.Cleanup(other.Close)
		w := newWorld(t, func(s *setting) {
			s.others = []string{other.Host()}
			s.policies = func(t *testing.T, w *world) gate.Policies {
				in := w.policies()
				in.Policies = append(in.Policies, w.policy("other", "oci://"+other.Host()+"/acme/**", v1alpha1.PinningVersion))
				return harness.Compile(t, in)
			}
		})
		elsewhere := &world{registry: other, hook: w.hook}
		known := w.push(t, "acme/podinfo")
		w.bundle(t, "acme/podinfo", known)
		elsewhere.bundle(t, "acme/podinfo", elsewhere.push(t, "acme/podinfo"))
		elsewhere.bundle(t, "acme/new", elsewhere.push(t, "acme/new"))
		mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", known), longestTimeout))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/podinfo", "1.0.0"), longestTimeout))

		waiting := w.block(t, pending)
		mustAdmitUnchanged(t, w)
		mustAdmit(t, w.ask(t, w.byDigest("acme/podinfo", known), longestTimeout))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/podinfo", "1.0.0"), longestTimeout))
		mustAdmit(t, w.ask(t, elsewhere.application("acme/new", "1.0.0"), longestTimeout))
		if w.arrived.value()-w.answered.value() != pending {
			t.Errorf("of %d admissions only %d still wait", pending, w.arrived.value()-w.answered.value())
		}
		waiting()
	})
	verifyNoLeak(t, before)
}

// block stops the registry from answering, and sends that many signed charts of it to the webhook,
// which all wait. The returned function lets it answer, and returns when all are admitted.
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
			got, err := w.post(t.Context(), w.application(fmt.Sprintf("acme/slow-%d", i), "1.0.0"), longestTimeout)
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

// waitFor gives the healthy answer once the channel is closed.
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
	if got := w.ask(t, unchanged(w.application("acme/podinfo", "1.0.0")), longestTimeout); !got.allowed || got.verdict != "" {
		t.Errorf("a write that changes no chart: %+v", got)
	}
}

// TestEqualWritesShareOneVerification: five hundred equal writes of a chart that is not cached send
// each request once, five in all.
func TestEqualWritesShareOneVerification(t *testing.T) {
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
			got, err := w.post(t.Context(), w.application("acme/podinfo", "1.0.0"), longestTimeout)
			if err != nil || !got.allowed {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	// A request that came after the answer would ask what the tag means now.
	until(t, "all wait for one answer", func() bool { return strings.Count(stacks(), "pkg/coalesce.(*Group[...]).DoFor(") == writes })
	close(free)
	group.Wait()
	got := slices.Sorted(slices.Values(w.registry.Requests()))
	if len(got) > 5 || len(slices.Compact(slices.Clone(got))) != len(got) {
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

// by is the same write to another namespace.
func by(namespace string, what write) write {
	what.namespace = namespace
	return what
}

// stall stops the registry from answering about the repositories that match, and sends the writes,
// which all wait. The returned function lets it answer, and returns when all are admitted.
func (w *world) stall(t *testing.T, repositories string, atOnce int, writes []write) (release func()) {
	t.Helper()
	free := make(chan struct{})
	var asked counter
	w.registry.Fail(repositories, func(rw http.ResponseWriter, req *http.Request, healthy http.Handler) {
		asked.add()
		waitFor(free, rw, req, healthy)
	})
	earlier := w.arrived.value()
	var group sync.WaitGroup
	for _, what := range writes {
		group.Go(func() {
			got, err := w.post(t.Context(), what, longestTimeout)
			if err != nil || !got.allowed {
				t.Errorf("after the registry has answered: %+v, %v", got, err)
			}
		})
	}
	until(t, "all are waiting", func() bool { return w.arrived.value()-earlier == len(writes) && asked.value() >= atOnce })
	return func() {
		close(free)
		group.Wait()
	}
}

// TestNamespaceWithManySlowCharts: while one namespace has as many requests in flight to a registry
// as the limit allows, a chart of the same host is verified for another namespace.
func TestNamespaceWithManySlowCharts(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	var writes []write
	for i := range 60 {
		repository := fmt.Sprintf("acme/junk-%d", i)
		w.bundle(t, repository, w.push(t, repository))
		writes = append(writes, by("greedy", w.application(repository, "1.0.0")))
	}
	defer w.stall(t, `/acme/junk-`, 12, writes)()
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), longestTimeout))
}

// TestRepositoryWithManySlowCharts: while sixty namespaces wait for charts of one repository that
// does not answer, a chart of another repository of the host is verified.
func TestRepositoryWithManySlowCharts(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	var writes []write
	for i := range 60 {
		digest := w.variant(t, "acme/junk", i)
		w.bundle(t, "acme/junk", digest)
		writes = append(writes, by(fmt.Sprintf("team-%d", i), w.byDigest("acme/junk", digest)))
	}
	defer w.stall(t, `/acme/junk/`, 14, writes)()
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), longestTimeout))
}

// TestNamespaceWithManyPendingWrites: while one namespace has more pending writes than the limit
// allows, those of another one are decided.
func TestNamespaceWithManyPendingWrites(t *testing.T) {
	const places = 600 // of one namespace
	w := newWorld(t)
	for _, repository := range []string{"acme/podinfo", "acme/junk"} {
		w.bundle(t, repository, w.push(t, repository))
	}
	mustAdmitUnchanged(t, w) // so that there is a connection to share
	var writes []write
	for range places {
		writes = append(writes, by("greedy", w.application("acme/junk", "1.0.0")))
	}
	defer w.stall(t, `/acme/junk/`, 1, writes)()
	until(t, "the places are taken", func() bool {
		return w.ask(t, by("greedy", w.application("acme/junk", "1.0.0")), announced).reason == "LimitExceeded"
	})
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), longestTimeout))
}

// TestBodiesThatDoNotArrive: connections that promise large bodies and do not send them are closed,
// and other clients are answered meanwhile.
func TestBodiesThatDoNotArrive(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	answers := make(chan int, 20)
	for range cap(answers) {
		conn := w.dial(t)
		if _, err := fmt.Fprintf(conn, "POST /validate-charts?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", 6<<20); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = conn.SetReadDeadline(time.Now().Add(harness.Patience))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				answers <- 0
				return
			}
			_ = resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	until(t, "they have arrived", func() bool { return w.arrived.value() >= cap(answers) })
	honest := &world{registry: w.registry, hook: w.hook, from: "127.0.0.2"} // as an API server, which is another machine
	mustAdmit(t, honest.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
	for range cap(answers) {
		// Too late, or no room before the deadline.
		if code := <-answers; code != http.StatusRequestTimeout && code != http.StatusTooManyRequests {
			t.Errorf("a body that does not come is answered %d", code)
		}
	}
}

// dial opens a connection that speaks HTTP/1.1.
func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", w.hook.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client is the client of the webhook, with another source address if one is set.
func (w *world) client() *http.Client {
	if w.from == "" {
		return w.hook.Client()
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(w.from)}}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}
}
