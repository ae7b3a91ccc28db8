package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chartgate/chartgate/pkg/problem"
)

// unreachable describes a failed round trip, and says who can do what about it.
func (r *repository) unreachable(err error) (text, next string) {
	host := r.failedHost(err)
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case throughProxy(err):
		text, _ = r.network(err)
		return text, r.forReader("correct the address of the proxy: HTTPS_PROXY",
			"correct the address of the proxy: in the chart value registry.proxy.url (the cluster's admin), or in the proxySecretRef of the chart's source")
	case errors.As(err, &dns) && dns.IsNotFound && r.isReferred(err):
		return "the host name does not exist", r.correctReferral(host)
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the host name does not exist", r.forReader("correct the host "+host,
			"correct the host "+host+" in the chart's source, or ask the cluster's admin to make it known to the cluster's DNS")
	case errors.As(err, &dns):
		return "the host name could not be looked up", r.forReader("try again; if the error persists, check the DNS of this machine",
			"try again; if the error persists, ask the cluster's admin whether chartgate reaches the cluster's DNS (network policies)")
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no connection or answer within the time allowed for it",
			r.forReader("check that this machine reaches "+host+" (firewall, a proxy in HTTPS_PROXY); if others reach it no faster, ask its operator",
				"ask the cluster's admin to let chartgate reach "+host+" (network policies, firewall, a proxy in registry.proxy.url); if others reach it no faster, ask its operator")
	default:
		return r.network(err)
	}
}

// forReader returns the text for the user of a command, or for the user of a cluster.
func (r *repository) forReader(local, cluster string) string {
	if r.client.options.Local {
		return local
	}
	return cluster
}

func (r *repository) network(err error) (text, next string) {
	host := r.failedHost(err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && r.isReferred(err):
		return "connection refused", "ask the operator of " + host + " whether it runs"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", r.forReader("correct host and port ("+host+")", "correct host and port ("+host+") in the chart's source") +
			"; if they are right, ask the registry's operator whether it runs"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host", r.forReader("check that this machine reaches "+host+" (firewall, a proxy in HTTPS_PROXY)",
			"ask the cluster's admin to let chartgate reach "+host+" (network policies, firewall, a proxy in registry.proxy.url)")
	case r.isReferred(err) && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return "the port speaks HTTPS", r.correctReferral(host)
	case r.scheme() == "http" && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return speaksHTTPS, r.removePlainHTTP()
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return "connection reset", brokenOff(host)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed in the middle of the answer", brokenOff(host)
	default:
		return r.insecure(err)
	}
}

func brokenOff(host string) string {
	return "try again; if the error persists, ask the operator of " + host + ", or of a proxy on the way, why answers break off"
}

// insecure describes what is wrong with a TLS connection.
func (r *repository) insecure(err error) (text, next string) {
	host := r.failedHost(err)
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var certificate x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &authority) && r.connection.CAs != nil:
		return "the TLS certificate is signed by a CA that chartgate does not trust",
			"put the CA's certificate (PEM) into " + r.connection.origin() + ", or ask the cluster's admin to trust it (--registry-ca, chart value registry.caBundle)"
	case errors.As(err, &authority):
		return "the TLS certificate is signed by a CA that chartgate does not trust",
			r.forReader("give --registry-ca the CA of "+host+" (PEM)",
				"ask the cluster's admin to trust the CA of "+host+": --registry-ca FILE, or registry.caBundle among the values of chartgate's chart; or name it in the chart's source (certSecretRef)")
	case errors.As(err, &name) && r.isReferred(err):
		return "the TLS certificate is for another host name" + names(name.Certificate),
			"ask the operator of " + host + " for a certificate for it"
	case errors.As(err, &name):
		return "the TLS certificate is for another host name" + names(name.Certificate),
			"use a host name that the certificate is for, or ask the registry's operator for a certificate for " + host
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "the TLS certificate has expired or is not yet valid" + validity(certificate.Cert),
			"ask the operator of " + host + " to renew the certificate; if it is valid by another clock, " +
				r.forReader("correct that of this machine", "ask the cluster's admin about the node's")
	case errors.As(err, &certificate) || errors.As(err, &verification):
		return "the TLS certificate is not valid", "ask the operator of " + host + " for a certificate that is valid for a server" +
			r.forReader("", "; chartgate's log has the cause")
	case (errors.As(err, &header) || errors.Is(err, http.ErrSchemeMismatch)) && r.isReferred(err):
		return "the port does not speak HTTPS", r.correctReferral(host)
	case errors.As(err, &header) || errors.Is(err, http.ErrSchemeMismatch):
		return "the port does not speak HTTPS",
			"correct the port; if " + host + " has no TLS on purpose, " + r.forReader("allow that: --plain-http "+host,
				"ask the cluster's admin to allow that: --plain-http "+host+", or plainHTTP among the values of chartgate's chart")
	case tlsAlert(err) != "":
		return "the TLS handshake failed", "ask the operator of " + host + " which versions of TLS it speaks (chartgate requires 1.2 or later) and which names it serves"
	default:
		return "the request failed" + r.forReader("", "; chartgate's log has the cause"), ""
	}
}

// names lists the first names that a certificate is for. The server chose them.
func names(c *x509.Certificate) string {
	if c == nil || len(c.DNSNames) == 0 {
		return ""
	}
	var quoted []string
	for _, name := range c.DNSNames[:min(len(c.DNSNames), 3)] {
		quoted = append(quoted, problem.QuoteInput(name))
	}
	return ": " + strings.Join(quoted, ", ")
}

func validity(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(": it is valid from %s to %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

const speaksHTTPS = "the port speaks HTTPS, and chartgate is told to use plain HTTP"

func (r *repository) removePlainHTTP() string {
	return r.forReader("take "+r.at.Host()+" out of --plain-http",
		"ask the cluster's admin to take "+r.at.Host()+" out of --plain-http (plainHTTP among the values of chartgate's chart)")
}

// saysHTTPS reports whether a server answers that it speaks HTTPS and got a plain HTTP request:
// Go's servers, nginx and Apache answer 400 with a sentence of their own.
func saysHTTPS(status int, body []byte) bool {
	return status == http.StatusBadRequest && slices.ContainsFunc(
		[]string{"HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server"},
		func(sentence string) bool { return strings.Contains(string(body), sentence) },
	)
}

// isWebPage reports whether an answer is a page for a browser: of a login, a proxy, or a web server
// that answers every request with its front page.
func isWebPage(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// webPage is the error for such an answer.
func webPage(host string) error {
	return requestError{problem.KindUnavailable, "the answer is a web page, such as that of a login or a proxy, and not a registry's", notARegistry(host)}
}

func notARegistry(host string) string {
	return "check that " + host + " is the host of a registry and not that of its web pages, and that no proxy answers in its place"
}

const tooManyRequests = "too many requests (the registry answered 429 Too Many Requests)"

// slowDown is the next step after 429. retryAfter is what the registry says about when to come
// back, or "".
func (r *repository) slowDown(retryAfter string) string {
	wait := "in a while"
	if retryAfter != "" {
		wait = "after the time that the registry asks for (Retry-After: " + problem.QuoteInput(retryAfter) + ")"
	}
	if r.connection.Login != nil {
		return "try again " + wait + "; the limit is that of the credentials of " + r.connection.origin()
	}
	return "try again " + wait + "; anonymous clients have the strictest limits, so give the chart's source a Secret with a login (secretRef), or chartgate one (--registry-config, chart value registryConfig.existingSecrets)"
}

// throughProxy reports whether the proxy, and not the registry, could not be reached.
func throughProxy(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "proxyconnect"
}
