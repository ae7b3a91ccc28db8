package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Connection is how to reach one registry host on behalf of a consumer. The zero value is
// chartgate's own connection: the admin's CAs, proxy and credentials.
type Connection struct {
	// ID identifies the connection among those to one host. Connections with the same ID share
	// tokens and TCP connections, so the ID must differ if any other field but Origin, Identity and
	// CredentialError differs. A digest of the fields is enough.
	ID string
	// Login returns a user name and password for the host. It is called when the registry asks for
	// credentials, and again when it refuses them. Nil means chartgate's own login, unless CAs,
	// ClientCertificate or Proxy are set. The user name "<token>" makes the password an identity
	// token.
	Login func(ctx context.Context) (username, password string, err error)
	// Identity allows Options.Identity for chartgate's own connection.
	Identity bool
	// Origin names the source of Login, CAs and ClientCertificate in messages, as in "Secret
	// apps/regcred". It may be empty.
	Origin string
	// CAs are the PEM blocks of the only CAs to trust; nil means the admin's CAs.
	CAs []byte
	// AddCAs adds CAs to the admin's instead of replacing them: Flux adds those of certSecretRef to
	// the system's, Argo CD replaces them.
	AddCAs bool
	// ClientCertificate and ClientKey are PEM blocks; nil means no client certificate. Only the
	// host itself sees the certificate.
	ClientCertificate, ClientKey []byte
	// Proxy is the HTTP proxy to use, with or without a login; nil means the admin's proxy.
	Proxy *url.URL
	// CredentialError says why the consumer's own credentials are missing from the connection. It
	// is returned if the registry then asks for credentials.
	CredentialError *problem.Error
}

// chosenByTenant reports whether a tenant decides which server answers, or may read the traffic.
// chartgate's own credentials are not sent there.
func (c Connection) chosenByTenant() bool {
	return c.CAs != nil || c.ClientCertificate != nil || c.ClientKey != nil || c.Proxy != nil
}

// isDefault reports whether c is chartgate's own connection.
func (c Connection) isDefault() bool { return c.Login == nil && !c.chosenByTenant() }

// origin is Origin, or a general term if that is empty.
func (c Connection) origin() string {
	if c.Origin == "" {
		return "the chart's source"
	}
	return c.Origin
}

// connection asks how to reach a repository.
func (c *Client) connection(ctx context.Context, access sourceauth.Auth, at chart.Location) (Connection, error) {
	if c.options.Connect == nil || access == (sourceauth.Auth{}) {
		return Connection{Identity: true}, nil
	}
	connection, err := c.options.Connect(ctx, access, at)
	var perr *problem.Error
	switch {
	case err == nil && (connection.isDefault() || connection.ID != ""):
		return connection, nil
	case err == nil:
		err = errors.New("the connection has no ID")
	case errors.As(err, &perr):
		return Connection{}, err
	case expired(ctx):
		return Connection{}, &problem.Error{
			Kind: problem.KindTimeout, Next: "try again", Err: err,
			Detail: "the credentials for " + at.Host() + ", to read " + at.String() + ", were not there in time",
		}
	}
	return Connection{}, &problem.Error{Kind: problem.KindInternal, Detail: "chartgate could not find out how to reach " + at.Host(), Err: err}
}

// hostClient sends requests over one Connection to its host, or over chartgate's own connection to
// all hosts. It keeps TCP connections and tokens.
type hostClient struct {
	id        string // of the Connection
	http      *auth.Client
	tokens    *tokens
	limitKey  string // follows the host in the keys of limits
	closeIdle func()
}

// hostKey identifies a host, or a folder of it, as seen over a connection: a tenant's proxy may
// answer in the host's place, and must not decide what other tenants see.
type hostKey struct{ connection, host string }

// newHostClients returns the cache of the consumers' host clients.
func newHostClients() *lru.Cache[hostKey, *hostClient] {
	cache, err := lru.NewWithEvict(maxHostClients, func(_ hostKey, evicted *hostClient) { evicted.closeIdle() })
	if err != nil {
		panic(err) // only for a size below one
	}
	return cache
}

// hostClient returns the client for a connection to a host.
func (c *Client) hostClient(connection Connection, host string) (*hostClient, error) {
	switch {
	case connection.isDefault() && connection.Identity:
		return c.withIdentity, nil
	case connection.isDefault():
		return c.withoutIdentity, nil
	}
	key := hostKey{connection.ID, host}
	if known, ok := c.ofConsumers.Get(key); ok {
		return known, nil
	}
	made, err := c.newHostClient(connection, host)
	if err != nil {
		return nil, err
	}
	if known, ok, _ := c.ofConsumers.PeekOrAdd(key, made); ok {
		return known, nil // another admission was faster
	}
	return made, nil
}

// newDefaultHostClient returns a client for chartgate's own connection, with a login.
func (c *Client) newDefaultHostClient(id string, login Login) *hostClient {
	base := c.options.Transport
	if base == nil {
		base = newTransport(c.options.RootCAs, nil, nil)
	}
	h := &hostClient{id: id, tokens: newTokens(maxTokens)}
	c.connect(h, base, credentials(login))
	return h
}

// newHostClient returns a client for a consumer's connection to a host.
func (c *Client) newHostClient(connection Connection, host string) (*hostClient, error) {
	roots, err := c.roots(connection, host)
	if err != nil {
		return nil, err
	}
	base := c.options.Transport
	if base == nil || connection.chosenByTenant() {
		base = newTransport(roots, nil, connection.Proxy)
	}
	h := &hostClient{id: connection.ID, tokens: newTokens(maxHostTokens)}
	// A registry is as slow as the proxy in front of it. A proxy that a tenant chose must not delay
	// other tenants, so it has limits of its own.
	if connection.Proxy != nil {
		h.limitKey = " through " + connection.Proxy.Host
	}
	if connection.ClientCertificate != nil || connection.ClientKey != nil {
		pair, err := tls.X509KeyPair(connection.ClientCertificate, connection.ClientKey)
		if err != nil {
			return nil, badCertificates(host, "the client certificate and key of "+connection.origin()+" are not a pair in PEM", err)
		}
		base = &forHost{host: httpName(host), certified: newTransport(roots, &pair, connection.Proxy), rest: base}
	}
	c.connect(h, base, loginAt(host, loginOf(connection)))
	return h, nil
}

// connect lets h send its requests through base.
func (c *Client) connect(h *hostClient, base http.RoundTripper, login auth.CredentialFunc) {
	h.http = &auth.Client{
		Client: &http.Client{Transport: c.guard(base, h.limitKey), CheckRedirect: checkRedirect},
		// Nothing is decompressed: 0.5 MiB of gzip can hold 512 MiB.
		Header:     http.Header{"User-Agent": {"chartgate"}, "Accept-Encoding": {"identity"}},
		Credential: login,
		Cache:      h.tokens,
		ClientID:   "chartgate",
	}
	h.closeIdle = (&http.Client{Transport: base}).CloseIdleConnections
}

// roots returns the CAs that a connection trusts; nil means the system's.
func (c *Client) roots(connection Connection, host string) (*x509.CertPool, error) {
	roots := c.options.RootCAs
	if connection.CAs == nil {
		return roots, nil
	}
	var err error
	switch {
	case !connection.AddCAs:
		roots = x509.NewCertPool()
	case roots != nil:
		roots = roots.Clone()
	default:
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, badCertificates(host, "chartgate's own CA certificates could not be read", err)
		}
	}
	if !roots.AppendCertsFromPEM(connection.CAs) {
		return nil, badCertificates(host, "the CA certificates of "+connection.origin()+" are not certificates in PEM", nil)
	}
	return roots, nil
}

// httpName returns the name of a chart's host in HTTP requests.
func httpName(host string) string {
	if host == dockerHub {
		return dockerHubRegistry
	}
	return host
}

// badCertificates is the error for a consumer's certificates that cannot be used.
func badCertificates(host, why string, err error) error {
	return &problem.Error{
		Kind: problem.KindUnauthorized, Detail: host + " cannot be asked: " + why,
		Next: "correct the Secret or ConfigMap that holds them", Err: err,
	}
}

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
