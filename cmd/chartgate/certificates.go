package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/servingcert"
)

// The rights of pkg/servingcert. charts/chartgate leaves them out where it does not run, and
// recognizes them by their resources, so no other right is written together with them.
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,verbs=list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=chartgate,verbs=get;update;patch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,resourceNames=chartgate-certificate,verbs=get;update;patch

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
	flags.StringVar(&f.certSecret, "certificate-secret", "chartgate-certificate", "`name` of the Secret of a managed certificate; it must exist")
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
