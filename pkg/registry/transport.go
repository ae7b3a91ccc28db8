package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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

// roundTripFunc is a function as an http.RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// guard adds to a transport what applies to every request, also to redirected ones and those for
// tokens: the refusal of plain HTTP, one retry, and the reading of whole answers within limits.
func (c *Client) guard(base http.RoundTripper, limitKey string) http.RoundTripper {
	if c.options.Instrument != nil {
		base = c.options.Instrument(base)
	}
	plain := make(map[string]bool, len(c.options.PlainHTTP))
	for _, host := range c.options.PlainHTTP {
		plain[withoutHTTPPort(host)] = true
	}
	reader := &answerReader{next: withClientCertificateErrors(base), limiter: c.requests, limitKey: limitKey, timeout: answerTimeout}
	return httpsOnly(withRetry(reader), plain)
}

// newTransport returns a transport with timeouts. nil means the system's CAs, no client
// certificate, and the proxy of the environment.
func newTransport(roots *x509.CertPool, pair *tls.Certificate, proxy *url.URL) *http.Transport {
	through := http.ProxyFromEnvironment
	if proxy != nil {
		through = http.ProxyURL(proxy)
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, GetClientCertificate: clientCertificate(pair)}
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

// checkProxy tells the refusal of a proxy from that of a registry.
func checkProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	next := "ask the proxy's operator to let chartgate through to the registry"
	if resp.StatusCode == http.StatusProxyAuthRequired {
		next = "give the proxy a login: HTTPS_PROXY from a Secret (env among the values of chartgate's chart), or username and password in the Secret of proxySecretRef"
	}
	detail := fmt.Sprintf("the proxy %s answered %d %s", problem.QuoteInput(proxy.Host), resp.StatusCode, http.StatusText(resp.StatusCode))
	return requestError{problem.KindUnavailable, detail, next}
}

// checkRedirect ends loops, refuses plain HTTP after HTTPS, and takes credentials off a request
// that goes to another host. oras does that too, but net/http puts them back at the next redirect
// if that leads to another port or a subdomain, and repeats the identity token in a request's body
// for any host.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch first, last := via[0].URL, via[len(via)-1].URL; {
	case len(via) > maxRedirects:
		return requestError{problem.KindUnavailable, fmt.Sprintf("the registry redirects more than %d times", maxRedirects),
			"ask the operator of " + hostName(first.Host) + " to end the chain of redirects"}
	case last.Scheme == "https" && req.URL.Scheme != "https":
		return requestError{problem.KindUnavailable, "the registry redirects from HTTPS to plain HTTP, which is refused",
			"ask the operator of " + hostName(last.Host) + " to redirect to https:// instead of http://" + hostName(req.URL.Host)}
	case via[0].Body != nil && via[0].Body != http.NoBody:
		return requestError{problem.KindUnavailable, "the token service redirects a login, which is refused",
			"ask the operator of " + hostName(first.Host) + " to answer there: the registry must name the token service's own address"}
	case first.Scheme != req.URL.Scheme || first.Host != req.URL.Host:
		req.Header.Del("Authorization")
	}
	return nil
}

// httpsOnly refuses plain HTTP to hosts for which the admin does not allow it.
func httpsOnly(next http.RoundTripper, allowed map[string]bool) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.URL.Scheme == "https" || req.URL.Scheme == "http" && allowed[withoutHTTPPort(req.URL.Host)] {
			return next.RoundTrip(req)
		}
		return nil, requestError{
			problem.KindUnavailable, "the registry sends chartgate to " + problem.QuoteInput(req.URL.Host) + " over plain HTTP, which is refused",
			"ask the registry's operator to refer to " + hostName(req.URL.Host) + " by https://",
		}
	})
}

// withoutHTTPPort gives the two spellings of a host with HTTP's default port one form.
func withoutHTTPPort(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":80") }

// requestOptions tell the transport about a request. oras stands between the repository and the
// transport, and passes on only the context.
type requestOptions struct {
	at chart.Location // the repository, whose login is used
	// share says whose share of the host's slots the request takes. It applies to requests for
	// tokens too.
	share    fair.Share
	maxBytes int64
	// list is set if oras decodes the answer, so that its JSON is checked before.
	list bool
	// mediaType is the only media type that oras decodes; "" means any.
	mediaType string
	// speculative requests may turn out to be unnecessary. They are sent only if they need not wait
	// for a slot of the host. They are not repeated, and cause no request for a token.
	speculative bool
}

type requestOptionsKey struct{}

func withOptions(ctx context.Context, o requestOptions) context.Context {
	return context.WithValue(ctx, requestOptionsKey{}, o)
}

// optionsOf returns the options of a request by its context; the zero value if the context has no
// options.
func optionsOf(ctx context.Context) requestOptions {
	o, _ := ctx.Value(requestOptionsKey{}).(requestOptions)
	return o
}

// errSkipped is the error of a speculative request that would have had to wait for a slot or to log
// in.
var errSkipped = errors.New("the speculative request was skipped")

// answerReader reads each answer to its end before it returns. So no answer is longer than allowed
// or takes longer than the timeout, an answer that breaks off can be requested again, its length is
// always known (oras would send another request for it), and a host's slot is free afterwards.
type answerReader struct {
	next     http.RoundTripper
	limiter  *hostLimiter
	limitKey string
	timeout  time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *answerReader) RoundTrip(req *http.Request) (*http.Response, error) {
	options := optionsOf(req.Context())
	release, err := t.acquire(req, options)
	if err != nil {
		return nil, err
	}
	defer release()
	slow := requestError{problem.KindUnavailable, fmt.Sprintf("the answer was not complete after %s", t.timeout), ""}
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.timeout, slow)
	defer cancel()

	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	if err == nil {
		err = readWhole(resp, options)
	}
	switch {
	case err != nil && context.Cause(ctx) == error(slow):
		return nil, fmt.Errorf("%w: %w", slow, err)
	case err != nil:
		return nil, err
	case options.speculative && resp.StatusCode == http.StatusUnauthorized:
		return nil, errSkipped
	}
	resp.Request = req
	return resp, nil
}

// acquire takes a slot of the request's host.
func (t *answerReader) acquire(req *http.Request, options requestOptions) (release func(), err error) {
	key := req.URL.Host + t.limitKey
	if !options.speculative {
		return t.limiter.acquire(req.Context(), key, options.share)
	}
	release, ok := t.limiter.tryAcquire(key, options.share)
	if !ok {
		return nil, errSkipped
	}
	return release, nil
}

// readWhole replaces the body of an answer by one that has been read.
func readWhole(resp *http.Response, options requestOptions) error {
	defer func() { _ = resp.Body.Close() }()
	success := resp.StatusCode == http.StatusOK
	limit := int64(maxAnswer)
	if success && options.maxBytes > 0 {
		limit = options.maxBytes
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return err
	case int64(len(body)) > limit && success:
		return requestError{problem.KindLimitExceeded, fmt.Sprintf("it has more than the %d KiB that chartgate reads", limit>>10), ""}
	case int64(len(body)) > limit:
		body = body[:limit] // a longer error page or redirect is not an error of its own
	}
	if success && options.list && (options.mediaType == "" || options.mediaType == resp.Header.Get("Content-Type")) {
		if err := checkJSON(body, problem.KindUnavailable); err != nil {
			return err
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return nil
}

// hostLimiter limits concurrent work for each host, which namespaces and repositories share fairly.
// A host is kept only while it is used: registries may redirect to any number of hosts.
type hostLimiter struct {
	size int64

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

type hostSlots struct {
	*fair.Semaphore
	users int // that hold a slot or wait for one
}

func newHostLimiter(size int64) *hostLimiter {
	return &hostLimiter{size: size, hosts: map[string]*hostSlots{}}
}

// acquire waits for a slot of the host until ctx ends. The slot must be released.
func (l *hostLimiter) acquire(ctx context.Context, host string, from fair.Share) (release func(), err error) {
	slots := l.enter(host)
	free, err := slots.Acquire(ctx, 1, from)
	if err != nil {
		l.leave(host, slots)
		return nil, err
	}
	return func() { free(); l.leave(host, slots) }, nil
}

// tryAcquire takes a slot of the host if one is available without waiting. The slot must be
// released.
func (l *hostLimiter) tryAcquire(host string, from fair.Share) (release func(), ok bool) {
	slots := l.enter(host)
	free, ok := slots.TryAcquire(1, from)
	if !ok {
		l.leave(host, slots)
		return nil, false
	}
	return func() { free(); l.leave(host, slots) }, true
}

func (l *hostLimiter) enter(host string) *hostSlots {
	l.mu.Lock()
	defer l.mu.Unlock()
	slots := l.hosts[host]
	if slots == nil {
		slots = &hostSlots{Semaphore: fair.NewSemaphore(l.size)}
		l.hosts[host] = slots
	}
	slots.users++
	return slots
}

func (l *hostLimiter) leave(host string, slots *hostSlots) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slots.users--; slots.users == 0 {
		delete(l.hosts, host)
	}
}
