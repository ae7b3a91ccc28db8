package signature_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// TestKeyTypes: keys of every type that policies take, with the hashes that cosign 2 (always SHA-256) and cosign 3 (by
// curve) sign with. Package test/cosign signs with the tools themselves.
func TestKeyTypes(t *testing.T) {
	t.Parallel()
	digest := digestOf(t, []byte("chart"))
	verifier := verifierOf(t, nil)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, p384, p521 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	for _, tc := range []struct {
		name string
		key  crypto.Signer
		hash crypto.Hash
		good bool
	}{
		{"P-256 with SHA-256", p256, crypto.SHA256, true},
		{"P-256 with SHA-512", p256, crypto.SHA512, false},
		{"P-384 with SHA-256", p384, crypto.SHA256, true},
		{"P-384 with SHA-384", p384, crypto.SHA384, true},
		{"P-384 with SHA-512", p384, crypto.SHA512, false},
		{"P-521 with SHA-256", p521, crypto.SHA256, true},
		{"P-521 with SHA-512", p521, crypto.SHA512, true},
		{"RSA with SHA-256", rsaKey, crypto.SHA256, true},
		{"RSA with SHA-512", rsaKey, crypto.SHA512, false},
		{"RSA-PSS with SHA-256, which cosign does not write", pss{rsaKey}, crypto.SHA256, false},
		{"Ed25519", edKey, 0, true},
		{"Ed25519ph", edKey, crypto.SHA512, true},
	} {
		claim := fmt.Appendf(nil, `{"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": %q}}}`, digest)
		legacy := legacyOf(t, claim, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sign(t, tc.key, tc.hash, claim))})

		for _, m := range []chart.Material{bundleOf(envelope(t, tc.key, tc.hash, "application/vnd.in-toto+json", digest)), legacy} {
			t.Run(tc.name+", "+m.Format.String(), func(t *testing.T) {
				t.Parallel()
				key := publicKeyOf(t, tc.key)
				wanted := verdict.Wanted{Keys: []verdict.WantedKey{{PublicKey: key, AllowUnlogged: true}}}
				got, err := one(verifier.Verify(context.Background(), digest, m, wanted))
				if !tc.good {
					wantRejection(t, got, err, verdict.SignatureInvalid, "made with none of the trusted keys")
				} else if err != nil || !got.Signs(digest) || got.Signer.Key != key.Fingerprint() {
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
	}
}

// pss signs with RSA in the other way.
type pss struct{ *rsa.PrivateKey }

func (k pss) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return rsa.SignPSS(random, k.PrivateKey, opts.HashFunc(), digest, nil)
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}

func sign(t testing.TB, key crypto.Signer, hash crypto.Hash, message []byte) []byte {
	t.Helper()
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	return must(key.Sign(rand.Reader, message, hash))(t)
}

func publicKeyOf(t testing.TB, key crypto.Signer) verdict.PublicKey {
	t.Helper()
	der := must(x509.MarshalPKIXPublicKey(key.Public()))(t)
	return parsedKey(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// fixedKey signs what no fixture would.
func fixedKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(1).FillBytes(make([]byte, 32))))(t)
}

func ownKey(t testing.TB) verdict.Wanted {
	t.Helper()
	return verdict.Wanted{Keys: []verdict.WantedKey{{PublicKey: publicKeyOf(t, fixedKey(t)), AllowUnlogged: true}}}
}

func signPayload(t testing.TB, payload []byte) chart.Material {
	t.Helper()
	sum := sha256.Sum256(payload)
	sig := must(ecdsa.SignASN1(rand.Reader, fixedKey(t), sum[:]))(t)
	return legacyOf(t, payload, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)})
}

// signEnvelope is a bundle, signed by the fixed key, with a statement about the digest under any payload type.
func signEnvelope(t testing.TB, payloadType string, digest chart.Digest) []byte {
	t.Helper()
	return envelope(t, fixedKey(t), crypto.SHA256, payloadType, digest)
}

func envelope(t testing.TB, key crypto.Signer, hash crypto.Hash, payloadType string, digest chart.Digest) []byte {
	t.Helper()
	statement := fmt.Appendf(nil, `{"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": %q}}],
		"predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}}`, digest.Hex())
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement)
	return must(json.Marshal(map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": ""}},
		"dsseEnvelope": map[string]any{
			"payloadType": payloadType, "payload": statement,
			"signatures": []any{map[string]any{"sig": sign(t, key, hash, pae)}},
		},
	}))(t)
}
