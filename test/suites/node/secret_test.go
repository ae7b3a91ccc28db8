package node_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestSecret: a certificate that is lost is made again, and served by all pods, without one failed
// write.
func TestSecret(t *testing.T) {
	s := gated(t)
	flood := s.flood(t)
	flood.GoesOn(t)
	const deletion = "kubectl delete secret --namespace chartgate-system chartgate-certificate\n"
	for _, tc := range []struct{ sentence, commands string }{
		{"the Secret is deleted", deletion},
		{"its content is deleted", `kubectl patch secret --namespace chartgate-system chartgate-certificate --type=json --patch='[{"op": "remove", "path": "/data"}]'`},
		{"it is deleted, and new pods start", deletion + "kubectl rollout restart --namespace chartgate-system deployment/chartgate\nkubectl rollout status --namespace chartgate-system deployment/chartgate"},
		{"it is deleted, and helm upgrades", deletion + upgrade + "--version " + second + " --set-string podAnnotations.again=yes"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			before := s.certificate(t)
			tally := flood.During(func() {
				s.do(t, tc.commands)
				harness.Eventually(t, func() string {
					if now := s.certificate(t); now == nil || now.Equal(before) {
						return "there is no new certificate"
					}
					return ""
				})
				s.served(t)
				flood.GoesOn(t)
			})
			t.Log(tally)
			if len(tally.Lost) > 0 {
				t.Errorf("writes failed: %q", tally.Lost)
			}
		})
	}
	flood.CheckStored(t)
}

// certificate is the one in the Secret; nil if there is none.
func (s *site) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	var secret corev1.Secret
	err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: cluster.Namespace, Name: "chartgate-certificate"}, &secret)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(secret.Data["tls.crt"])
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// served waits until both pods serve the certificate in the Secret.
func (s *site) served(t *testing.T) {
	t.Helper()
	pods := s.settled(t)
	harness.Eventually(t, func() string {
		want := s.certificate(t)
		if want == nil {
			return "the Secret holds no certificate"
		}
		for _, pod := range pods {
			connection, err := tls.Dial("tcp", net.JoinHostPort(pod.Status.PodIP, "9443"), &tls.Config{InsecureSkipVerify: true}) // only to look
			if err != nil {
				return err.Error()
			}
			serves := connection.ConnectionState().PeerCertificates[0]
			if err := connection.Close(); err != nil || !bytes.Equal(serves.Raw, want.Raw) {
				return fmt.Sprintf("pod %s serves another certificate (%v)", pod.Name, err)
			}
		}
		return ""
	})
}
