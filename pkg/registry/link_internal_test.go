package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/sourceauth"
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
		at, err := chart.ParseChart("oci://" + host + "/acme/app")
		if err != nil {
			t.Fatal(err)
		}
		ctx := (&repository{at: at}).asking(t.Context())
		for _, asking := range []string{"ghcr.io", "docker.io", "registry-1.docker.io", "ghcr.io:444", "evil.ghcr.io", "GHCR.io", ""} {
			want := auth.EmptyCredential
			if asking == own {
				want = auth.Credential{Username: "user", Password: "hunter2"}
			}
			if got, err := l.web.Credential(ctx, asking); got != want || err != nil {
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
	release2, err := c.requests.acquire(soon, "registry.invalid", fair.Claim{})
	if err != nil {
		t.Fatal("others wait for the proxy")
	}
	release2()
	if _, err := c.requests.acquire(soon, "registry.invalid through "+at.Host, fair.Claim{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the proxy has no bound")
	}
}

// TestBulky: what is larger than most material takes one of few places until it is of no
// more use; what is small, or fails, takes none.
func TestBulky(t *testing.T) {
	t.Parallel()
	small, large := make([]byte, 1000), make([]byte, maxBundle+1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if answer, err := newAnswer(http.Header{}, small, ""); err == nil && strings.HasSuffix(req.URL.Path, answer.digest.String()) {
			_, _ = w.Write(small)
			return
		}
		_, _ = w.Write(large)
	}))
	defer server.Close()
	host := server.Listener.Addr().String()
	location, err := chart.ParseChart("oci://" + host + "/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{PlainHTTP: []string{host}})
	r, err := c.repository(t.Context(), location, sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	taken := func() int {
		c.bulky.mu.Lock()
		defer c.bulky.mu.Unlock()
		if c.bulky.hosts[host] == nil {
			return 0
		}
		return c.bulky.hosts[host].users
	}
	for _, step := range []struct {
		sentence string
		content  []byte
		size     int64 // as its descriptor says; 0 does not
		limit    int64
		fails    bool
		takes    int
	}{
		{"a small one that may not be large", small, 0, maxBundle, false, 0},
		{"a small one that may be large, and says so", small, 1000, maxAttestation, false, 0},
		{"one of unknown size", small, 0, maxAttestation, false, 1},
		{"a large one", large, maxBundle + 1, maxAttestation, false, 1},
		{"a large one that says it is small", large, 1, maxAttestation, true, 0},
		{"a large one that may not be", large, 0, maxBundle, true, 0},
		{"one that is too large by its own words", large, maxAttestation + 1, maxAttestation, true, 0},
	} {
		a, err := newAnswer(http.Header{}, step.content, "")
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := r.bulk(t.Context(), descriptor(a, step.size), step.limit)
		if (err != nil) != step.fails || taken() != step.takes {
			t.Errorf("%s: %v, takes %d places", step.sentence, err, taken())
		}
		if done(); taken() != 0 {
			t.Errorf("%s: %d places are taken for ever", step.sentence, taken())
		}
	}
}

func descriptor(a answer, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.Digest(a.digest.String()), Size: size}
}

// TestHandEvenInPanic: the gate recovers from whatever a verifier does; the place of its
// material must be free again.
func TestHandEvenInPanic(t *testing.T) {
	t.Parallel()
	done := 0
	func() {
		defer func() { _ = recover() }()
		hand(func(attachment.Attachment, error) bool { panic("verifier") }, item{done: func() { done++ }})
	}()
	if more := hand(func(attachment.Attachment, error) bool { return true }, item{done: func() { done++ }}); !more || done != 2 {
		t.Errorf("%d places are free, more: %v", done, more)
	}
}
