package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
)

func secret(context.Context) (string, string, error) { return "user", "hunter2", nil }

// TestLoginAtOneHost: whoever asks, a login is for its own host.
func TestLoginAtOneHost(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	for host, own := range map[string]string{"ghcr.io": "ghcr.io", "docker.io": "registry-1.docker.io", "ghcr.io:444": "ghcr.io:444"} {
		l, err := c.link(Connection{ID: "1", Login: secret}, host)
		if err != nil {
			t.Fatal(err)
		}
		for _, asking := range []string{"ghcr.io", "docker.io", "registry-1.docker.io", "ghcr.io:444", "evil.ghcr.io", "GHCR.io", ""} {
			want := auth.EmptyCredential
			if asking == own {
				want = auth.Credential{Username: "user", Password: "hunter2"}
			}
			if got, err := l.web.Credential(t.Context(), asking); got != want || err != nil {
				t.Errorf("the login for %s at %q: %v, %v", host, asking, got, err)
			}
		}
	}
}

// TestLinks: one for each ID and host, as many as there may be, and nothing is left of
// the others.
func TestLinks(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	c := New(Options{PlainHTTP: []string{server.Listener.Addr().String()}})
	link := func(id, host string) *link {
		l, err := c.link(Connection{ID: id, Login: secret}, host)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := link("1", "a")
	switch {
	case link("1", "a") != first:
		t.Error("a connection is not reused")
	case link("2", "a") == first || link("1", "b") == first:
		t.Error("connections are mixed up")
	case first == c.ownLink:
		t.Error("a connection with a login is chartgate's own")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := first.web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for i := range maxLinks {
		link(fmt.Sprint("more", i), "a")
	}
	if n := c.links.Len(); n != maxLinks {
		t.Errorf("%d links are kept", n)
	}
	<-closed
	if link("1", "a") == first {
		t.Error("what was closed is used")
	}
}

// TestSlowProxy is the attack in which a tenant's proxy takes every place that charts of
// a host have.
func TestSlowProxy(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, maxPerHost), make(chan struct{})
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer proxy.Close()
	defer close(release)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	location, err := chart.ParseChart("oci://registry.invalid/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Connect: func(context.Context, chart.Access, string) (Connection, error) {
		return Connection{ID: "1", Proxy: at}, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range maxPerHost {
		go func() {
			r, err := c.repository(ctx, location, chart.Access{Consumer: chart.Flux})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = r.manifest(ctx, "1.0.0")
		}()
	}
	for range maxPerHost {
		<-arrived
	}
	soon, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	release2, err := c.requests.acquire(soon, "registry.invalid")
	if err != nil {
		t.Fatal("others wait for the proxy")
	}
	release2()
	if _, err := c.requests.acquire(soon, "registry.invalid through "+at.Host); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the proxy has no bound")
	}
}

// TestBulky: of large contents few are in memory at the same time, of small ones many.
func TestBulky(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	body := make([]byte, maxBundle+1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer server.Close()
	host := server.Listener.Addr().String()
	location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{PlainHTTP: []string{host}})
	r, err := c.repository(t.Context(), location, chart.Access{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := newAnswer(http.Header{}, body, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 3 * maxBulky {
		go func() {
			_, leave, err := r.bulk(t.Context(), descriptor(content, 0), maxAttestation)
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(5 * time.Millisecond)
			now.Add(-1)
			leave()
			done <- err
		}()
	}
	for range 3 * maxBulky {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > maxBulky {
		t.Errorf("%d at once", most.Load())
	}
	var leaves []func()
	for range maxBulky { // what fails takes no place, what is used does
		if _, _, err := r.bulk(t.Context(), descriptor(content, 9<<20), maxAttestation); err == nil {
			t.Error("too large, and no error")
		}
		_, leave, err := r.bulk(t.Context(), descriptor(content, int64(len(body))), maxAttestation)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.bulk(over, descriptor(content, 0), maxAttestation); !errors.Is(err, context.Canceled) {
		t.Errorf("one more: %v", err)
	}
	if _, _, err := r.bulk(t.Context(), descriptor(content, 1), maxAttestation); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a small one that is none: %v", err)
	}
	for _, leave := range leaves {
		leave()
	}
}

func descriptor(a answer, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.Digest(a.digest.String()), Size: size}
}
