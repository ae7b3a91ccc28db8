// Package registry is chartgate's only OCI client. It resolves references to digests and reads the
// signatures and attestations that are attached to a chart.
//
// Everything that it reads may come from an attacker. So it reads within limits (limits.go),
// decompresses nothing, and returns only content whose digest it has computed. It does not judge
// signatures. Every error is a *problem.Error.
package registry

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	orasregistry "oras.land/oras-go/v2/registry"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Docker Hub's registry has another host than the references to it.
const (
	dockerHub         = "docker.io"
	dockerHubRegistry = "registry-1.docker.io"
)

// Options configure a Client. The zero value speaks HTTPS only, anonymously, and trusts the
// system's CAs.
type Options struct {
	// PlainHTTP are the hosts, "host" or "host:port" as in chart.Location, to which the admin
	// allows plain HTTP. All other hosts get HTTPS only, also as token services and as targets of
	// redirects.
	PlainHTTP []string
	// Transport does the round trips, except for connections with CAs, a client certificate or a
	// proxy of their own; nil is one with timeouts and the proxy of the environment. Limits, retry
	// and the refusal of plain HTTP apply to either.
	Transport http.RoundTripper
	// Instrument, if set, wraps the transport to count requests.
	Instrument func(http.RoundTripper) http.RoundTripper
	// RootCAs are the CAs to trust instead of the system's; to add to those, start from
	// x509.SystemCertPool. It does not apply to Transport.
	RootCAs *x509.CertPool
	// Background is set for work for which no write waits. It gets few places at each host, and they
	// are its own: it neither takes nor joins what other Clients do.
	Background bool
	// Local is set where the reader of messages runs a command on a machine of their own: there is
	// no cluster, no admin of one and no log.
	Local bool
	// Credentials are the logins that the admin has configured for hosts. They are read when a
	// registry asks for credentials, and again when it refuses them. Nil is anonymous.
	Credentials Login
	// Identity logs in where Credentials has no login, with an identity that the admin gave
	// chartgate for a whole cloud. It is used for hosts for which the Connection allows it.
	Identity Login
	// Mirrors are asked instead of the hosts in references. A mirror is reached with chartgate's
	// own connection only.
	Mirrors Mirrors
	// Connect returns how a consumer reaches a repository. It is called once for each lookup, and
	// not at all for chartgate's own connection. An error that is a *problem.Error is returned as
	// it is. If it is nil, all lookups use chartgate's own connection.
	Connect func(ctx context.Context, access sourceauth.Auth, at chart.Location) (Connection, error)
}

// Client reads charts and their attachments from OCI registries. It is safe for concurrent use. All
// users of one Client that reach a host in the same way share TCP connections and tokens.
type Client struct {
	options   Options
	plainHTTP map[string]bool

	withIdentity    *hostClient // with Options.Credentials and Options.Identity
	withoutIdentity *hostClient // with Options.Credentials only
	ofConsumers     *lru.Cache[hostKey, *hostClient]

	requests *hostLimiter // limits requests in flight
	charts   *hostLimiter // limits charts that are being examined
	large    *hostLimiter // limits large contents in memory

	// What registries have shown lately. It saves requests and round trips; it never hides a
	// signature and decides nothing.
	noReferrersAPI *observations
	anonymous      *observations // hosts that answer without a login
	bundlesOnly    *observations // folders whose last chart was signed with a bundle
}

// observations are a set of hosts, or of folders in them, each of which is kept for some time.
type observations = expirable.LRU[hostKey, struct{}]

func newObservations(keep time.Duration) *observations {
	return expirable.NewLRU[hostKey, struct{}](maxObserved, nil, keep)
}

// New returns a Client.
func New(o Options) *Client {
	perHost, charts, large := int64(maxPerHost), int64(maxCharts), int64(maxLarge)
	if o.Background {
		perHost, charts, large = backgroundPerHost, backgroundCharts, backgroundLarge
	}
	c := &Client{
		options:        o,
		plainHTTP:      make(map[string]bool, len(o.PlainHTTP)),
		ofConsumers:    newHostClients(),
		requests:       newHostLimiter(perHost),
		charts:         newHostLimiter(charts),
		large:          newHostLimiter(large),
		noReferrersAPI: newObservations(observedFor),
		anonymous:      newObservations(observedFor),
		bundlesOnly:    newObservations(observedFor),
	}
	for _, host := range o.PlainHTTP {
		c.plainHTTP[host] = true
	}
	c.withIdentity = c.newDefaultHostClient("", FirstOf(o.Credentials, o.Identity))
	c.withoutIdentity = c.newDefaultHostClient("without identity", FirstOf(o.Credentials))
	return c
}

// repository is one repository of one registry, as one consumer reaches it.
type repository struct {
	client     *Client
	location   chart.Location // as in the reference
	at         chart.Location // where it is read from: location, or its mirror
	connection Connection
	host       *hostClient
	askers     sourceauth.Askers // that wait for what is read
}

// repository returns the repository at l, which must be in an OCI registry.
func (c *Client) repository(ctx context.Context, l chart.Location, access sourceauth.Auth) (*repository, error) {
	switch {
	case l.IsZero():
		return nil, problem.Invalid("the reference names no chart")
	case !l.IsOCI():
		return nil, &problem.Error{Kind: problem.KindNotOCI, Detail: l.String() + " is not in an OCI registry, so it cannot carry signatures"}
	case l.Path() == "":
		return nil, problem.Invalid("%s names a registry but no chart in it", l)
	}
	askers := access.Askers
	access.Askers = nil // they do not change how the registry is reached
	at, mirrored, err := c.options.Mirrors.of(l)
	if err != nil {
		return nil, err
	}
	if mirrored {
		return &repository{client: c, location: l, at: at, host: c.withIdentity, askers: askers}, nil
	}
	connection, err := c.connection(ctx, access, l)
	if err != nil {
		return nil, err
	}
	host, err := c.hostClient(connection, l.Host())
	if err != nil {
		return nil, err
	}
	return &repository{client: c, location: l, at: l, connection: connection, host: host, askers: askers}, nil
}

// enter waits until one more chart of the repository's host may be examined.
func (r *repository) enter(ctx context.Context) (leave func(), err error) {
	leave, err = r.client.charts.acquire(ctx, r.limitKey(), r.share())
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.KindTimeout, Next: "try again", Err: err,
			Detail: r.location.String() + " had to wait too long: too many charts of " + r.at.Host() + " are being verified at this moment",
		}
	}
	return leave, nil
}

// limitKey is the key of the limits that apply to the repository's host.
func (r *repository) limitKey() string { return r.at.Host() + r.host.limitKey }

// share says whose share of the host's slots the repository's requests take.
func (r *repository) share() fair.Share {
	return fair.Share{Tenants: r.askers, Resource: r.location.String()}
}

// key is the key of what the host has shown to those who reach it in the same way.
func (r *repository) key() hostKey { return hostKey{r.host.id, r.at.Host()} }

func (r *repository) reference() orasregistry.Reference {
	return orasregistry.Reference{Registry: r.at.Host(), Repository: r.at.Path()}
}

func (r *repository) scheme() string {
	if r.client.plainHTTP[r.at.Host()] {
		return "http"
	}
	return "https"
}

func (r *repository) path(below string) string { return "/v2/" + r.at.Path() + "/" + below }
