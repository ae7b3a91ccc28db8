package cosign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// TestKeys: whatever key cosign signs and attests with, chartgate verifies, and takes each for what it is.
func TestKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, generate := range map[string]func() (crypto.Signer, error){
		"rsa-2048":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"rsa-3072":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) },
		"rsa-4096":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) },
		"ecdsa-p256": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ecdsa-p384": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"ecdsa-p521": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
		"ed25519": func() (crypto.Signer, error) {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			return private, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			private, err := generate()
			if err != nil {
				t.Fatal(err)
			}
			key, podinfo := d.take(t, name, private), d.push(t, name)
			const custom = "https://acme.example/review/v1"
			for _, w := range []way{legacyWay(), bundleWay()} {
				d.sign(t, w, key, podinfo)
				d.attest(t, w, key, podinfo, custom, `{"approved": true}`)
			}
			want := map[attachment.Format]int{attachment.Bundle: 2, attachment.Legacy: 1, attachment.LegacyAttestation: 1}
			for _, e := range d.evidence(t, podinfo, key, custom) {
				want[e.Format]--
				if e.Signer.Key != key.public.Fingerprint() {
					t.Errorf("%s by %s", e.Format, e.Signer)
				}
				isSignature := e.Statement == evidence.ChartSignature
				if e.Signs(podinfo.Digest) != isSignature || e.Attests(podinfo.Digest, custom) == isSignature {
					t.Errorf("%s counts as %+v", e.Format, e)
				}
			}
			for format, missing := range want {
				if missing != 0 {
					t.Errorf("%d %s not verified", missing, format)
				}
			}
		})
	}
}
