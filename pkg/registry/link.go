package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

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
