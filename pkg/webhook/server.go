package webhook

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/chartgate/chartgate/pkg/fair"
)

// What a client of the webhook's port may cost before any byte of a body is read.
const (
	// maxConnections bounds the TCP connections; more are closed at once. One address gets
	// three quarters of them (package fair): an API server keeps a few.
	maxConnections = 400
	// maxRequestHeader bounds a header: an API server's has 1 KiB.
	maxRequestHeader = 16 << 10
	// maxStreams bounds the requests in progress on one connection: an API server opens
	// another one for more.
	maxStreams = 250
	// connectionBuffer and streamBuffer bound how much HTTP/2 buffers of bodies that are not read
	// yet, per connection and per request. (net/http keeps 1 MiB of each.)
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

// boundedListener accepts so many connections, which the addresses of clients share. (With that of
// x/net/netutil, a client that holds all of them blocks all others.)
type boundedListener struct {
	net.Listener
	places *fair.Semaphore
}

// Bound bounds the connections that a listener accepts.
func Bound(listener net.Listener) net.Listener {
	return &boundedListener{Listener: listener, places: fair.NewSemaphore(maxConnections)}
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
