package attacks_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

func (s *stall) attestation(t *testing.T, opts ...sigstore.Option) []byte {
	t.Helper()
	return must(s.Bundle(acme(), s.digest, slsa, nil, opts...))(t)
}

// forgetEnds removes the ends of validity from the trust root's authorities.
func (s *stall) forgetEnds() {
	var root map[string]any
	if err := json.Unmarshal(s.root, &root); err != nil {
		panic(err)
	}
	for _, list := range []string{"certificateAuthorities", "timestampAuthorities"} {
		delete(at(root, list, "0", "validFor"), "end")
	}
	for _, list := range []string{"tlogs", "ctlogs"} {
		delete(at(root, list, "0", "publicKey", "validFor"), "end")
	}
	s.root, _ = json.Marshal(root)
}

// signedPayload are the annotations of a signature of any payload by the trusted key.
func (s *stall) signedPayload(t *testing.T, payload string) map[string]string {
	t.Helper()
	sum := sha256.Sum256([]byte(payload))
	raw := must(s.MessageSignatureBundle(s.key, "sha256:"+hex.EncodeToString(sum[:]), sigstore.WithoutLog()))(t)
	var made struct {
		MessageSignature struct {
			Signature []byte `json:"signature"`
		} `json:"messageSignature"`
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		t.Fatal(err)
	}
	return map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(made.MessageSignature.Signature)}
}

// listed makes the registry list one more referrer of the chart than exist.
func (s *stall) listed(t *testing.T, digest string) {
	t.Helper()
	raw := must(s.Manifest(s.repo, digest))(t)
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"artifactType":%q}]}`,
		indexType, manifestType, digest, len(raw), sigstore.BundleMediaType)
	s.Fail("/referrers/"+s.digest, registrytest.Body(index))
}

func (s *stall) manifest(t *testing.T) []byte {
	t.Helper()
	return must(s.Manifest(s.repo, s.digest))(t)
}

func (s *stall) index() []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, indexType, manifestType, s.digest)
}

// replaceBy pushes other content under the chart's tag. Later signatures are attached to that.
func (s *stall) replaceBy(t *testing.T, mediaType string, raw []byte) {
	t.Helper()
	s.digest = must(s.PushManifest(s.repo, "1.0.0", mediaType, raw))(t)
}

func replace(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
}

// graft replaces a part of a bundle's verification material with that of another bundle.
func graft(t *testing.T, bundle, donor []byte, part string) []byte {
	t.Helper()
	var from map[string]any
	if err := json.Unmarshal(donor, &from); err != nil {
		t.Fatal(err)
	}
	return edit(t, bundle, func(b map[string]any) {
		at(b, "verificationMaterial")[part] = at(from, "verificationMaterial")[part]
	})
}
