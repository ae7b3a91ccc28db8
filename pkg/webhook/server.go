package webhook

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/chartgate/chartgate/pkg/fair"
)

// Limits on what a client of the webhook's port may cost before any byte of a body is read.
const (
	// MaxConnections bounds the TCP connections to the webhook's port; more are closed at once. One
	// address gets three quarters of them (package fair): an API server keeps a few.
	MaxConnections = 400
	// maxRequestHeader bounds a header: an API server's has 1 KiB.
	maxRequestHeader = 16 << 10
	// maxStreams bounds the requests in progress on one connection: an API server opens
	// another one for more.
	maxStreams = 250
	// connectionBuffer and streamBuffer bound what HTTP/2 keeps of bodies that are not read yet, of
	// a connection and of one request. (net/http keeps 1 MiB of each.)
	connectionBuffer = 128 << 10
	streamBuffer     = 64 << 10
	// headTimeout bounds the TLS handshake and the header.
	headTimeout = 5 * time.Second
	// exchangeTimeout bounds a request from its header to the end of its answer. The longest
	// that an API server waits is 30 s.
	exchangeTimeout = 35 * time.Second
	// stallTimeout ends a connection that takes no byte of an answer, and pingAfter one
	// that is silent and answers no ping.
	stallTimeout = 10 * time.Second
	pingAfter    = 30 * time.Second
	// keepAlive is how long a connection without requests is kept.
	keepAlive = 90 * time.Second
)

// NewServer returns an HTTP server with limits; its listener is to be bounded by Bound.
func NewServer(handler http.Handler, config *tls.Config) *http.Server {
	return &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		MaxHeaderBytes:    maxRequestHeader,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       exchangeTimeout,
		WriteTimeout:      exchangeTimeout,
		IdleTimeout:       keepAlive,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerConnection: connectionBuffer,
			MaxReceiveBufferPerStream:     streamBuffer,
			SendPingTimeout:               pingAfter,
			WriteByteTimeout:              stallTimeout,
		},
	}
}

// boundedListener bounds the connections, which the addresses of clients share. (With the listener
// of x/net/netutil, one client that holds all connections keeps every other client out.)
type boundedListener struct {
	net.Listener
	places *fair.Semaphore
}

// Bound bounds the connections that a listener accepts.
func Bound(listener net.Listener, connections int64) net.Listener {
	return &boundedListener{Listener: listener, places: fair.NewSemaphore(connections)}
}

// Accept returns the next connection for which there is a place.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			address = conn.RemoteAddr().String()
		}
		if release, ok := l.places.TryAcquire(1, fair.Share{Tenants: fair.Tenant(address)}); ok {
			return &boundedConn{Conn: conn, release: release}, nil
		}
		_ = conn.Close()
	}
}

// boundedConn frees its place when it is closed.
type boundedConn struct {
	net.Conn
	release func()
}

// Close closes the connection.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

const (
	// defaultTimeout is the API server's own default for webhooks. It counts when a request names
	// no timeout.
	defaultTimeout = 10 * time.Second
	// maxTimeout is the longest that an API server grants.
	maxTimeout = 30 * time.Second
	// margin is what remains of the timeout for the answer to arrive: chartgate's message explains
	// more than "context deadline exceeded".
	margin = 500 * time.Millisecond
)

// WithDeadline bounds every request by the timeout that the API server announces in the query, less
// a margin. A request ends earlier if its client goes away: a client that asks and leaves holds no
// place. (The server must not end requests when the process is told to stop; net/http's does not.)
func WithDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), budget(r.URL.Query().Get("timeout")))
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func budget(announced string) time.Duration {
	timeout, err := time.ParseDuration(announced)
	if err != nil || timeout <= 0 || timeout > maxTimeout {
		timeout = defaultTimeout
	}
	return max(timeout-margin, timeout/2)
}
