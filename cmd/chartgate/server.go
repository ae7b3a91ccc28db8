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

	"github.com/chartgate/chartgate/pkg/webhook"
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
	limited := webhook.NewServer(s.WebhookMux(), config)
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
	if err := limited.ServeTLS(webhook.Bound(listener), "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
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

// readyTimeout bounds a health check.
const readyTimeout = 5 * time.Second

// ready is a health check: it fails until connections are accepted.
func (s *server) ready(*http.Request) error {
	if !s.started.Load() {
		return errors.New("the webhook has not been started yet")
	}
	dialer := &net.Dialer{Timeout: readyTimeout}
	// Only this process is at the other end.
	conn, err := tls.DialWithDialer(dialer, "tcp", s.address(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	return conn.Close()
}
