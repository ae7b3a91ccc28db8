package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
)

// forHost sends requests to one host through a transport with a client certificate, and all other
// requests, such as those to token services and storages, through one without.
type forHost struct {
	host            string // as in URLs
	certified, rest http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *forHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == t.host {
		return t.certified.RoundTrip(req)
	}
	return t.rest.RoundTrip(req)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *forHost) CloseIdleConnections() {
	for _, next := range []http.RoundTripper{t.certified, t.rest} {
		(&http.Client{Transport: next}).CloseIdleConnections()
	}
}

// clientCertificate is for tls.Config.GetClientCertificate: it returns pair if the server accepts
// certificates of the CA of pair, and an empty certificate otherwise. It also records that the
// server has asked for a certificate.
func clientCertificate(pair *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if asked, ok := info.Context().Value(certificateAsked{}).(*atomic.Bool); ok {
			asked.Store(true)
		}
		if pair == nil || info.SupportsCertificate(pair) != nil {
			return &tls.Certificate{}, nil
		}
		return pair, nil
	}
}

// certificateAsked is the context key of an *atomic.Bool, which becomes true when the server asks
// for a client certificate.
type certificateAsked struct{}

// errClientCertificate is the error if a server asks for a client certificate and then closes the
// connection. With TLS 1.3 the client finishes its handshake first, so it may find the connection
// closed before it reads the alert that says why.
var errClientCertificate = errors.New("the server asks for another client certificate, or for one at all")

// withClientCertificateErrors marks failed requests that are about a client certificate with
// errClientCertificate.
func withClientCertificateErrors(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		var asked atomic.Bool
		resp, err := next.RoundTrip(req.WithContext(context.WithValue(req.Context(), certificateAsked{}, &asked)))
		var timeout net.Error
		if err == nil || !asked.Load() || errors.As(err, &timeout) && timeout.Timeout() || req.Context().Err() != nil {
			return resp, err
		}
		return nil, fmt.Errorf("%w: %w", errClientCertificate, err)
	})
}
