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

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// fault is what this package itself finds wrong. Its text is fit for people.
type fault struct {
	kind problem.Kind
	text string
}

func (f fault) Error() string { return f.text }

// advice is an error of which it is known what to do.
type advice struct {
	error
	next string
}

func (a advice) Unwrap() error { return a.error }

// problem is the one place where errors become problems. what names what was to
// be read, as in "the referrers of oci://…".
func (r *repository) problem(ctx context.Context, what string, err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	kind, text, next := r.classify(ctx, err)
	if r.blamesCredentials(kind, err) {
		return r.lacks(text, err)
	}
	p := &problem.Error{Kind: kind, Next: next, Err: cause(err)}
	host := r.at.Host()
	switch kind {
	case problem.KindTimeout:
		p.Detail = host + " did not give " + what + " in time"
	case problem.KindNotFound:
		p.Detail = host + " has no " + what
	case problem.KindUnauthorized:
		p.Detail = host + " does not let chartgate read " + r.at.Path() + r.with() + ": " + text
		p.Next = r.mend(err) + "; if it should be public, check the name: registries give the same answer for repositories that do not exist"
	default:
		p.Detail = what + " could not be read: " + text
	}
	p.Detail += r.mirrored()
	return p
}

// blamesCredentials reports whether the missing credentials would have helped.
// Registries hide from strangers what there is, and let them ask less often, so before a
// login may be sent nothing is said about a chart that is not found or not served.
func (r *repository) blamesCredentials(kind problem.Kind, err error) bool {
	switch {
	case r.connection.CredentialError == nil:
		return false
	case kind == problem.KindNotFound || kind == problem.KindUnavailable && !distrusts(err):
		return r.connection.CredentialError.Kind == problem.KindNotStored
	default:
		return kind == problem.KindUnauthorized || distrusts(err)
	}
}

// with names the consumer's credentials where they were used.
func (r *repository) with() string {
	if r.connection.Login == nil {
		return ""
	}
	return " with the credentials of " + r.connection.origin()
}

// mirrored names the mirror that was asked, if one was.
func (r *repository) mirrored() string {
	if r.at == r.location {
		return ""
	}
	return ", read from the mirror " + unschemed(r.at)
}

// mend says what helps where a registry refuses.
func (r *repository) mend(err error) string {
	host, path := r.at.Host(), r.at.Path()
	switch {
	case errors.Is(err, errIntroduction):
		return "in the chart's source, name a Secret with a client certificate that " + host + " accepts"
	case r.connection.Login != nil:
		return "let " + r.connection.origin() + " hold credentials that can pull " + path + " from " + host
	case r.connection.foreign():
		return "in the chart's source, name a Secret with credentials that can pull " + path + " from " + host +
			": chartgate's own are not sent where the source brings its own CA, client certificate or proxy"
	default:
		return "give chartgate credentials (--registry-config) that can pull " + path + " from " + host
	}
}

// lacks is the problem where the consumer's own credentials would have helped.
func (r *repository) lacks(text string, err error) error {
	if text == "" {
		text = "it says that there is no such chart"
	}
	p := *r.connection.CredentialError
	p.Detail = r.at.Host() + " does not let chartgate read " + r.at.Path() + " (" + text + "), and " + p.Detail
	p.Err = errors.Join(p.Err, cause(err))
	return &p
}

// classify finds a kind and, for most kinds, a text for people; and for some, what to do.
func (r *repository) classify(ctx context.Context, err error) (kind problem.Kind, text, next string) {
	var own fault
	var status *errcode.ErrorResponse
	switch {
	case expired(ctx) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		return problem.KindTimeout, "", ""
	case errors.As(err, &own):
		known, _ := errors.AsType[advice](err)
		return own.kind, own.text, known.next
	case errors.Is(err, errdef.ErrNotFound):
		return problem.KindNotFound, "", ""
	case errors.Is(err, errdef.ErrTooManyPages):
		return problem.KindLimitExceeded, "the list has more pages than chartgate reads", ""
	case errors.Is(err, content.ErrMismatchedDigest):
		return problem.KindDigestMismatch, "the content does not match its digest", ""
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return problem.KindUnauthorized, "it requires credentials, and chartgate has no credentials for it", ""
	case errors.As(err, &status):
		return r.classifyStatus(status, err)
	case errors.Is(err, errIntroduction) && r.connection.ClientCertificate != nil:
		return problem.KindUnauthorized, "it refuses the client certificate", ""
	case errors.Is(err, errIntroduction):
		return problem.KindUnauthorized, "it requires a client certificate, and chartgate has no certificate for it", ""
	case expired(ctx):
		return problem.KindTimeout, "", ""
	case isJSON(err):
		return problem.KindUnavailable, "the answer is not valid JSON", notARegistry(r.at.Host())
	}
	text, next = r.unreachable(err)
	if next != "" && !throughProxy(err) {
		next += r.refersTo(r.failed(err))
	}
	return problem.KindUnavailable, text + r.elsewhere(err) + byProxy(err), next
}

// classifyStatus judges an answer of the registry or of its token service. What a
// token service says about itself says nothing about the chart, except that it
// refused us.
func (r *repository) classifyStatus(status *errcode.ErrorResponse, err error) (kind problem.Kind, text, next string) {
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
		return problem.KindUnavailable, "too many requests (" + answered + ")", r.slowDown(err)
	case code >= http.StatusInternalServerError:
		return problem.KindUnavailable, "unexpected answer (" + answered + ")",
			"try again; if the error persists, ask the operator of " + operator + ": the cause is there, or in a proxy on the way" + r.refersTo(operator)
	case operator != r.at.Host():
		return problem.KindUnavailable, "unexpected answer (" + answered + ")",
			"ask the operator of " + r.at.Host() + " whether " + operator + " is the host to which it means to refer"
	default:
		return problem.KindUnavailable, "unexpected answer (" + answered + ")", notARegistry(r.at.Host())
	}
}

// elsewhere names the host of a failed request if it is not the registry: a token
// service or a storage to which it redirects.
func (r *repository) elsewhere(err error) string {
	target := r.referred(err)
	if target == "" {
		return ""
	}
	return " (at " + chart.Quote(target) + ", to which the registry refers)"
}

// referred returns the host of a failed request, as the registry wrote it; "" if it is the
// registry itself.
func (r *repository) referred(err error) string {
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

// refers reports whether a request failed at a host to which the registry refers.
func (r *repository) refers(err error) bool { return r.referred(err) != "" }

// failed names the host at which a request failed.
func (r *repository) failed(err error) string {
	if target := r.referred(err); target != "" {
		return hostName(target)
	}
	return r.at.Host()
}

// refersTo says that the registry refers to a host, "" if it is the registry itself.
func (r *repository) refersTo(host string) string {
	if host == r.at.Host() {
		return ""
	}
	return " (" + r.at.Host() + " refers chartgate there)"
}

// correctReferral is the step where the registry refers to an address that is wrong.
func (r *repository) correctReferral(host string) string {
	return "ask the operator of " + r.at.Host() + " to correct the address " + host
}

var plainHost = regexp.MustCompile(`^[0-9A-Za-z.-]+(:[0-9]+)?$`)

// hostName returns a host that another end chose, for a text that people may paste into a command.
func hostName(host string) string {
	if plainHost.MatchString(host) {
		return host
	}
	return chart.Quote(host)
}

// byProxy says so where a proxy and not the registry could not be reached.
func byProxy(err error) string {
	if throughProxy(err) {
		return " (at the proxy)"
	}
	return ""
}

// distrusts reports whether chartgate does not trust the certificate of the other end.
func distrusts(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification)
}

// alert returns the text of the TLS alert by which the other end hung up, which is all
// that crypto/tls shows of it.
func alert(err error) string {
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

// expired reports whether the caller's own time is over. Dialers give up at a
// context's deadline before the context does, hence the clock.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// cause takes the URL off an error for the log: redirects carry signatures that
// open a storage to whoever reads them.
func cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func isNotFound(err error) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && p.Kind == problem.KindNotFound
}
