package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

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
	// connectionBuffer and streamBuffer bound what HTTP/2 keeps of bodies that nobody reads
	// yet, of a connection and of one request. (net/http keeps 1 MiB of each.)
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

// server serves the webhook over TLS. controller-runtime's own server has no deadline for
// bodies and answers, and lets HTTP/2 buffer 1 MiB for each connection; of it are the
// options and, for its metrics, the handlers.
type server struct {
	ctrlwebhook.Server
	options ctrlwebhook.Options
	log     logr.Logger
	started atomic.Bool
}

func newServer(log logr.Logger, options ctrlwebhook.Options) *server {
	return &server{Server: ctrlwebhook.NewServer(options), options: options, log: log}
}

// Start serves until ctx ends, and then until what has been asked is answered.
func (s *server) Start(ctx context.Context) error {
	config, err := s.tls(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.address())
	if err != nil {
		return err
	}
	limited := newHTTPServer(s.WebhookMux(), config)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := limited.Shutdown(ctx); err != nil {
			s.log.Error(err, "requests were left unanswered")
		}
	}()
	s.started.Store(true)
	if err := limited.ServeTLS(&boundedListener{Listener: listener, places: fair.NewSemaphore(maxConnections)}, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// newHTTPServer returns a server with limits.
func newHTTPServer(handler http.Handler, config *tls.Config) *http.Server {
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

// boundedListener accepts so many connections, which the addresses of clients share. (That
// of x/net/netutil lets whoever holds them all keep everybody else out.)
type boundedListener struct {
	net.Listener
	places *fair.Semaphore
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
		if release, ok := l.places.TryAcquire(1, fair.Claim{By: fair.Payer(address)}); ok {
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

func (s *server) address() string {
	return net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

func (s *server) tls(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	for _, option := range s.options.TLSOpts {
		option(config)
	}
	if config.GetCertificate != nil {
		return config, nil
	}
	watcher, err := certwatcher.New(filepath.Join(s.options.CertDir, "tls.crt"), filepath.Join(s.options.CertDir, "tls.key"))
	if err != nil {
		return nil, err
	}
	config.GetCertificate = watcher.GetCertificate
	go func() {
		if err := watcher.Start(ctx); err != nil {
			s.log.Error(err, "the certificate is not watched any more")
		}
	}()
	return config, nil
}

// ready is a health check: it fails until connections are accepted.
func (s *server) ready(*http.Request) error {
	if !s.started.Load() {
		return errors.New("the webhook has not been started yet")
	}
	dialer := &net.Dialer{Timeout: headTimeout}
	// Only this process is at the other end.
	conn, err := tls.DialWithDialer(dialer, "tcp", s.address(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	return conn.Close()
}
