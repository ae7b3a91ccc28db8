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

// introduced shows a client certificate to one host and to nobody else.
type introduced struct {
	host          string // as in URLs
	known, others http.RoundTripper
}

func (t *introduced) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == t.host {
		return t.known.RoundTrip(req)
	}
	return t.others.RoundTrip(req)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections asks for.
func (t *introduced) CloseIdleConnections() {
	for _, next := range []http.RoundTripper{t.known, t.others} {
		(&http.Client{Transport: next}).CloseIdleConnections()
	}
}

// introduction returns what a server that asks for a client certificate gets: the pair,
// if that is of a CA that it names.
func introduction(pair *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if asked, ok := info.Context().Value(askedKey{}).(*atomic.Bool); ok {
			asked.Store(true)
		}
		if pair == nil || info.SupportsCertificate(pair) != nil {
			return &tls.Certificate{}, nil
		}
		return pair, nil
	}
}

// askedKey is that of an *atomic.Bool which is true once the server has asked for a
// client certificate.
type askedKey struct{}

// errIntroduction is that of a server which asked for a client certificate and then hung
// up: TLS 1.3 lets the client finish first, which may find the connection closed before
// it reads the alert that tells why.
var errIntroduction = errors.New("the server wants another client certificate, or one at all")

// introductions tells failures that are about client certificates from others.
type introductions struct{ next http.RoundTripper }

func (t *introductions) RoundTrip(req *http.Request) (*http.Response, error) {
	var asked atomic.Bool
	resp, err := t.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), askedKey{}, &asked)))
	var late net.Error
	if err == nil || !asked.Load() || errors.As(err, &late) && late.Timeout() || req.Context().Err() != nil {
		return resp, err
	}
	return nil, fmt.Errorf("%w: %w", errIntroduction, err)
}
