// Package registry is chartgate's only OCI client. It turns references into
// digests and fetches the signature material beside a chart.
//
// Everything that it reads may have been written by an attacker, so it reads
// within limits (limits.go), decompresses nothing, and returns only content whose
// digest it has computed. It judges no signature. Every error is a
// *chart.Problem.
package registry

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
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
	// Transport does the round trips; nil is one with timeouts and the proxy of the
	// environment. Limits, retry and the refusal of plain HTTP hold for either.
	Transport http.RoundTripper
	// Instrument, if set, wraps the transport to count what registries are asked.
	Instrument func(http.RoundTripper) http.RoundTripper
	// RootCAs are the CAs to trust instead of the system's; to add to those, start
	// from x509.SystemCertPool. A Transport brings its own.
	RootCAs *x509.CertPool
	// Credentials returns the user name and password for a host as chart.Location
	// names it; both empty, or nil, is anonymous. It is asked only when a registry
	// wants credentials, and again when it refuses the ones it had.
	Credentials func(ctx context.Context, host string) (username, password string, err error)
}

// Client reads charts and signature material from OCI registries. It is safe for
// concurrent use; one Client shares connections and tokens.
type Client struct {
	plainHTTP map[string]bool
	web       *auth.Client
	lacking   *memory // hosts that lack the referrers API
	charts    *slots  // of the charts that are looked at
}

// New returns a Client.
func New(o Options) *Client {
	plain := make(map[string]bool, len(o.PlainHTTP))
	for _, host := range o.PlainHTTP {
		plain[host] = true
	}
	return &Client{
		plainHTTP: plain,
		lacking:   newMemory(referrersMemory, time.Now),
		charts:    newSlots(maxCharts),
		web: &auth.Client{
			Client: &http.Client{Transport: newTransport(o), CheckRedirect: checkRedirect},
			// Nothing is decompressed: 0.5 MiB of gzip can hold 512 MiB.
			Header:     http.Header{"User-Agent": {"chartgate"}, "Accept-Encoding": {"identity"}},
			Credential: credentials(o.Credentials),
			Cache:      newTokens(maxTokens),
		},
	}
}

// enter waits until another chart of the repository's host may be looked at.
func (r *repository) enter(ctx context.Context) (leave func(), err error) {
	leave, err = r.client.charts.acquire(ctx, r.location.Host())
	if err != nil {
		return nil, &chart.Problem{
			Kind: chart.KindTimeout, Detail: "too many charts of " + r.location.Host() + " are being verified at this moment", Next: "try again", Err: err,
		}
	}
	return leave, nil
}

// repository returns the repository at l, which may be spoken to over OCI.
func (c *Client) repository(l chart.Location) (*repository, error) {
	switch {
	case l.IsZero():
		return nil, chart.Invalid("the reference names no chart")
	case !l.IsOCI():
		return nil, &chart.Problem{Kind: chart.KindNotOCI, Detail: l.String() + " is not in an OCI registry, so it cannot carry signatures"}
	case l.Path() == "":
		return nil, chart.Invalid("%s names a registry but no chart in it", l)
	}
	return &repository{client: c, location: l}, nil
}
