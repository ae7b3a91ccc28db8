package faults_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// column is one way in which an answer goes wrong.
type column struct {
	what  string // completes "the chart's manifest …"
	fault func(*testing.T) registrytest.Fault
	// waits is true if the test waits for the end of the timeout.
	waits bool
	// endless answers are tested one at a time, to measure their memory.
	endless bool
}

// columns are the columns of the matrix, in the order of row.
func columns() []column {
	is := func(fault func() registrytest.Fault) func(*testing.T) registrytest.Fault {
		return func(*testing.T) registrytest.Fault { return fault() }
	}
	return []column{
		{what: "is where connections are refused", fault: refused},
		{what: "is not there", fault: is(func() registrytest.Fault { return registrytest.Status(http.StatusNotFound) })},
		{what: "comes after the deadline", fault: is(func() registrytest.Fault { return registrytest.Slow(time.Hour) }), waits: true},
		{what: "begins, and then nothing more comes", fault: is(stalled), waits: true},
		{what: "is one request too many, until an hour later", fault: is(func() registrytest.Fault { return tooMany("3600") })},
		{what: "is one request too many, and again after a second", fault: is(func() registrytest.Fault { return tooMany("1") })},
		{what: "is an internal error", fault: is(func() registrytest.Fault { return registrytest.Status(http.StatusInternalServerError) })},
		{what: "is reset before it begins", fault: is(registrytest.Reset)},
		{what: "is reset in mid body", fault: is(resetInMidBody)},
		{what: "is cut off", fault: is(registrytest.Truncated)},
		{what: "is half of it, and pretends to be whole", fault: is(half)},
		{what: "is garbage", fault: is(func() registrytest.Fault { return registrytest.Body([]byte("<html>" + canary)) })},
		{what: "is another JSON document", fault: is(func() registrytest.Fault { return registrytest.Body([]byte(`{"` + canary + `":1}`)) })},
		{what: "has no end", fault: is(func() registrytest.Fault { return registrytest.Huge(endless) }), endless: true},
		{what: "is JSON without an end", fault: is(endlessJSON), endless: true},
	}
}

const (
	// canary is in what faulty servers write. No client may read it.
	canary = "canary-5f1e"
	// endless is more than any client should read, and little enough for a test that fails.
	endless = 512 << 20
)

// refused leads to a port on which no server listens.
func refused(t *testing.T) registrytest.Fault {
	address := closedPort(t)
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		http.Redirect(w, req, "http://"+address+req.URL.Path, http.StatusTemporaryRedirect)
	}
}

// closedPort is an address that refuses connections as long as the tests run.
func closedPort(t *testing.T) string {
	t.Helper()
	address, err := reservedPort()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// reservedPort takes a port without listening on it, so that no other program gets it.
var reservedPort = sync.OnceValues(func() (string, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), nil
})

// tooMany answers 429.
func tooMany(retryAfter string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		w.Header().Set("Retry-After", retryAfter)
		registrytest.Status(http.StatusTooManyRequests)(w, req, healthy)
	}
}

// stalled sends half of the answer, and waits until the client gives up.
func stalled() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		sendHalf(w, req, healthy)
		<-req.Context().Done()
	}
}

// resetInMidBody sends half of the answer and breaks the connection (TCP RST).
func resetInMidBody() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		sendHalf(w, req, healthy)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
			conn = tls.NetConn()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func sendHalf(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
	answer := record(w, req, healthy)
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
}

// half is a whole answer with half of the content.
func half() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		answer := record(w, req, healthy)
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	}
}

// endlessJSON is a document without an end whose every prefix is well-formed.
func endlessJSON() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		record(w, req, healthy)
		w.Header().Del("Content-Length")
		piece := []byte(strings.Repeat(`{"`+canary+`":[]},`, 4<<10))
		_, err := w.Write([]byte(`{"tags":[],"manifests":[],"items":[`))
		for sent := 0; err == nil && sent < endless; sent += len(piece) {
			_, err = w.Write(piece)
		}
	}
}

// record calls the healthy server and copies its headers.
func record(w http.ResponseWriter, req *http.Request, healthy http.Handler) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	healthy.ServeHTTP(answer, req)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	return answer
}
