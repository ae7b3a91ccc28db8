package signature_test

import (
	"cmp"
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

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestKeyTypes is the table in docs/policies.md: which signatures by keys count, for each type of
// key, each hash and each form. Package test/suites/cosign makes what cosign and openssl make, and
// asks cosign about it too.
func TestKeyTypes(t *testing.T) {
	t.Parallel()
	content := []byte("chart")
	digest := digestOf(t, content)
	verifier := verifierOf(t, nil)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name string
		key  crypto.Signer
		hash crypto.Hash
		// Whether legacy signatures and attestations and bundles with an envelope count; and
		// bundles around the digest alone, of which the digest is what was signed, and so SHA-256.
		enveloped, bare bool
	}
	rows := []row{
		{"Ed25519", edKey, 0, true, false},
		{"Ed25519ph", edKey, crypto.SHA512, true, false},
	}
	for name, key := range map[string]crypto.Signer{
		"RSA 2048": rsaKey(t, 2048), "RSA 3072": rsaKey(t, 3072), "RSA 4096": rsaKey(t, 4096),
		"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "P-521": ecKey(t, elliptic.P521()),
	} {
		rows = append(rows,
			row{name + " with SHA-256", key, crypto.SHA256, true, true},
			row{name + " with SHA-384", key, crypto.SHA384, true, false},
			row{name + " with SHA-512", key, crypto.SHA512, true, false},
			row{name + " with SHA-224", key, crypto.SHA224, false, false},
			row{name + " with SHA-1", key, crypto.SHA1, false, false},
		)
		if private, is := key.(*rsa.PrivateKey); is {
			rows = append(rows,
				row{name + " PSS with SHA-256", pss{private}, crypto.SHA256, false, false},
				row{name + " PSS with SHA-512", pss{private}, crypto.SHA512, false, false})
		}
	}
	for _, tc := range rows {
		claim := fmt.Appendf(nil, `{"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": %q}}}`, digest)
		attested, _ := dsseEnvelope(t, tc.key, tc.hash, payloadType, slsa, digest)
		_, bundled := dsseEnvelope(t, tc.key, tc.hash, payloadType, sigstore.SignPredicateType, digest)
		for form, m := range map[string]attachment.Attachment{
			"legacy signature":   legacyOf(t, claim, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sign(t, tc.key, tc.hash, claim))}),
			"legacy attestation": attestationOf(t, attested, nil),
			"bundle, envelope":   bundleOf(bundled),
			"bundle, digest":     bundleOf(messageBundle(t, tc.key, tc.hash, content)),
		} {
			good := tc.enveloped
			if form == "bundle, digest" {
				good = tc.bare
			}
			t.Run(tc.name+", "+form, func(t *testing.T) {
				t.Parallel()
				key := publicKeyOf(t, tc.key)
				wanted := evidence.Wanted{Keys: []evidence.WantedKey{{PublicKey: key, AllowUnlogged: true}}}
				got, err := one(verifier.Verify(context.Background(), digest, m, wanted))
				switch {
				case !good:
					wantRejection(t, got, err, verdict.SignatureInvalid, "made with a key that no policy trusts")
				case err != nil, got.Signs(digest) == got.Attests(digest, slsa), got.Signer.Key != key.Fingerprint():
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
	}
}

const payloadType = "application/vnd.in-toto+json"

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	return must(rsa.GenerateKey(rand.Reader, bits))(t)
}

// messageBundle is a bundle around the digest of the content, as sigstore-go signs it with that
// hash.
func messageBundle(t testing.TB, key crypto.Signer, hash crypto.Hash, content []byte) []byte {
	t.Helper()
	algorithm := map[crypto.Hash]string{crypto.SHA384: "SHA2_384", crypto.SHA512: "SHA2_512"}[hash]
	if algorithm == "" {
		algorithm, hash = "SHA2_256", cmp.Or(hash, crypto.SHA256)
	}
	h := hash.New()
	h.Write(content)
	signing := hash
	if _, pure := key.(ed25519.PrivateKey); pure && algorithm == "SHA2_256" {
		signing = 0
	}
	return must(json.Marshal(map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": ""}},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": algorithm, "digest": h.Sum(nil)}, "signature": sign(t, key, signing, content),
		},
	}))(t)
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

func publicKeyOf(t testing.TB, key crypto.Signer) evidence.PublicKey {
	t.Helper()
	der := must(x509.MarshalPKIXPublicKey(key.Public()))(t)
	return parsedKey(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// fixedKey signs what no fixture would.
func fixedKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(1).FillBytes(make([]byte, 32))))(t)
}

func ownKey(t testing.TB) evidence.Wanted {
	t.Helper()
	return evidence.Wanted{Keys: []evidence.WantedKey{{PublicKey: publicKeyOf(t, fixedKey(t)), AllowUnlogged: true}}}
}

func signPayload(t testing.TB, payload []byte) attachment.Attachment {
	t.Helper()
	sum := sha256.Sum256(payload)
	sig := must(ecdsa.SignASN1(rand.Reader, fixedKey(t), sum[:]))(t)
	return legacyOf(t, payload, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)})
}

// signEnvelope is a bundle, signed by the fixed key, with a statement about the digest under any
// payload type.
func signEnvelope(t testing.TB, payloadType string, digest chart.Digest) []byte {
	t.Helper()
	return envelope(t, fixedKey(t), crypto.SHA256, payloadType, digest)
}

func envelope(t testing.TB, key crypto.Signer, hash crypto.Hash, payloadType string, digest chart.Digest) []byte {
	t.Helper()
	_, bundle := dsseEnvelope(t, key, hash, payloadType, sigstore.SignPredicateType, digest)
	return bundle
}

// dsseEnvelope is an envelope around a statement about the digest, and a bundle around the
// envelope.
func dsseEnvelope(t testing.TB, key crypto.Signer, hash crypto.Hash, payloadType, predicateType string, digest chart.Digest) (alone, bundle []byte) {
	t.Helper()
	statement := fmt.Appendf(nil, `{"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": %q}}],
		"predicateType": %q, "predicate": {}}`, digest.Hex(), predicateType)
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement)
	content := map[string]any{
		"payloadType": payloadType, "payload": statement,
		"signatures": []any{map[string]any{"sig": sign(t, key, hash, pae)}},
	}
	return must(json.Marshal(content))(t), must(json.Marshal(map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": ""}},
		"dsseEnvelope":         content,
	}))(t)
}
