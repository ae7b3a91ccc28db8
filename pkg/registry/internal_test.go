package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestClassify: what cannot be provoked on this machine.
func TestClassify(t *testing.T) {
	t.Parallel()
	location, err := chart.ParseChart("oci://ghcr.io/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{client: New(Options{}), location: location, at: location}
	for want, err := range map[string]error{
		"the host name does not exist":                           &net.DNSError{IsNotFound: true},
		"the host name could not be looked up":                   &net.DNSError{IsTimeout: true},
		"no route to the host":                                   syscall.EHOSTUNREACH,
		"connection reset":                                       syscall.EPIPE,
		"no connection or answer within the time allowed for it": context.DeadlineExceeded, // a dialer's own
		"the TLS certificate is for another host name":           x509.HostnameError{Certificate: &x509.Certificate{}},
		"the TLS certificate has expired or is not yet valid":    x509.CertificateInvalidError{Reason: x509.Expired},
		"the TLS certificate is not valid":                       &tls.CertificateVerificationError{Err: errors.New("x")},
		"the port does not speak HTTPS":                          tls.RecordHeaderError{},
		"the TLS handshake failed":                               &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")},
		"the request failed; chartgate's log has the cause":      errors.New("x"),
	} {
		kind, got, next := r.classify(t.Context(), fmt.Errorf("wrapped: %w", err))
		if kind != problem.KindUnavailable || got != want || (next == "") != (want == "the request failed; chartgate's log has the cause") {
			t.Errorf("%v: %v, %q, want %q; next %q", err, kind, got, want, next)
		}
	}
}

// TestSlots: no more than size requests at once, waiting ends with the context,
// and idle hosts are forgotten.
func TestSlots(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	}))
	defer server.Close()
	whole := &wholeAnswers{next: http.DefaultTransport, slots: newSlots(3), timeout: time.Minute}
	done := make(chan error)
	for i := range 20 {
		go func() {
			ctx := allow(t.Context(), allowance{bytes: maxAnswer, by: fair.Claim{By: fair.Payer(fmt.Sprint("team-", i))}})
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			_, err := whole.RoundTrip(req)
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 3 {
		t.Errorf("%d requests at once", most.Load())
	}
	if n := len(whole.slots.hosts); n != 0 {
		t.Errorf("%d hosts are remembered", n)
	}
}

func TestSlotsWaitForOneHostOnly(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	release, err := s.acquire(t.Context(), "slow", fair.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.acquire(ctx, "slow", fair.Claim{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got a second slot: %v", err)
	}
	if _, err := s.acquire(t.Context(), "fast", fair.Claim{}); err != nil {
		t.Error(err)
	}
	release()
	if _, err := s.acquire(t.Context(), "slow", fair.Claim{}); err != nil {
		t.Error(err)
	}
}

// TestWholeAnswersTimeout: also callers without a deadline get an answer.
func TestWholeAnswersTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	whole := &wholeAnswers{next: http.DefaultTransport, slots: newSlots(1), timeout: 50 * time.Millisecond}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = whole.RoundTrip(req)
	if own, _ := errors.AsType[fault](err); own.text != "the answer was not complete after 50ms" {
		t.Errorf("got %v", err)
	}
}

// TestErrorPagesAreCut: an endless error page is an error page.
func TestErrorPagesAreCut(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: 500, Body: io.NopCloser(endless{})}
	if err := readWhole(resp, allowed(t.Context(), resp)); err != nil {
		t.Fatal(err)
	}
	if resp.ContentLength != maxAnswer {
		t.Errorf("%d bytes", resp.ContentLength)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestMemory: a host is held for the time given, or until forgotten.
func TestMemory(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	m := newMemory(time.Minute, func() time.Time { return now })
	steps := []struct {
		do   func()
		want bool
	}{
		{func() {}, false},
		{func() { m.remember("a") }, true},
		{func() { m.remember("b") }, true},
		{func() { now = now.Add(59 * time.Second) }, true},
		{func() { now = now.Add(time.Second) }, false},
		{func() { m.remember("a") }, true},
		{func() { m.forget("a") }, false},
	}
	for i, step := range steps {
		step.do()
		if got := m.holds("a"); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// TestTokensAreBounded: names of repositories are anybody's choice, memory is not.
func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	c := newTokens(10)
	for i := range 25 {
		token := fmt.Sprint(i)
		if _, err := c.Set(t.Context(), "host", auth.SchemeBearer, token, func(context.Context) (string, error) { return token, nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := c.GetToken(t.Context(), "host", auth.SchemeBearer, token); err != nil || got != token {
			t.Errorf("token %d: %q, %v", i, got, err)
		}
	}
	var kept []int
	for i := range 25 {
		if _, err := c.GetToken(t.Context(), "host", auth.SchemeBearer, fmt.Sprint(i)); err == nil {
			kept = append(kept, i)
		}
	}
	if fmt.Sprint(kept) != "[20 21 22 23 24]" {
		t.Errorf("kept %v", kept)
	}
	if scheme, err := c.GetScheme(t.Context(), "host"); err != nil || scheme != auth.SchemeBearer {
		t.Errorf("scheme %v, %v", scheme, err)
	}
}

// TestDefaultTransport: no proxy, timeout or check of certificates is lost.
func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	transport := newTransport(pool, nil, nil)
	switch {
	case transport.TLSClientConfig.InsecureSkipVerify || transport.TLSClientConfig.RootCAs != pool:
		t.Error("certificates are not checked against the pool")
	case !transport.DisableCompression:
		t.Error("it decompresses")
	case transport.Proxy == nil || transport.TLSHandshakeTimeout == 0 || transport.ResponseHeaderTimeout == 0:
		t.Error("it lacks the proxy or a timeout")
	}
}

// FuzzCheckJSON: what passes is valid, and no name hides another of its object.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"A":2}`, `{"annotations":{"a":1,"A":2}}`, `[[[[1]]]]`, `{"layerſ":1,"LAYERS":2}`, "null", `"`, `{}{}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if checkJSON([]byte(raw), problem.KindNotAChart) != nil {
			return
		}
		if !json.Valid([]byte(raw)) {
			t.Fatalf("%q is not valid", raw)
		}
		var names map[string]json.RawMessage
		if json.Unmarshal([]byte(raw), &names) != nil {
			return
		}
		for name := range names {
			for other := range names {
				if name != other && strings.EqualFold(name, other) {
					t.Errorf("%q has both %q and %q", raw, name, other)
				}
			}
		}
	})
}

// A host whose charts are all being looked at delays its own charts, and no others.
func TestPlacesForCharts(t *testing.T) {
	client := New(Options{})
	at := func(host string) *repository {
		location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
		if err != nil {
			t.Fatal(err)
		}
		return &repository{client: client, location: location, at: location, link: client.ownLink}
	}
	var leave func()
	for range 24 { // of maxCharts, for one namespace
		var err error
		if leave, err = at("slow.example").enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := at("slow.example").enter(over)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.KindTimeout {
		t.Errorf("one more chart: %v", err)
	}
	if _, err := at("other.example").enter(t.Context()); err != nil {
		t.Errorf("a chart of another host: %v", err)
	}
	leave()
	if _, err := at("slow.example").enter(t.Context()); err != nil {
		t.Errorf("a chart after another is done: %v", err)
	}
}
