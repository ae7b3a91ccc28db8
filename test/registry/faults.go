package registry

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// Fault answers a request in the registry's place. The healthy registry is there to be asked.
type Fault func(w http.ResponseWriter, req *http.Request, healthy http.Handler)

type faultRule struct {
	requests *regexp.Regexp
	fault    Fault
}

// Fail makes the requests that match the regular expression meet the fault. It is matched against lines such as
// those of Requests, unanchored: `^GET .*/referrers/`, `/blobs/`. The fault given last wins.
func (r *Registry) Fail(requests string, fault Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append([]faultRule{{regexp.MustCompile(requests), fault}}, r.faults...)
}

// Heal removes all faults.
func (r *Registry) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

func (r *Registry) fault(request string) Fault {
	for _, rule := range r.faults {
		if rule.requests.MatchString(request) {
			return rule.fault
		}
	}
	return nil
}

// Status answers with an error: 401, 429, 500.
func Status(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		writeError(w, code, strings.ToUpper(strings.ReplaceAll(http.StatusText(code), " ", "_")), "injected fault")
	}
}

// Times is the fault for the first n requests; later ones are healthy.
func Times(n int, fault Fault) Fault {
	var met atomic.Int64
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		if met.Add(1) > int64(n) {
			healthy.ServeHTTP(w, req)
			return
		}
		fault(w, req, healthy)
	}
}

// Slow answers well, but late. It gives up when the client does.
func Slow(delay time.Duration) Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		select {
		case <-req.Context().Done():
		case <-time.After(delay):
			healthy.ServeHTTP(w, req)
		}
	}
}

// Reset breaks the connection (TCP RST) before any answer.
func Reset() Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// Truncated announces the whole answer and breaks the connection half-way through it.
func Truncated() Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		status, body := record(w, req, healthy)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Huge follows the answer with blanks, up to that many bytes in all, without announcing a length.
func Huge(bytes int64) Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		status, body := record(w, req, healthy)
		w.Header().Del("Content-Length")
		w.WriteHeader(status)
		blanks := []byte(strings.Repeat(" ", 64<<10))
		for sent := int64(0); sent < bytes; {
			n, err := w.Write(body)
			if err != nil {
				return
			}
			sent += int64(n)
			body = blanks[:min(int64(len(blanks)), max(bytes-sent, 0))]
		}
	}
}

// Body answers with the headers of the healthy answer, content type and digest among them, but another body:
// garbage, or a lie. The status is 200, also where there is nothing; only a demand for credentials stands.
func Body(body []byte) Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		if status, _ := record(w, req, healthy); status == http.StatusUnauthorized {
			w.Header().Del("Content-Length")
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}
}

// record asks the healthy registry and takes over its headers.
func record(w http.ResponseWriter, req *http.Request, healthy http.Handler) (status int, body []byte) {
	answer := httptest.NewRecorder()
	healthy.ServeHTTP(answer, req)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	return answer.Code, answer.Body.Bytes()
}
