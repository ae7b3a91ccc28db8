package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/test/harness"
)

// answerOf asks a handler for a path.
func answerOf(handler http.Handler, path string) (int, string) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code, answer.Body.String()
}

func TestProbes(t *testing.T) {
	var waits error
	handler := probes(map[string]healthz.Checker{"policies": healthz.Ping, "webhook": func(*http.Request) error { return waits }})
	for _, c := range []struct {
		sentence, path string
		waits          error
		want           int
	}{
		{"the process runs", "/healthz", nil, http.StatusOK},
		{"it runs while it is not ready: a restart would not help", "/healthz", errors.New("no certificate"), http.StatusOK},
		{"it is ready if all checks pass", "/readyz", nil, http.StatusOK},
		{"it is not ready if one check fails", "/readyz", errors.New("no certificate"), http.StatusInternalServerError},
		{"the check that fails has an answer of its own", "/readyz/webhook", errors.New("no certificate"), http.StatusInternalServerError},
		{"the check that passes has one, too", "/readyz/policies", errors.New("no certificate"), http.StatusOK},
		{"there is no such check", "/readyz/rows", nil, http.StatusNotFound},
		{"metrics have a port of their own", "/metrics", nil, http.StatusNotFound},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			waits = c.waits
			if code, text := answerOf(handler, c.path); code != c.want {
				t.Errorf("%d, want %d: %s", code, c.want, text)
			}
		})
	}
}

func TestObservations(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartgate_test", Help: "x"}))
	off := (&observeFlags{}).observations(registry)
	if code, text := answerOf(off, "/metrics"); code != http.StatusOK || !strings.Contains(text, "chartgate_test 0") {
		t.Errorf("/metrics: %d, %s", code, text)
	}
	const profile = "/debug/pprof/cmdline"
	if code, _ := answerOf(off, profile); code != http.StatusNotFound {
		t.Errorf("without --pprof: %d", code)
	}
	if code, _ := answerOf((&observeFlags{pprof: true}).observations(registry), profile); code != http.StatusOK {
		t.Errorf("with --pprof: %d", code)
	}
}

// servers is a manager that keeps the servers that are added to it.
type servers struct {
	manager.Manager
	added []*manager.Server
}

func (s *servers) Add(added manager.Runnable) error {
	s.added = append(s.added, added.(*manager.Server))
	return nil
}

// A client that holds connections to the port of the probes leaves some for the kubelet.
func TestAttackConnectionsToTheProbes(t *testing.T) {
	var made servers
	if err := listen(&made, "probes", "127.0.0.1:0", http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	server := made.added[0]
	defer server.Listener.Close()
	go func() {
		for {
			if _, err := server.Listener.Accept(); err != nil {
				return
			}
		}
	}()
	var last net.Conn
	for range maxObservers*3/4 + 1 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		last = conn
	}
	_ = last.SetReadDeadline(time.Now().Add(harness.Patience))
	if _, err := last.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the last connection is not closed: %v", err)
	}
	if s := server.Server; s.ReadHeaderTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a server without limits: %+v", s)
	}
}

func TestNoPort(t *testing.T) {
	var made servers
	if err := listen(&made, "metrics", "0", http.NotFoundHandler()); err != nil || len(made.added) != 0 {
		t.Errorf("%v, %d servers", err, len(made.added))
	}
	if err := listen(&made, "metrics", "127.0.0.1:x", http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), "open the port of the metrics: ") {
		t.Errorf("an address that is none: %v", err)
	}
}
