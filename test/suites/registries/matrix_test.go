package registries_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
	signedBy     = "https://sigstore.dev/cosign/sign/v1"
	inToto       = "application/vnd.in-toto+json"
)

// signer makes signatures with one kind of key and one hash. What the real cosigns and openssl sign
// is compared in test/suites/cosign.
type signer struct {
	name   string
	public []byte // PEM
	sign   func(message []byte) []byte
}

func signers(t *testing.T) []signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := map[crypto.Hash]func([]byte) []byte{
		crypto.SHA256: func(m []byte) []byte { s := sha256.Sum256(m); return s[:] },
		crypto.SHA384: func(m []byte) []byte { s := sha512.Sum384(m); return s[:] },
		crypto.SHA512: func(m []byte) []byte { s := sha512.Sum512(m); return s[:] },
	}
	made := func(name string, key crypto.Signer, hash crypto.Hash) signer {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return signer{name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), func(message []byte) []byte {
			if hash != 0 {
				message = sum[hash](message)
			}
			signed, err := key.Sign(rand.Reader, message, hash)
			if err != nil {
				t.Fatal(err)
			}
			return signed
		}}
	}
	all := []signer{made("Ed25519", edKey, 0)}
	for hash, name := range map[crypto.Hash]string{crypto.SHA256: "SHA-256", crypto.SHA384: "SHA-384", crypto.SHA512: "SHA-512"} {
		all = append(all, made("RSA with "+name, rsaKey, hash), made("ECDSA with "+name, ecKey, hash))
	}
	return all
}

// envelope is a DSSE envelope around a statement about the digest.
func (s signer) envelope(digest, predicateType string) []byte {
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"chart","digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`,
		strings.TrimPrefix(digest, "sha256:"), predicateType)
	raw, _ := json.Marshal(map[string]any{ // strings and bytes only
		"payloadType": inToto, "payload": []byte(statement),
		"signatures": []any{map[string]any{"sig": s.sign(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(inToto), inToto, len(statement), statement))}},
	})
	return raw
}

// bundle is a sigstore bundle around such an envelope, as cosign 3 makes it with a key.
func (s signer) bundle(digest, predicateType string) []byte {
	return fmt.Appendf(nil, `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":""}},"dsseEnvelope":%s}`, s.envelope(digest, predicateType))
}

// simpleSigning is cosign 2's payload, and the annotations of its layer.
func (s signer) simpleSigning(digest string) (payload []byte, annotations map[string]string) {
	payload = fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"acme"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	return payload, map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(s.sign(payload))}
}

// format is where and how a signature or an attestation lies. Those that are listed lie in the
// referrers API or, in a registry without it, under the fallback tag.
type format struct {
	name     string
	attests  bool
	fallback bool
	attach   func(r *registrytest.Registry, s signer, digest string) error
}

func storages() []format {
	legacyReferrer := func(r *registrytest.Registry, s signer, digest string) error {
		payload, annotations := s.simpleSigning(digest)
		return referrer(r, digest, "", "application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json", payload, annotations)
	}
	envelopeReferrer := func(r *registrytest.Registry, s signer, digest string) error {
		return referrer(r, digest, inToto, emptyType, "application/vnd.dsse.envelope.v1+json", s.envelope(digest, predicate), nil)
	}
	bundle := func(predicateType string) func(*registrytest.Registry, signer, string) error {
		return func(r *registrytest.Registry, s signer, digest string) error {
			_, err := r.AttachBundle(repository, digest, s.bundle(digest, predicateType), nil)
			return err
		}
	}
	return []format{
		{name: "signature under the tag `.sig`", attach: func(r *registrytest.Registry, s signer, digest string) error {
			payload, annotations := s.simpleSigning(digest)
			return r.AttachLegacy(repository, digest, payload, annotations)
		}},
		{name: "attestation under the tag `.att`", attests: true, attach: func(r *registrytest.Registry, s signer, digest string) error {
			return r.AttachLegacyAttestation(repository, digest, s.envelope(digest, predicate), map[string]string{"predicateType": predicate})
		}},
		{name: "legacy signature, listed by the API", attach: legacyReferrer},
		{name: "legacy attestation, listed by the API", attests: true, attach: envelopeReferrer},
		{name: "signature in a bundle, listed by the API", attach: bundle(signedBy)},
		{name: "attestation in a bundle, listed by the API", attests: true, attach: bundle(predicate)},
		{name: "legacy signature, under the fallback tag", fallback: true, attach: legacyReferrer},
		{name: "legacy attestation, under the fallback tag", fallback: true, attests: true, attach: envelopeReferrer},
		{name: "signature in a bundle, under the fallback tag", fallback: true, attach: bundle(signedBy)},
		{name: "attestation in a bundle, under the fallback tag", fallback: true, attests: true, attach: bundle(predicate)},
	}
}

// referrer stores a manifest of one layer that refers to the digest.
func referrer(r *registrytest.Registry, digest, artifactType, configType, layerType string, content []byte, annotations map[string]string) error {
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	config, err := r.PushBlob(repository, []byte("{}"))
	if err != nil {
		return err
	}
	layer, err := r.PushBlob(repository, content)
	if err != nil {
		return err
	}
	m := map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config":  descriptor{MediaType: configType, Digest: config, Size: 2},
		"layers":  []descriptor{{layerType, layer, len(content), annotations}},
		"subject": descriptor{MediaType: manifestType, Digest: digest, Size: 1},
	}
	if artifactType != "" {
		m["artifactType"] = artifactType
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = r.PushManifest(repository, "", manifestType, raw)
	return err
}

// behaviour is how a registry answers to the referrers API.
type behaviour struct {
	name  string
	fault registrytest.Fault // nil: it lists what there is
}

func behaviours() []behaviour {
	answers := func(mediaType, body string) registrytest.Fault {
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", mediaType)
			_, _ = w.Write([]byte(body))
		}
	}
	bare404 := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNotFound) }
	return []behaviour{
		{"lists", nil},
		{"empty list", answers(indexType, `{"schemaVersion":2,"mediaType":"`+indexType+`","manifests":[]}`)},
		{"no API (404 page)", bare404},
		{"404", registrytest.Status(404)},
		{"405", registrytest.Status(405)},
		{"401", registrytest.Status(401)},
		{"403", registrytest.Status(403)},
		{"500", registrytest.Status(500)},
		{"HTML", answers("text/html", "<html>")},
	}
}

// matrix is what docs/registries.md says of each format and behaviour.
func matrix(t *testing.T) map[[2]string]string {
	t.Helper()
	raw, err := os.ReadFile("../../../docs/registries.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[[2]string]string{}
	var head []string
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) > 3 && slices.Contains(cells[2:], behaviours()[0].name):
			head = cells
		case len(cells) < 3:
			head = nil
		case head != nil && len(cells) == len(head) && !strings.HasPrefix(cells[1], "---"):
			for i := 2; i < len(cells)-1; i++ {
				found[[2]string{cells[1], head[i]}] = cells[i]
			}
		}
	}
	return found
}

// TestMatrix: every format in a registry of every behaviour with every kind of key is judged as
// docs/registries.md says, by the gate itself; and a stranger's signature in its place is denied.
func TestMatrix(t *testing.T) {
	t.Parallel()
	documented, all := matrix(t), signers(t)
	seen := 0
	for _, b := range behaviours() {
		for _, f := range storages() {
			cell := [2]string{f.name, b.name}
			want, there := documented[cell]
			if seen++; !there {
				t.Errorf("docs/registries.md has no cell for %v", cell)
				continue
			}
			for i, s := range all {
				t.Run(strings.Join([]string{b.name, f.name, s.name}, "/"), func(t *testing.T) {
					t.Parallel()
					if got := admits(t, b, f, s, s); got != want {
						t.Errorf("%s, documented is %s", got, want)
					}
					if stranger := all[(i+1)%len(all)]; string(stranger.public) != string(s.public) {
						if got := admits(t, b, f, stranger, s); got == "yes" {
							t.Error("a stranger's is admitted")
						}
					}
				})
			}
		}
	}
	if seen != len(documented) {
		t.Errorf("docs/registries.md has %d cells, and %d are tested", len(documented), seen)
	}
}

// admits returns "yes", or the reason of the denial, for a chart that by signed, if the policy
// requires wanted.
func admits(t *testing.T, b behaviour, f format, by, wanted signer) string {
	t.Helper()
	r := registrytest.New(registrytest.Options{NoReferrers: f.fallback})
	defer r.Close()
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := r.PushChart(repository, "1.0.0", archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.attach(r, by, digest); err != nil {
		t.Fatal(err)
	}
	switch {
	case b.fault != nil:
		r.Fail("/referrers/", b.fault)
	case f.fallback: // the API lists something else
		r.Fail("/referrers/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", indexType)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":1,"artifactType":"application/spdx+json"}]}`, manifestType, digest)
		})
	}
	location := "oci://" + r.Host() + "/" + repository
	requirement := v1alpha1.Requirement{AnyOf: []string{"acme"}}
	if f.attests {
		requirement.Attestation = &v1alpha1.Attestation{PredicateType: predicate}
	}
	policies := harness.Compile(t, policy.Input{
		Identities: []v1alpha1.TrustedIdentity{{
			ObjectMeta: metav1.ObjectMeta{Name: "acme"},
			Spec:       v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: string(wanted.public), TransparencyLog: v1alpha1.TransparencyLogNotRequired}},
		}},
		Policies: []v1alpha1.ChartPolicy{{
			ObjectMeta: metav1.ObjectMeta{Name: "acme"},
			Spec:       v1alpha1.ChartPolicySpec{Match: v1alpha1.Match{Charts: []string{location}}, Require: []v1alpha1.Requirement{requirement}},
		}},
	})
	reference, err := chart.ParseReference(location + ":1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	client := registry.New(registry.Options{PlainHTTP: []string{r.Host()}})
	v := gate.New(policies, client, signature.New(signature.FixedRoots{}), time.Now).Decide(t.Context(), gate.Question{
		Object: gate.Object{Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, Field: "spec.chart.spec", Target: gate.Chart{Reference: reference},
	})
	if v.Admits() {
		return "yes"
	}
	return string(v.Denials()[0].Reason)
}
