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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/servingcert"
)

// The rights of pkg/servingcert. charts/chartgate leaves them out where it does not run, and
// recognizes them by their resources, so no other right is written together with them. A Secret of
// this name can be created by a server-side apply only: the name of a POST is not known to RBAC.
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,verbs=list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=chartgate,verbs=get;update;patch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,resourceNames=chartgate-certificate,verbs=get;create;update;patch

// certificateFlags say where the webhook's serving certificate comes from.
type certificateFlags struct {
	certificates  string
	certDir       string
	certSecret    string
	webhookConfig string
	webhookSvc    string
}

func (f *certificateFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.certificates, "certificates", "Files", "Managed: chartgate makes and renews its certificate and serves it from the Secret --certificate-secret; Files: another program puts tls.crt and tls.key into --cert-dir")
	flags.StringVar(&f.certDir, "cert-dir", "/tmp/certs", "`directory` with tls.crt and tls.key, for --certificates=Files")
	flags.StringVar(&f.certSecret, "certificate-secret", "chartgate-certificate", "`name` of the Secret of a managed certificate")
	flags.StringVar(&f.webhookConfig, "webhook-configuration", "chartgate", "`name` of the ValidatingWebhookConfiguration into which the CA of a managed certificate is written")
	flags.StringVar(&f.webhookSvc, "webhook-service", "chartgate", "`name` of the Service that a managed certificate is for")
}

// servingCertificate is the certificate that the webhook serves.
type servingCertificate struct {
	ready <-chan struct{} // closed once it can be served
	// get returns it; nil if it is in the files of --cert-dir.
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// setup checks the flags, and lets the manager look after a managed certificate.
func (f *certificateFlags) setup(mgr manager.Manager, namespace string) (servingCertificate, error) {
	switch f.certificates {
	case "Files":
		ready := make(chan struct{})
		close(ready)
		return servingCertificate{ready: ready}, nil
	case "Managed":
	default:
		return servingCertificate{}, fmt.Errorf("--certificates is %q, not Managed or Files", f.certificates)
	}
	if f.certSecret == "" || f.webhookConfig == "" || f.webhookSvc == "" {
		return servingCertificate{}, errors.New("--certificate-secret, --webhook-configuration and --webhook-service must be set with --certificates=Managed")
	}
	managed := servingcert.New(mgr.GetAPIReader(), mgr.GetClient(), servingcert.Options{
		Secret:        types.NamespacedName{Namespace: namespace, Name: f.certSecret},
		Configuration: f.webhookConfig,
		DNSName:       fmt.Sprintf("%s.%s.svc", f.webhookSvc, namespace),
	})
	if err := managed.SetupWithManager(mgr); err != nil {
		return servingCertificate{}, fmt.Errorf("manage the certificate: %w", err)
	}
	return servingCertificate{ready: managed.Ready(), get: managed.GetCertificate}, nil
}

// tls makes the server use the certificate.
func (c servingCertificate) tls(config *tls.Config) { config.GetCertificate = c.get }

// clientFlags say which clients the webhook answers: all, or those with a client certificate, as
// the API server can have one.
type clientFlags struct {
	clientCA    string
	clientNames []string
}

func (f *clientFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.clientCA, "client-ca", "", "PEM `file` with the CAs of the client certificate that the API server shows to webhooks; read again for each connection. chartgate then answers only the API server, and trusts requests about objects that are not stored yet. Empty: chartgate answers every client that reaches the port")
	flags.StringSliceVar(&f.clientNames, "client-names", nil, "`names` (common names or DNS names) of the API server's client certificates under --client-ca; all names if empty")
}

// check refuses flags with which no connection could work.
func (f *clientFlags) check() error {
	switch {
	case f.clientCA != "":
		_, err := f.pool()
		return err
	case len(f.clientNames) > 0:
		return errors.New("--client-names has no effect without --client-ca")
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

// tls makes the handshake ask for the certificate. The CAs are read again for each connection,
// because a mounted file is renewed in place; an API server makes few connections.
func (f *clientFlags) tls(config *tls.Config) {
	if !f.required() {
		return
	}
	// These refuse all clients, should the settings of a connection below ever not be used.
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	// A resumed session would be verified by the CAs of its first handshake.
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

// once repeats a health check until it succeeds, and not after. The webhook's own check has no
// client certificate to show: repeated every few seconds, it would fill the log with refusals.
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
