package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"

	"github.com/spf13/pflag"
)

// clientFlags say who may talk to the webhook: whoever reaches its port, or the holder of
// a client certificate, which the API server can be.
type clientFlags struct {
	clientCA    string
	clientNames []string
}

func (f *clientFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.clientCA, "client-ca", "", "PEM `file` with the CAs of the client certificate that the API server shows to webhooks; read anew for each connection. Nobody else gets an answer, and requests are believed about objects that are not stored yet. Empty: anyone who reaches the port is answered")
	flags.StringSliceVar(&f.clientNames, "client-names", nil, "`names` (common names or DNS names) of the client certificates under --client-ca that are the API server's; any if empty")
}

// check refuses what could never work.
func (f *clientFlags) check() error {
	switch {
	case f.clientCA != "":
		_, err := f.pool()
		return err
	case len(f.clientNames) > 0:
		return errors.New("--client-names says nothing without --client-ca")
	default:
		return nil
	}
}

// required reports whether clients must show a certificate.
func (f *clientFlags) required() bool { return f.clientCA != "" }

// pool reads --client-ca.
func (f *clientFlags) pool() (*x509.CertPool, error) {
	content, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("read --client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--client-ca %s holds no certificate in PEM", f.clientCA)
	}
	return pool, nil
}

// tls makes the handshake ask for the certificate. The CAs are read anew for each
// connection, of which an API server makes few: a mounted file is renewed in place.
func (f *clientFlags) tls(config *tls.Config) {
	if !f.required() {
		return
	}
	// What matters should the settings of one connection ever not be asked for.
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	// A session that is resumed would be judged by the CAs of its beginning.
	config.SessionTicketsDisabled = true
	config.VerifyConnection = f.verify
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := f.pool()
		if err != nil {
			return nil, err
		}
		own := config.Clone() // it has the serving certificate by now
		own.GetConfigForClient = nil
		own.ClientCAs = pool
		return own, nil
	}
}

// verify refuses a verified certificate of another name.
func (f *clientFlags) verify(state tls.ConnectionState) error {
	if len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return errors.New("the client has shown no certificate by a CA in --client-ca")
	}
	leaf := state.PeerCertificates[0]
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	if len(f.clientNames) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(f.clientNames, name) }) {
		return nil
	}
	return fmt.Errorf("the client certificate is of %q, which --client-names does not name", names)
}

// once asks a health check until it has been good. The webhook's own check has no client
// certificate to show: asked every few seconds, it would fill the log with refusals.
func once(check func(*http.Request) error) func(*http.Request) error {
	var good atomic.Bool
	return func(req *http.Request) error {
		if good.Load() {
			return nil
		}
		err := check(req)
		good.Store(err == nil)
		return err
	}
}
