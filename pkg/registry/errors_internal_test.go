package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestClassify: errors that cannot be provoked on this machine.
func TestClassify(t *testing.T) {
	t.Parallel()
	location, err := chart.ParseChart("oci://ghcr.io/acme/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{client: New(Options{}), location: location, at: location}
	for want, err := range map[string]error{
		"the host name does not exist":                           &net.DNSError{IsNotFound: true},
		"the host name could not be looked up":                   &net.DNSError{IsTimeout: true},
		"no route to the host":                                   syscall.EHOSTUNREACH,
		"connection reset":                                       syscall.EPIPE,
		"no connection or answer within the time allowed for it": context.DeadlineExceeded, // a dialer's own
		"the TLS certificate is for another host name":           x509.HostnameError{Certificate: &x509.Certificate{}},
		"the TLS certificate has expired or is not yet valid":    x509.CertificateInvalidError{Reason: x509.Expired},
		"the TLS certificate is not valid":                       &tls.CertificateVerificationError{Err: errors.New("x")},
		"the port does not speak HTTPS":                          tls.RecordHeaderError{},
		"the TLS handshake failed":                               &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")},
		"the request failed; chartgate's log has the cause":      errors.New("x"),
	} {
		kind, got, next := r.classify(t.Context(), fmt.Errorf("wrapped: %w", err))
		if kind != problem.KindUnavailable || got != want || (next == "") != (want == "the request failed; chartgate's log has the cause") {
			t.Errorf("%v: %v, %q, want %q; next %q", err, kind, got, want, next)
		}
	}
}
