package registry

import (
	"context"
	"errors"
	"net/url"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Connection is how to reach one registry host on behalf of a consumer. The zero value
// is chartgate's own way: the admin's CAs, proxy and credentials.
type Connection struct {
	// ID tells connections to one host apart: those with one ID share tokens and TCP
	// connections, so it must differ wherever anything else in here does, except for
	// Origin, Identity and Lacking. A digest of it will do.
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
	// Lacking is why the consumer's own credentials are not in here. It is told if the
	// registry then wants some.
	Lacking *problem.Error
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
