package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	orascontent "oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/chartgate/chartgate/pkg/problem"
)

// requestError says why a request failed, or why its answer cannot be used, without saying what was
// requested: repository.problem adds that. detail is written for users; next is what they can do,
// or "".
type requestError struct {
	kind         problem.Kind
	detail, next string
}

// Error implements error.
func (e requestError) Error() string { return e.detail }

// problem turns every error into a *problem.Error. what names what was requested, as in "the
// referrers of oci://…".
func (r *repository) problem(ctx context.Context, what string, err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	kind, text, next := r.classify(ctx, err)
	if r.blamesCredentials(kind, err) {
		return r.credentialsProblem(text, err)
	}
	p := &problem.Error{Kind: kind, Next: next, Err: withoutURL(err)}
	host := r.at.Host()
	switch kind {
	case problem.KindTimeout:
		p.Detail = host + " did not give " + what + " in time"
	case problem.KindNotFound:
		p.Detail = host + " has no " + what
	case problem.KindUnauthorized:
		p.Detail = host + " does not let chartgate read " + r.at.Path() + r.withCredentials() + ": " + text
		p.Next = r.loginStep(err) + "; if it should be public, check the name: registries give the same answer for repositories that do not exist"
	default:
		p.Detail = what + " could not be read: " + text
	}
	p.Detail += r.mirrorNote()
	return p
}

// blamesCredentials reports whether the missing credentials might have helped. Registries hide
// charts from anonymous readers, and limit these more. So if a login may not be sent yet, chartgate
// does not say that a chart does not exist or is not served.
func (r *repository) blamesCredentials(kind problem.Kind, err error) bool {
	switch {
	case r.connection.CredentialError == nil:
		return false
	case kind == problem.KindNotFound || kind == problem.KindUnavailable && !certificateRejected(err):
		return r.connection.CredentialError.Kind == problem.KindNotStored
	default:
		return kind == problem.KindUnauthorized || certificateRejected(err)
	}
}

// withCredentials names the consumer's credentials if they were used.
func (r *repository) withCredentials() string {
	if r.connection.Login == nil {
		return ""
	}
	return " with the credentials of " + r.connection.origin()
}

// mirrorNote names the mirror, if one was asked.
func (r *repository) mirrorNote() string {
	if r.at == r.location {
		return ""
	}
	return ", read from the mirror " + withoutScheme(r.at)
}

// loginStep returns the next step after a refusal.
func (r *repository) loginStep(err error) string {
	host, path := r.at.Host(), r.at.Path()
	switch {
	case errors.Is(err, errClientCertificate):
		return "in the chart's source, name a Secret with a client certificate that " + host + " accepts"
	case r.connection.Login != nil:
		return "let " + r.connection.origin() + " hold credentials that can pull " + path + " from " + host
	case r.connection.chosenByTenant():
		return "in the chart's source, name a Secret with credentials that can pull " + path + " from " + host +
			": chartgate's own are not sent where the source brings its own CA, client certificate or proxy"
	default:
		return r.forReader("log in (helm registry login "+host+", docker login "+host+"), or give --registry-config a file with a login that can pull "+path,
			"give chartgate credentials (--registry-config) that can pull "+path+" from "+host)
	}
}

// credentialsProblem is the problem with the credentials that the connection lacks.
func (r *repository) credentialsProblem(text string, err error) error {
	if text == "" {
		text = "it says that there is no such chart"
	}
	p := *r.connection.CredentialError
	p.Detail = r.at.Host() + " does not let chartgate read " + r.at.Path() + " (" + text + "), and " + p.Detail
	p.Err = errors.Join(p.Err, withoutURL(err))
	return &p
}

// classify returns the kind of an error and, for most kinds, a detail and a next step.
func (r *repository) classify(ctx context.Context, err error) (kind problem.Kind, text, next string) {
	var known requestError
	var status *errcode.ErrorResponse
	switch {
	case expired(ctx) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		return problem.KindTimeout, "", ""
	case errors.As(err, &known):
		return known.kind, known.detail, known.next
	case errors.Is(err, errdef.ErrNotFound):
		return problem.KindNotFound, "", ""
	case errors.Is(err, errdef.ErrTooManyPages):
		return problem.KindLimitExceeded, "the list has more pages than chartgate reads", ""
	case errors.Is(err, orascontent.ErrMismatchedDigest):
		return problem.KindDigestMismatch, "the content does not match its digest", ""
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return problem.KindUnauthorized, "it requires credentials, and chartgate has no credentials for it", ""
	case errors.As(err, &status):
		return r.classifyStatus(status)
	case errors.Is(err, errClientCertificate) && r.connection.ClientCertificate != nil:
		return problem.KindUnauthorized, "it refuses the client certificate", ""
	case errors.Is(err, errClientCertificate):
		return problem.KindUnauthorized, "it requires a client certificate, and chartgate has no certificate for it", ""
	case expired(ctx):
		return problem.KindTimeout, "", ""
	case isJSON(err):
		return problem.KindUnavailable, "the answer is not valid JSON", notARegistry(r.at.Host())
	}
	text, next = r.unreachable(err)
	if next != "" && !throughProxy(err) {
		next += r.referralNote(r.failedHost(err))
	}
	return problem.KindUnavailable, text + r.referredHostNote(err) + proxyNote(err), next
}

// classifyStatus classifies an answer of the registry or of its token service. Only the refusal of
// a token service says something about the chart.
func (r *repository) classifyStatus(status *errcode.ErrorResponse) (kind problem.Kind, text, next string) {
	who, code := "the registry", status.StatusCode
	if status.URL == nil || !strings.HasPrefix(status.URL.Path, r.path("")) {
		who = "its token service"
	}
	operator := r.at.Host()
	if status.URL != nil && status.URL.Host != "" && status.URL.Host != r.reference().Host() {
		operator = hostName(status.URL.Host)
	}
	answered := who + " answered " + strings.TrimSpace(strconv.Itoa(code)+" "+http.StatusText(code))
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return problem.KindUnauthorized, answered, ""
	case code == http.StatusNotFound && who == "the registry":
		return problem.KindNotFound, "", ""
	case code == http.StatusTooManyRequests:
		return problem.KindUnavailable, "too many requests (" + answered + ")", r.slowDown("")
	case code >= http.StatusInternalServerError:
		return problem.KindUnavailable, "unexpected answer (" + answered + ")",
			"try again; if the error persists, ask the operator of " + operator + ": the cause is there, or in a proxy on the way" + r.referralNote(operator)
	case operator != r.at.Host():
		return problem.KindUnavailable, "unexpected answer (" + answered + ")",
			"ask the operator of " + r.at.Host() + " whether " + operator + " is the host to which it means to refer"
	default:
		return problem.KindUnavailable, "unexpected answer (" + answered + ")", notARegistry(r.at.Host())
	}
}

// referredHostNote names the host of a failed request if it is not the registry, but a token
// service or a storage to which the registry redirects.
func (r *repository) referredHostNote(err error) string {
	target := r.referredHost(err)
	if target == "" {
		return ""
	}
	return " (at " + problem.QuoteInput(target) + ", to which the registry refers)"
}

// referredHost returns the host of a failed request, as the registry wrote it; "" if it is the
// registry itself.
func (r *repository) referredHost(err error) string {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return ""
	}
	target, err := url.Parse(failed.URL)
	if err != nil || target.Host == r.reference().Host() {
		return ""
	}
	return target.Host
}

// isReferred reports whether a request failed at a host to which the registry refers.
func (r *repository) isReferred(err error) bool { return r.referredHost(err) != "" }

// failedHost returns the host at which a request failed.
func (r *repository) failedHost(err error) string {
	if target := r.referredHost(err); target != "" {
		return hostName(target)
	}
	return r.at.Host()
}

// referralNote says that the registry refers to a host; "" if it is the registry itself.
func (r *repository) referralNote(host string) string {
	if host == r.at.Host() {
		return ""
	}
	return " (" + r.at.Host() + " refers chartgate there)"
}

// correctReferral is the next step if the registry refers to a wrong address.
func (r *repository) correctReferral(host string) string {
	return "ask the operator of " + r.at.Host() + " to correct the address " + host
}

var plainHost = regexp.MustCompile(`^[0-9A-Za-z.-]+(:[0-9]+)?$`)

// hostName returns a host that a server chose, for a text that users may paste into a command.
func hostName(host string) string {
	if plainHost.MatchString(host) {
		return host
	}
	return problem.QuoteInput(host)
}

// proxyNote says that the proxy, and not the registry, could not be reached; "" otherwise.
func proxyNote(err error) string {
	if throughProxy(err) {
		return " (at the proxy)"
	}
	return ""
}

// certificateRejected reports whether chartgate does not trust the server's certificate.
func certificateRejected(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification)
}

// tlsAlert returns the text of the TLS alert with which the server closed the connection, which is
// all that crypto/tls shows of it.
func tlsAlert(err error) string {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return remote.Err.Error()
	}
	return ""
}

func isJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

// expired reports whether the caller's own time is over. A dialer may give up at the deadline of a
// context before the context does, so this compares with the clock too.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// withoutURL removes the URL from an error for the log: a redirect contains a signature with which
// anyone can read the storage.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func isNotFound(err error) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && p.Kind == problem.KindNotFound
}
