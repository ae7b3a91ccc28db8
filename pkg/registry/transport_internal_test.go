package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/fair"
)

// TestHostLimiter: no more requests than slots at the same time, and idle hosts are forgotten.
func TestHostLimiter(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	}))
	defer server.Close()
	whole := &answerReader{next: http.DefaultTransport, limiter: newHostLimiter(3), timeout: time.Minute}
	done := make(chan error)
	for i := range 20 {
		go func() {
			ctx := withOptions(t.Context(), requestOptions{maxBytes: maxAnswer, share: fair.Share{Tenants: fair.Tenant(fmt.Sprint("team-", i))}})
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
	if n := len(whole.limiter.hosts); n != 0 {
		t.Errorf("%d hosts are remembered", n)
	}
}

func TestHostLimiterWaitsForOneHostOnly(t *testing.T) {
	t.Parallel()
	s := newHostLimiter(1)
	release, err := s.acquire(t.Context(), "slow", fair.Share{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.acquire(ctx, "slow", fair.Share{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got a second slot: %v", err)
	}
	if _, err := s.acquire(t.Context(), "fast", fair.Share{}); err != nil {
		t.Error(err)
	}
	release()
	if _, err := s.acquire(t.Context(), "slow", fair.Share{}); err != nil {
		t.Error(err)
	}
}

// TestAnswerTimeout: a request of a caller without a deadline ends too.
func TestAnswerTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	whole := &answerReader{next: http.DefaultTransport, limiter: newHostLimiter(1), timeout: 50 * time.Millisecond}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = whole.RoundTrip(req)
	if own, _ := errors.AsType[requestError](err); own.detail != "the answer was not complete after 50ms" {
		t.Errorf("got %v", err)
	}
}

// TestErrorPagesAreCut: an endless error page is still an error page.
func TestErrorPagesAreCut(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: 500, Body: io.NopCloser(endless{})}
	if err := readWhole(resp, requestOptions{}); err != nil {
		t.Fatal(err)
	}
	if resp.ContentLength != maxAnswer {
		t.Errorf("%d bytes", resp.ContentLength)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestDefaultTransport: it has the proxy, the timeouts and the check of certificates.
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
