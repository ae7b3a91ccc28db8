package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// TestHostClients: there is one for each ID and host, up to the limit, and evicted ones close their
// connections.
func TestHostClients(t *testing.T) {
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
	client := func(id, host string) *hostClient {
		h, err := c.hostClient(Connection{ID: id, Login: secret}, host)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := client("1", "a")
	switch {
	case client("1", "a") != first:
		t.Error("a connection is not reused")
	case client("2", "a") == first || client("1", "b") == first:
		t.Error("connections are mixed up")
	case first == c.withIdentity || first == c.withoutIdentity:
		t.Error("a connection with a login is chartgate's own")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := first.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for i := range maxHostClients {
		client(fmt.Sprint("more", i), "a")
	}
	if n := c.ofConsumers.Len(); n != maxHostClients {
		t.Errorf("%d host clients are kept", n)
	}
	<-closed
	if client("1", "a") == first {
		t.Error("what was closed is used")
	}
}

// TestSlowProxy is the attack in which a tenant's proxy takes all slots of a host.
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
	c := New(Options{Connect: func(context.Context, sourceauth.Auth, chart.Location) (Connection, error) {
		return Connection{ID: "1", Proxy: at}, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const most = 12 // of maxPerHost, for one namespace
	for range maxPerHost {
		go func() {
			r, err := c.repository(ctx, location, sourceauth.Auth{Consumer: sourceauth.Flux})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = r.manifest(ctx, "1.0.0")
		}()
	}
	for range most {
		<-arrived
	}
	soon, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	release2, err := c.requests.acquire(soon, "registry.invalid", fair.Share{})
	if err != nil {
		t.Fatal("others wait for the proxy")
	}
	release2()
	if _, err := c.requests.acquire(soon, "registry.invalid through "+at.Host, fair.Share{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the proxy has no bound")
	}
}
