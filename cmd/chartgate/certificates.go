package main

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// The rotator's own rights. charts/chartgate leaves them out where it does not run,
// and knows them by their resources, so each stands alone.
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
	flags.StringVar(&f.certificates, "certificates", "Files", "Managed: chartgate makes and rotates its certificate itself, in a Secret that is mounted at --cert-dir; Files: somebody else puts tls.crt and tls.key there")
	flags.StringVar(&f.certDir, "cert-dir", "/tmp/certs", "`directory` with tls.crt and tls.key")
	flags.StringVar(&f.certSecret, "certificate-secret", "chartgate-certificate", "`name` of the Secret of a managed certificate")
	flags.StringVar(&f.webhookConfig, "webhook-configuration", "chartgate", "`name` of the ValidatingWebhookConfiguration that is told a managed certificate's CA")
	flags.StringVar(&f.webhookSvc, "webhook-service", "chartgate", "`name` of the Service that a managed certificate is for")
}

// setup returns a channel that closes when the certificate is there to be served.
func (f *certificateFlags) setup(mgr manager.Manager, namespace string) (<-chan struct{}, error) {
	ready := make(chan struct{})
	switch f.certificates {
	case "Files":
		close(ready)
		return ready, nil
	case "Managed":
	default:
		return nil, fmt.Errorf("--certificates is %q, not Managed or Files", f.certificates)
	}
	if f.certSecret == "" || f.webhookConfig == "" || f.webhookSvc == "" {
		return nil, errors.New("--certificate-secret, --webhook-configuration and --webhook-service must be set with --certificates=Managed")
	}
	err := rotator.AddRotator(mgr, &rotator.CertRotator{
		SecretKey:      types.NamespacedName{Namespace: namespace, Name: f.certSecret},
		CertDir:        f.certDir,
		CAName:         "chartgate-ca",
		CAOrganization: "chartgate",
		DNSName:        fmt.Sprintf("%s.%s.svc", f.webhookSvc, namespace),
		IsReady:        ready,
		Webhooks:       []rotator.WebhookInfo{{Name: f.webhookConfig, Type: rotator.Validating}},
	})
	if err != nil {
		return nil, fmt.Errorf("manage the certificate: %w", err)
	}
	return ready, nil
}
