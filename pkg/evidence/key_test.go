package evidence_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/evidence"
)

func TestParsePublicKeys(t *testing.T) {
	t.Parallel()
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	edPublic, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))(t)
	// Only the size is looked at, so the moduli need not be products of primes.
	modulus := func(bits uint) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	}
	good := publicPEM(t, p256.Public())
	certificate := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, p256.Public(), p256))(t)
	private := must(x509.MarshalPKCS8PrivateKey(p256))(t)
	block, _ := pem.Decode([]byte(good))
	var others []string
	for range 8 {
		others = append(others, publicPEM(t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t).Public()))
	}
	for _, tc := range []struct {
		name, in string
		key      crypto.PublicKey
		because  string
	}{
		{name: "ECDSA P-256, as cosign.pub", in: good, key: p256.Public()},
		{name: "ECDSA P-384", in: publicPEM(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t).Public())},
		{name: "Ed25519", in: publicPEM(t, edPublic), key: edPublic},
		{name: "RSA of 2048 bits", in: publicPEM(t, modulus(2048))},
		{name: "RSA of 4096 bits", in: publicPEM(t, modulus(4096))},
		{name: "a comment before the block", in: "# acme's key\n" + good, key: p256.Public()},
		{name: "Windows line ends", in: strings.ReplaceAll(good, "\n", "\r\n"), key: p256.Public()},
		{name: "nothing", in: "", because: "no PEM block found"},
		{name: "text", in: "acme", because: "no PEM block found"},
		{name: "a block cut short", in: good[:60], because: "the PEM block is damaged; copy cosign.pub again"},
		{name: "RSA of 2047 bits", in: publicPEM(t, modulus(2047)), because: "the RSA key has 2047 bits; at least 2048 are needed"},
		{name: "RSA of 1024 bits", in: publicPEM(t, modulus(1024)), because: "the RSA key has 1024 bits"},
		{name: "a key that cannot sign", in: publicPEM(t, x25519.Public()), because: "the key is neither ECDSA, Ed25519 nor RSA, and cosign signs with no other"},
		{name: "one key twice", in: good + good, because: "occurs twice"},
		{name: "nine keys", in: good + strings.Join(others[:8], ""), because: "more than 8 keys; use several TrustedIdentities"},
		{name: "a key and a certificate", in: good + encode("CERTIFICATE", certificate), because: `the PEM block is a "CERTIFICATE"`},
		{name: "a key and a private key, which must not be here", in: good + encode("PRIVATE KEY", private), because: `the PEM block is a "PRIVATE KEY"`},
		{name: "a certificate", in: encode("CERTIFICATE", certificate), because: `the PEM block is a "CERTIFICATE", not a "PUBLIC KEY"`},
		{name: "a private key, which must not be here", in: encode("PRIVATE KEY", private), because: `the PEM block is a "PRIVATE KEY"`},
		{name: "cosign's encrypted private key", in: encode("ENCRYPTED SIGSTORE PRIVATE KEY", private), because: `the PEM block is a "ENCRYPTED SIGSTORE PRIVATE KEY"`},
		{name: "a key of SSH", in: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL jane@acme.example", because: "is a key of SSH; write the PEM block of it: ssh-keygen -e -m PKCS8 -f KEY.pub"},
		{name: "a key of OpenPGP", in: encode("PGP PUBLIC KEY BLOCK", private), because: "chartgate verifies signatures of cosign, not those of helm package --sign"},
		{name: "a key in the form of PKCS #1", in: encode("RSA PUBLIC KEY", private), because: "write it in the other form: openssl rsa -RSAPublicKey_in -pubout -in KEY.pem"},
		{name: "a private key before the public one", in: encode("PRIVATE KEY", private) + good, because: `the PEM block is a "PRIVATE KEY"`},
		{name: "a private key that says it is public", in: encode("PUBLIC KEY", private), because: "the PEM block holds no public key of a kind that is known; copy cosign.pub again"},
		{name: "an empty block", in: encode("PUBLIC KEY", nil), because: "the PEM block holds no public key of a kind that is known; copy cosign.pub again"},
		{name: "garbage behind the key", in: encode("PUBLIC KEY", append(block.Bytes, 0)), because: "the PEM block holds no public key of a kind that is known; copy cosign.pub again"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			all, err := evidence.ParsePublicKeys(tc.in)
			if tc.because != "" {
				if err == nil || !strings.Contains(err.Error(), tc.because) {
					t.Errorf("got %v, want it to say %q", err, tc.because)
				}
				if len(all) > 0 {
					t.Errorf("keys came back with the error: %v", all)
				}
				return
			}
			if err != nil || len(all) != 1 {
				t.Fatalf("%d keys, error %v", len(all), err)
			}
			got := all[0]
			der, _ := pem.Decode([]byte(tc.in))
			sum := sha256.Sum256(der.Bytes)
			if want := "sha256:" + hex.EncodeToString(sum[:]); got.Fingerprint() != want {
				t.Errorf("fingerprint %s, want %s", got.Fingerprint(), want)
			}
			if key, ok := got.Key().(interface{ Equal(crypto.PublicKey) bool }); tc.key != nil && (!ok || !key.Equal(tc.key)) {
				t.Errorf("another key came back: %v", got.Key())
			}
		})
	}
	rotation, err := evidence.ParsePublicKeys("# new\n" + good + "# old\n" + others[0])
	if err != nil || len(rotation) != 2 || rotation[0].Fingerprint() == rotation[1].Fingerprint() {
		t.Errorf("two keys of a rotation: %v, %v", rotation, err)
	}
	var zero evidence.PublicKey
	if zero.Fingerprint() != "" || zero.Key() != nil {
		t.Errorf("the zero key is %v", zero)
	}
}

func TestASignerIsNamedByKeyOrByCertificate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		signer evidence.Signer
		want   string
	}{
		{evidence.Signer{Key: "sha256:abc"}, "key sha256:abc"},
		{evidence.Signer{Subject: "a@acme.example", Issuer: "https://issuer.example"}, "subject a@acme.example, issuer https://issuer.example"},
		{evidence.Signer{Key: "sha256:abc", Subject: "a@acme.example"}, "key sha256:abc"},
	} {
		if got := tc.signer.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func publicPEM(t *testing.T, key crypto.PublicKey) string {
	t.Helper()
	return encode("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key))(t))
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
