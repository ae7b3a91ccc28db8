package cosign_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/test/env/cluster"
)

// TestKeys: chartgate verifies signatures and attestations with every kind of key that cosign
// takes, and does not confuse them.
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

// TestHashes: signatures and attestations that openssl makes, as a KMS does whose key fixes the
// hash, attached with cosign: chartgate accepts what cosign accepts when it is told the hash,
// except SHA-224.
func TestHashes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rsa := func(bits string) []string {
		return []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + bits}
	}
	ec := func(curve string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
	}
	pss := []string{"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"}
	type row struct {
		name         string
		key          []string // how openssl makes it
		hash         string   // "" for Ed25519
		options      []string // of signing
		cosign, gate bool
	}
	rows := []row{
		{"rsa-2048-sha224", rsa("2048"), "sha224", nil, false, false},
		{"p256-sha224", ec("P-256"), "sha224", nil, true, false},
		{"rsa-2048-pss-sha256", rsa("2048"), "sha256", pss, false, false},
		{"rsa-2048-pss-sha512", rsa("2048"), "sha512", pss, false, false},
		{"ed25519", []string{"-algorithm", "ED25519"}, "", nil, true, true},
	}
	for name, key := range map[string][]string{
		"rsa-2048": rsa("2048"), "rsa-3072": rsa("3072"), "rsa-4096": rsa("4096"),
		"p256": ec("P-256"), "p384": ec("P-384"), "p521": ec("P-521"),
	} {
		for _, hash := range []string{"sha256", "sha384", "sha512"} {
			rows = append(rows, row{name + "-" + hash, key, hash, nil, true, true})
		}
	}
	for _, tc := range rows {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			what := d.push(t, tc.name)
			image := what.Location.Host() + "/" + what.Location.Path() + "@" + what.Digest.String()
			private, public := filepath.Join(d.dir, tc.name+".key"), filepath.Join(d.dir, tc.name+".pub")
			d.openssl(t, append([]string{"genpkey", "-out", private}, tc.key...)...)
			d.openssl(t, "pkey", "-in", private, "-pubout", "-out", public)
			sign := func(name string, content []byte) []byte {
				in, out := d.file(t, name, string(content)), filepath.Join(d.dir, name+".raw")
				if tc.hash == "" {
					d.openssl(t, "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", in, "-out", out)
				} else {
					d.openssl(t, append(append([]string{"dgst", "-" + tc.hash, "-sign", private, "-out", out}, tc.options...), in)...)
				}
				return d.read(t, out)
			}
			// A signature, attached as in cosign's documentation for signing with a KMS.
			payload := d.output(t, "cosign2", "generate", "--allow-http-registry", image)
			signed := d.file(t, tc.name+".sig", base64.StdEncoding.EncodeToString(sign(tc.name+".payload", []byte(payload))))
			d.run(t, "cosign2", "attach", "signature", "--allow-http-registry",
				"--payload", filepath.Join(d.dir, tc.name+".payload"), "--signature", signed, image)
			// An attestation, in an envelope.
			statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"chart","digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`,
				what.Digest.Hex(), reviewed)
			const kind = "application/vnd.in-toto+json"
			envelope, err := json.Marshal(map[string]any{
				"payloadType": kind, "payload": []byte(statement),
				"signatures": []any{map[string]any{"sig": sign(tc.name+".pae", fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement))}},
			})
			if err != nil {
				t.Fatal(err)
			}
			d.run(t, "cosign2", "attach", "attestation", "--allow-http-registry", "--attestation", d.file(t, tc.name+".att", string(envelope)), image)

			options := []string{"--key", public, "--insecure-ignore-tlog=true", "--allow-http-registry"}
			if tc.hash != "" {
				options = append(options, "--signature-digest-algorithm", tc.hash)
			}
			for _, verify := range [][]string{{"verify"}, {"verify-attestation", "--type", reviewed}} {
				_, err := d.try(t, "cosign2", append(append(verify, options...), image)...)
				if (err == nil) != tc.cosign {
					t.Errorf("cosign %s: %v", verify[0], err)
				}
			}
			found := map[attachment.Format]bool{}
			for _, e := range d.provenBy(t, what, string(d.read(t, public)), tc.gate) {
				found[e.Format] = e.Signs(what.Digest) || e.Attests(what.Digest, reviewed)
			}
			if found[attachment.Legacy] != tc.gate || found[attachment.LegacyAttestation] != tc.gate {
				t.Errorf("chartgate proves %v", found)
			}
		})
	}
}

// reviewed is a type of predicate.
const reviewed = "https://acme.example/review/v1"

// provenBy is what chartgate finds beside the chart by the key; material that is not proven fails
// the test if it should be.
func (d *desk) provenBy(t *testing.T, what artifact.Resolved, public string, all bool) (found []evidence.Evidence) {
	t.Helper()
	keys, err := evidence.ParsePublicKeys(public)
	if err != nil {
		t.Fatal(err)
	}
	wanted := evidence.Wanted{Keys: []evidence.WantedKey{{PublicKey: keys[0], AllowUnlogged: true}}}
	seen := 0
	for material, err := range d.client().Signatures(context.Background(), what, attachment.Search{Predicates: []string{reviewed}}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		proven, err := signature.New(signature.FixedRoots{}).Verify(context.Background(), what.Digest, material, wanted)
		if err != nil && all {
			t.Errorf("%s: %v", material.Format, err)
		}
		found = append(found, proven...)
	}
	if seen != 2 {
		t.Errorf("%d pieces of material, want 2", seen)
	}
	return found
}

// openssl is the system's.
func (d *desk) openssl(t *testing.T, args ...string) {
	t.Helper()
	if _, err := (cluster.Command{Name: "openssl", Args: args}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// output is what a tool prints.
func (d *desk) output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := d.try(t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

func (d *desk) read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
