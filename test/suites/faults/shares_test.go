package faults_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// by is the same write to another namespace.
func by(namespace string, what write) write {
	what.namespace = namespace
	return what
}

// stall lets the registry answer nothing about the repositories that match, and sends the writes, which all wait. The
// returned function lets it answer, and returns when all are admitted.
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
			got, err := w.post(t.Context(), what, patience)
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

// TestAttackOneNamespaceAsksAboutManySlowCharts: one tenant's writes wait for as many answers of a registry as they may;
// another namespace's chart of the same host is verified meanwhile.
func TestAttackOneNamespaceAsksAboutManySlowCharts(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	var writes []write
	for i := range 60 {
		repository := fmt.Sprintf("acme/junk-%d", i)
		w.bundle(t, repository, w.push(t, repository))
		writes = append(writes, by("greedy", w.application(repository, "1.0.0")))
	}
	defer w.stall(t, `/acme/junk-`, 12, writes)()
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), patience))
}

// TestAttackOneRepositoryIsFullOfJunk: sixty namespaces ask about charts of one repository, which takes for ever; a chart of
// another repository of the host is verified meanwhile.
func TestAttackOneRepositoryIsFullOfJunk(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	var writes []write
	for i := range 60 {
		digest := w.variant(t, "acme/junk", i)
		w.bundle(t, "acme/junk", digest)
		writes = append(writes, by(fmt.Sprintf("team-%d", i), w.byDigest("acme/junk", digest)))
	}
	defer w.stall(t, `/acme/junk/`, 14, writes)()
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), patience))
}

// TestAttackOneNamespaceFillsThePlacesOfPendingWrites: more writes of one namespace wait than may; another one's are decided.
func TestAttackOneNamespaceFillsThePlacesOfPendingWrites(t *testing.T) {
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
	mustAdmit(t, w.ask(t, by("honest", w.application("acme/podinfo", "1.0.0")), patience))
}

// TestAttackBodiesThatDoNotCome: connections that promise large bodies and send none are closed, and other clients are
// answered meanwhile.
func TestAttackBodiesThatDoNotCome(t *testing.T) {
	w := newWorld(t)
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	answers := make(chan int, 20)
	for range cap(answers) {
		conn := w.dial(t)
		if _, err := fmt.Fprintf(conn, "POST /validate-charts?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", 6<<20); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
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
	mustAdmit(t, honest.ask(t, w.application("acme/podinfo", "1.0.0"), patience))
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

// client is the client of the webhook, from another address where one is set.
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
