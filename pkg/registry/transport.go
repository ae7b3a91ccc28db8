package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/problem"
)

// guard stacks what every request passes, redirects and requests for tokens included:
// the refusal of plain HTTP, one retry, and the reading of whole answers within limits.
func (c *Client) guard(base http.RoundTripper, lane string) http.RoundTripper {
	if c.options.Instrument != nil {
		base = c.options.Instrument(base)
	}
	plain := make(map[string]bool, len(c.options.PlainHTTP))
	for _, host := range c.options.PlainHTTP {
		plain[httpHost(host)] = true
	}
	whole := &wholeAnswers{next: &introductions{base}, slots: c.requests, lane: lane, timeout: answerTimeout}
	return &httpsOnly{except: plain, next: &retryOnce{next: whole}}
}

// newTransport returns a transport with timeouts. nil is the system's CAs, no client
// certificate, the proxy of the environment.
func newTransport(roots *x509.CertPool, pair *tls.Certificate, proxy *url.URL) *http.Transport {
	through := http.ProxyFromEnvironment
	if proxy != nil {
		through = http.ProxyURL(proxy)
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, GetClientCertificate: introduction(pair)}
	return &http.Transport{
		Proxy:                  through,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxPerHost,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		OnProxyConnectResponse: checkProxy,
	}
}

// checkProxy tells a proxy's refusal from a registry's.
func checkProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	refused := fault{problem.KindUnavailable, fmt.Sprintf("the proxy %s answered %d %s", chart.Quote(proxy.Host), resp.StatusCode, http.StatusText(resp.StatusCode))}
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return advice{refused, "give the proxy a login: HTTPS_PROXY from a Secret (env among the values of chartgate's chart), or username and password in the Secret of proxySecretRef"}
	}
	return advice{refused, "ask the proxy's operator to let chartgate through to the registry"}
}

// checkRedirect ends loops and downgrades, and keeps credentials at home. oras takes
// them off a request that is redirected to another origin, but net/http puts them back
// at the next redirect where that origin is another port or a subdomain, and repeats the
// identity token in a request's body for anybody.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch first, last := via[0].URL, via[len(via)-1].URL; {
	case len(via) > maxRedirects:
		return advice{fault{problem.KindUnavailable, fmt.Sprintf("the registry redirects more than %d times", maxRedirects)},
			"ask the operator of " + hostName(first.Host) + " to end the chain of redirects"}
	case last.Scheme == "https" && req.URL.Scheme != "https":
		return advice{fault{problem.KindUnavailable, "the registry redirects from HTTPS to plain HTTP, which is refused"},
			"ask the operator of " + hostName(last.Host) + " to redirect to https:// instead of http://" + hostName(req.URL.Host)}
	case via[0].Body != nil && via[0].Body != http.NoBody:
		return advice{fault{problem.KindUnavailable, "the token service redirects a login, which is refused"},
			"ask the operator of " + hostName(first.Host) + " to answer there: the registry must name the token service's own address"}
	case first.Scheme != req.URL.Scheme || first.Host != req.URL.Host:
		req.Header.Del("Authorization")
	}
	return nil
}

// httpsOnly refuses plain HTTP to hosts that the admin did not name.
type httpsOnly struct {
	except map[string]bool
	next   http.RoundTripper
}

func (t *httpsOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" || req.URL.Scheme == "http" && t.except[httpHost(req.URL.Host)] {
		return t.next.RoundTrip(req)
	}
	refused := fault{problem.KindUnavailable, "the registry sends chartgate to " + chart.Quote(req.URL.Host) + " over plain HTTP, which is refused"}
	return nil, advice{refused, "ask the registry's operator to refer to " + hostName(req.URL.Host) + " by https://"}
}

// httpHost gives the two spellings of a host on HTTP's default port one form.
func httpHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":80") }

// allowance says what the answers to a request may be.
type allowance struct {
	bytes int64
	// list marks what oras decodes, so that its JSON is checked before.
	list bool
	// mediaType is, where set, the only one that oras decodes.
	mediaType string
	// by says whose share of the places the request takes, and those for tokens that it
	// leads to. (oras stands between repository and transport, and hands on no more than
	// the context.)
	by fair.Share
}

type allowanceKey struct{}

func allow(ctx context.Context, a allowance) context.Context {
	return context.WithValue(ctx, allowanceKey{}, a)
}

func allowed(ctx context.Context, resp *http.Response) allowance {
	if a, ok := ctx.Value(allowanceKey{}).(allowance); ok && resp.StatusCode == http.StatusOK {
		return a
	}
	return allowance{bytes: maxAnswer}
}

func shareOf(ctx context.Context) fair.Share {
	a, _ := ctx.Value(allowanceKey{}).(allowance)
	return a.by
}

// wholeAnswers reads each answer to its end before anybody looks at it. So no
// answer is longer than allowed or takes longer than the timeout, one that breaks
// off can be repeated, its length is always known (oras would ask again for it),
// and a host's slot is free as soon as it returns.
type wholeAnswers struct {
	next    http.RoundTripper
	slots   *slots
	lane    string // tells links apart whose requests do not wait for each other
	timeout time.Duration
}

func (t *wholeAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	release, err := t.slots.acquire(req.Context(), req.URL.Host+t.lane, shareOf(req.Context()))
	if err != nil {
		return nil, err
	}
	defer release()
	slow := fault{problem.KindUnavailable, fmt.Sprintf("the answer was not complete after %s", t.timeout)}
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.timeout, slow)
	defer cancel()

	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	if err == nil {
		err = readWhole(resp, allowed(ctx, resp))
	}
	switch {
	case err != nil && context.Cause(ctx) == error(slow):
		return nil, fmt.Errorf("%w: %w", slow, err)
	case err != nil:
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

func readWhole(resp *http.Response, a allowance) error {
	defer func() { _ = resp.Body.Close() }()
	// A longer error page or redirect is of no use to anybody, but no fault either.
	fatal := resp.StatusCode == http.StatusOK
	body, err := io.ReadAll(io.LimitReader(resp.Body, a.bytes+1))
	switch {
	case err != nil:
		return err
	case int64(len(body)) > a.bytes && fatal:
		return fault{problem.KindLimitExceeded, fmt.Sprintf("it has more than the %d KiB that chartgate reads", a.bytes>>10)}
	case int64(len(body)) > a.bytes:
		body = body[:a.bytes]
	}
	if a.list && (a.mediaType == "" || a.mediaType == resp.Header.Get("Content-Type")) {
		if err := checkJSON(body, problem.KindUnavailable); err != nil {
			return err
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return nil
}

// slots are the places of each host, which namespaces and repositories share fairly. A
// host is kept only while it is used: registries may redirect to any number of hosts.
type slots struct {
	size int64

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

type hostSlots struct {
	places *fair.Semaphore
	users  int // holders and waiters
}

func newSlots(size int64) *slots { return &slots{size: size, hosts: map[string]*hostSlots{}} }

// acquire waits for a slot until ctx ends. The slot must be released.
func (s *slots) acquire(ctx context.Context, host string, by fair.Share) (release func(), err error) {
	h := s.enter(host)
	free, err := h.places.Acquire(ctx, 1, by)
	if err != nil {
		s.leave(host, h)
		return nil, err
	}
	return func() { free(); s.leave(host, h) }, nil
}

func (s *slots) enter(host string) *hostSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	if h == nil {
		h = &hostSlots{places: fair.NewSemaphore(s.size)}
		s.hosts[host] = h
	}
	h.users++
	return h
}

func (s *slots) leave(host string, h *hostSlots) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(s.hosts, host)
	}
}
