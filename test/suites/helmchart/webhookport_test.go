package helmchart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// TestClientCA: which clients may call the webhook.
func TestClientCA(t *testing.T) {
	t.Parallel()
	bundle := "caBundle: \"" + strings.ReplaceAll(someCertificate, "\n", `\n`) + "\""
	for values, want := range map[string]struct {
		arguments []string
		mounted   string // ConfigMap/key
	}{
		``: {},
		`webhook: {clientCA: {existingConfigMap: front-proxy}}`:                                    {[]string{"--client-ca=/etc/chartgate-client-ca/ca.crt"}, "front-proxy/ca.crt"},
		`webhook: {clientCA: {existingConfigMap: front-proxy, key: proxy.pem, names: [a, "b.c"]}}`: {[]string{"--client-ca=/etc/chartgate-client-ca/ca.crt", "--client-names=a,b.c"}, "front-proxy/proxy.pem"},
		`webhook: {clientCA: {` + bundle + `, key: proxy.pem}}`:                                    {[]string{"--client-ca=/etc/chartgate-client-ca/ca.crt"}, "chartgate-client-ca/ca.crt"},
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			p := pod(t, values)
			var arguments []string
			for _, arg := range p.Containers[0].Args {
				if strings.HasPrefix(arg, "--client-") {
					arguments = append(arguments, arg)
				}
			}
			if diff := cmp.Diff(want.arguments, arguments); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			mounted := ""
			for _, volume := range p.Volumes {
				if volume.Name == "client-ca" {
					mounted = volume.ConfigMap.Name + "/" + volume.ConfigMap.Items[0].Key
				}
			}
			isMounted := slices.ContainsFunc(p.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
				return m.Name == "client-ca" && m.MountPath == "/etc/chartgate-client-ca"
			})
			if mounted != want.mounted || isMounted != (want.mounted != "") {
				t.Errorf("mounted %q (%v), want %q", mounted, isMounted, want.mounted)
			}
		})
	}
	objects := render(t, "webhook: {clientCA: {"+bundle+"}}")
	if got := get[corev1.ConfigMap](t, objects, "ConfigMap/chartgate-client-ca").Data["ca.crt"]; got != someCertificate {
		t.Errorf("the CAs are %q", got)
	}
}

// TestWhoReachesTheWebhooksPort: only the networks of the API servers, if they are configured, and
// only that port.
func TestWhoReachesTheWebhooksPort(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		`networkPolicy: {enabled: true}`:                                             {"webhook from anywhere", "metrics health from anywhere"},
		`networkPolicy: {enabled: true, webhookFrom: [10.0.0.1/32, "fd00:10::/64"]}`: {"webhook from 10.0.0.1/32 fd00:10::/64", "metrics health from anywhere"},
	} {
		var got []string
		for _, rule := range get[networkingv1.NetworkPolicy](t, render(t, values), "NetworkPolicy/chartgate").Spec.Ingress {
			var ports, from []string
			for _, port := range rule.Ports {
				ports = append(ports, port.Port.String())
			}
			for _, peer := range rule.From {
				from = append(from, peer.IPBlock.CIDR)
			}
			if len(from) == 0 {
				from = []string{"anywhere"}
			}
			got = append(got, strings.Join(ports, " ")+" from "+strings.Join(from, " "))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", values, diff)
		}
	}
}
