// Package registry is chartgate's only OCI client. It turns references into
// digests and fetches the signature material beside a chart.
//
// Everything that it reads may have been written by an attacker, so it reads
// within limits (limits.go), decompresses nothing, and returns only content whose
// digest it has computed. It judges no signature. Every error is a
// *problem.Error.
package registry

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	orasregistry "oras.land/oras-go/v2/registry"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Docker Hub's registry answers at another host than its references name.
const (
	dockerHub         = "docker.io"
	dockerHubRegistry = "registry-1.docker.io"
)

// Options configure a Client. The zero value speaks HTTPS only, anonymously, and
// trusts the system's CAs.
type Options struct {
	// PlainHTTP are the hosts, "host" or "host:port" as in chart.Location, that the
	// admin wants to be spoken to over plain HTTP. All others only ever get HTTPS,
	// also as token services and as targets of redirects.
	PlainHTTP []string
	// Transport does the round trips, except for connections with CAs, a client
	// certificate or a proxy of their own; nil is one with timeouts and the proxy of the
	// environment. Limits, retry and the refusal of plain HTTP hold for either.
	Transport http.RoundTripper
	// Instrument, if set, wraps the transport to count what registries are asked.
	Instrument func(http.RoundTripper) http.RoundTripper
	// RootCAs are the CAs to trust instead of the system's; to add to those, start
	// from x509.SystemCertPool. A Transport brings its own.
	RootCAs *x509.CertPool
	// Credentials are the logins that the admin names hosts for. They are asked for only
	// when a registry requires credentials, and again when it refuses the ones it had. Nil is
	// anonymous.
	Credentials Login
	// Identity logs in where Credentials has nothing, with an identity that the admin gave
	// chartgate for whole clouds, to hosts that a Connection lets it go to.
	Identity Login
	// Mirrors are asked in place of the hosts that references name. To a mirror there is
	// only chartgate's own way.
	Mirrors Mirrors
	// Connect returns how a consumer reaches a repository. It is asked anew for each
	// question, and never for chartgate's own way. An error that is a
	// *problem.Error is told as it is. Nil: all go chartgate's own way.
	Connect func(ctx context.Context, access sourceauth.Auth, at chart.Location) (Connection, error)
}

// Client reads charts and signature material from OCI registries. It is safe for
// concurrent use; one Client shares connections and tokens among those who reach a
// host in the same way.
type Client struct {
	options   Options
	plainHTTP map[string]bool
	ownLink   *link // with all of chartgate's own logins
	namedLink *link // with Options.Credentials alone
	links     links
	requests  *slots // of the requests in flight
	charts    *slots // of the charts that are looked at
	bulky     *slots // of large contents in memory
}

// New returns a Client.
func New(o Options) *Client {
	plain := make(map[string]bool, len(o.PlainHTTP))
	for _, host := range o.PlainHTTP {
		plain[host] = true
	}
	c := &Client{
		options:   o,
		plainHTTP: plain,
		links:     newLinks(maxLinks),
		requests:  newSlots(maxPerHost),
		charts:    newSlots(maxCharts),
		bulky:     newSlots(maxBulky),
	}
	c.ownLink = c.newOwnLink(FirstOf(o.Credentials, o.Identity))
	c.namedLink = c.newOwnLink(FirstOf(o.Credentials))
	return c
}

// enter waits until another chart of the repository's host may be looked at.
func (r *repository) enter(ctx context.Context) (leave func(), err error) {
	leave, err = r.client.charts.acquire(ctx, r.at.Host()+r.link.lane, r.share())
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.KindTimeout, Detail: r.location.String() + " had to wait too long: too many charts of " + r.at.Host() + " are being verified at this moment", Next: "try again", Err: err,
		}
	}
	return leave, nil
}

// share says whose share of the host's slots the repository's requests take.
func (r *repository) share() fair.Share {
	return fair.Share{Tenants: r.askers, Resource: r.location.String()}
}

// repository returns the repository at l, which may be spoken to over OCI, as the
// consumer reaches it.
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
	access.Askers = nil // the rest is how to get there
	at, mirrored, err := c.options.Mirrors.of(l)
	if err != nil {
		return nil, err
	}
	if mirrored {
		return &repository{client: c, location: l, at: at, link: c.ownLink, askers: askers}, nil
	}
	connection, err := c.connection(ctx, access, l)
	if err != nil {
		return nil, err
	}
	link, err := c.link(connection, l.Host())
	if err != nil {
		return nil, err
	}
	return &repository{client: c, location: l, at: l, connection: connection, link: link, askers: askers}, nil
}

// Mirrors are the admin's rules about which repositories are asked for somewhere else.
// The zero value has none.
type Mirrors struct {
	rules map[chart.Location]chart.Location
}

// ParseMirrors reads rules "FROM=TO", each a host or a host and a path: what is below
// FROM is asked for below TO.
func ParseMirrors(rules []string) (Mirrors, error) {
	m := Mirrors{rules: make(map[chart.Location]chart.Location, len(rules))}
	for _, rule := range rules {
		left, right, found := strings.Cut(rule, "=")
		if !found {
			return Mirrors{}, fmt.Errorf("%q is not of the form FROM=TO", rule)
		}
		from, err := parseMirror(left)
		if err != nil {
			return Mirrors{}, fmt.Errorf("%q: %w", rule, err)
		}
		to, err := parseMirror(right)
		if err != nil {
			return Mirrors{}, fmt.Errorf("%q: %w", rule, err)
		}
		_, again := m.rules[from]
		switch {
		case from == to:
			return Mirrors{}, fmt.Errorf("%q mirrors a place to itself", rule)
		case again:
			return Mirrors{}, fmt.Errorf("%q: there are two rules for %s", rule, unschemed(from))
		}
		m.rules[from] = to
	}
	return m, nil
}

func parseMirror(place string) (chart.Location, error) {
	if strings.Contains(place, "://") {
		return chart.Location{}, fmt.Errorf("%q must be written without a scheme", place)
	}
	return chart.ParseLocation(chart.SchemeOCI + "://" + place)
}

// of returns where l is asked for, by the rule that names most of it, and whether that
// is a mirror. No rule applies to what a rule leads to.
func (m Mirrors) of(l chart.Location) (chart.Location, bool, error) {
	longestFirst := func(a, b chart.Location) int { return len(b.String()) - len(a.String()) }
	for _, from := range slices.SortedFunc(maps.Keys(m.rules), longestFirst) {
		below, found := strings.CutPrefix(l.String()+"/", from.String()+"/")
		if !found {
			continue
		}
		at, err := chart.ParseChart(strings.TrimSuffix(m.rules[from].String()+"/"+below, "/"))
		return at, true, err
	}
	return l, false, nil
}

// Hosts returns the hosts of the mirrors, sorted.
func (m Mirrors) Hosts() []string {
	var hosts []string
	for _, to := range m.rules {
		hosts = append(hosts, to.Host())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// unschemed returns a location as registries' own tools spell it.
func unschemed(l chart.Location) string {
	return strings.TrimPrefix(l.String(), chart.SchemeOCI+"://")
}

// repository is one repository of one registry.
type repository struct {
	client     *Client
	location   chart.Location
	at         chart.Location // where it is asked for: location, or its mirror
	connection Connection
	link       *link
	askers     sourceauth.Askers // those who wait for what is read
}

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
