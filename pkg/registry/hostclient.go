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
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Connection is how to reach one registry host on behalf of a consumer. The zero value
// is chartgate's own way: the admin's CAs, proxy and credentials.
type Connection struct {
	// ID tells connections to one host apart: those with one ID share tokens and TCP
	// connections, so it must differ wherever anything else in here does, except for
	// Origin, Identity and CredentialError. A digest of it will do.
	ID string
	// Login returns a user name and password for the host. It is asked when the registry
	// wants them, and again when it refuses those it had. Nil: chartgate's own, unless
	// somebody else than the admin chose CAs, ClientCertificate or Proxy. The user name
	// "<token>" makes the password an identity token.
	Login func(ctx context.Context) (username, password string, err error)
	// Identity lets chartgate's own way use Options.Identity.
	Identity bool
	// Origin names where Login, CAs and ClientCertificate come from, for people, as in
	// "Secret apps/regcred". It may be empty.
	Origin string
	// CAs are the PEM blocks of the only CAs to trust; nil is the admin's choice.
	CAs []byte
	// AddCAs trusts CAs beside the admin's instead: Flux adds those of certSecretRef to
	// the system's, Argo CD replaces them.
	AddCAs bool
	// ClientCertificate and ClientKey are PEM blocks; nil is none. Only the host itself
	// gets to see the certificate.
	ClientCertificate, ClientKey []byte
	// Proxy is the HTTP proxy to go through, with a login or without; nil is the admin's
	// choice.
	Proxy *url.URL
	// CredentialError is why the consumer's own credentials are not in here. It is told if the
	// registry then wants some.
	CredentialError *problem.Error
}

// foreign reports whether somebody else than the admin decides who answers at the other
// end, or may listen: chartgate's own credentials have no business there.
func (c Connection) foreign() bool {
	return c.CAs != nil || c.ClientCertificate != nil || c.ClientKey != nil || c.Proxy != nil
}

// own reports whether c leads the way that chartgate goes by itself.
func (c Connection) own() bool { return c.Login == nil && !c.foreign() }

// origin is Origin, or words in its place.
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
	case err == nil && (connection.own() || connection.ID != ""):
		return connection, nil
	case err == nil:
		err = errors.New("the connection has no ID")
	case errors.As(err, &perr):
		return Connection{}, err
	case expired(ctx):
		return Connection{}, &problem.Error{Kind: problem.KindTimeout, Detail: "the credentials for " + at.Host() + ", to read " + at.String() + ", were not there in time", Next: "try again", Err: err}
	}
	return Connection{}, &problem.Error{Kind: problem.KindInternal, Detail: "chartgate could not find out how to reach " + at.Host(), Err: err}
}

// link is a pool of TCP connections with tokens: those of chartgate's own way to all
// hosts, or those of one Connection to its host.
type link struct {
	web     *auth.Client
	lacking *memory // hosts that lack the referrers API
	lane    string
	close   func() // what is idle
}

type linkKey struct{ id, host string }

// links keeps the links that were used last.
type links struct{ *lru.Cache[linkKey, *link] }

func newLinks(size int) links {
	cache, err := lru.NewWithEvict(size, func(_ linkKey, evicted *link) { evicted.close() })
	if err != nil {
		panic(err) // the size is a constant
	}
	return links{cache}
}

// link returns the link of a connection to a host.
func (c *Client) link(connection Connection, host string) (*link, error) {
	switch {
	case connection.own() && connection.Identity:
		return c.ownLink, nil
	case connection.own():
		return c.namedLink, nil
	}
	key := linkKey{connection.ID, host}
	if known, ok := c.links.Get(key); ok {
		return known, nil
	}
	made, err := c.newLink(connection, host)
	if err != nil {
		return nil, err
	}
	if known, ok, _ := c.links.PeekOrAdd(key, made); ok {
		return known, nil // another admission was faster
	}
	return made, nil
}

func (c *Client) newOwnLink(login Login) *link {
	base := c.options.Transport
	if base == nil {
		base = newTransport(c.options.RootCAs, nil, nil)
	}
	return c.linkThrough(base, "", maxTokens, credentials(login))
}

func (c *Client) newLink(connection Connection, host string) (*link, error) {
	roots, err := c.roots(connection, host)
	if err != nil {
		return nil, err
	}
	base := c.options.Transport
	if base == nil || connection.foreign() {
		base = newTransport(roots, nil, connection.Proxy)
	}
	if connection.ClientCertificate != nil || connection.ClientKey != nil {
		pair, err := tls.X509KeyPair(connection.ClientCertificate, connection.ClientKey)
		if err != nil {
			return nil, badCertificates(host, "the client certificate and key of "+connection.origin()+" are not a pair in PEM", err)
		}
		known := newTransport(roots, &pair, connection.Proxy)
		base = &introduced{host: httpName(host), known: known, others: base}
	}
	// A registry is as slow as the proxy in front of it. One that a tenant chose must not
	// hold up anybody else.
	lane := ""
	if connection.Proxy != nil {
		lane = " through " + connection.Proxy.Host
	}
	return c.linkThrough(base, lane, maxLinkTokens, loginAt(host, loginOf(connection))), nil
}

// roots returns the CAs that a connection trusts; nil is the system's.
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

// loginOf returns what knows the user name and password of a connection that is not
// chartgate's own; nil is none.
func loginOf(connection Connection) auth.CredentialFunc {
	if connection.Login == nil {
		return nil
	}
	return credentialsOf(func(string) string { return "they" },
		func(ctx context.Context, _ chart.Location) (string, string, error) { return connection.Login(ctx) })
}

func (c *Client) linkThrough(base http.RoundTripper, lane string, tokens int, login auth.CredentialFunc) *link {
	return &link{
		web: &auth.Client{
			Client: &http.Client{Transport: c.guard(base, lane), CheckRedirect: checkRedirect},
			// Nothing is decompressed: 0.5 MiB of gzip can hold 512 MiB.
			Header:     http.Header{"User-Agent": {"chartgate"}, "Accept-Encoding": {"identity"}},
			Credential: login,
			Cache:      newTokens(tokens),
			ClientID:   "chartgate",
		},
		lacking: newMemory(referrersMemory, time.Now),
		lane:    lane,
		close:   (&http.Client{Transport: base}).CloseIdleConnections,
	}
}

// httpName returns the name by which a chart's host is spoken to.
func httpName(host string) string {
	if host == dockerHub {
		return dockerHubRegistry
	}
	return host
}

// badCertificates is the problem with a consumer's certificates.
func badCertificates(host, why string, err error) error {
	return &problem.Error{
		Kind: problem.KindUnauthorized, Detail: host + " cannot be asked: " + why,
		Next: "correct the Secret or ConfigMap that holds them", Err: err,
	}
}

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

// memory holds hosts for a while. Hosts of charts come from policies, so there
// are few.
type memory struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

func newMemory(keep time.Duration, now func() time.Time) *memory {
	return &memory{keep: keep, now: now, until: map[string]time.Time{}}
}

func (m *memory) remember(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until[host] = m.now().Add(m.keep)
}

func (m *memory) forget(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.until, host)
}

func (m *memory) holds(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now().Before(m.until[host])
}
