package sigstore

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	simple "github.com/sigstore/sigstore/pkg/signature/payload"
)

// Legacy is a signature in cosign 2's form: the signed payload, and the annotations of its layer. The repository
// ("127.0.0.1:5000/acme/charts/podinfo") is what the payload claims to name, and the digest ("sha256:…") what it
// claims to sign.
func (s *Sigstore) Legacy(by Signer, repository, digest string, opts ...Option) (payload []byte, annotations map[string]string, err error) {
	o := s.options(opts)
	claim := simple.SimpleContainerImage{Critical: simple.Critical{
		Identity: simple.Identity{DockerReference: repository},
		Image:    simple.Image{DockerManifestDigest: digest},
		Type:     simple.CosignSignatureType,
	}}
	if payload, err = json.Marshal(claim); err != nil {
		return nil, nil, err
	}
	sig, err := s.sign(by, blob(sha256.Sum256(payload)), o)
	if err != nil {
		return nil, nil, err
	}
	payload = o.tamper(payload)
	annotations, err = sig.annotations(payload, o.issuer.fulcio)
	return payload, annotations, err
}

// annotations are written by cosign's own code.
func (s *signed) annotations(payload []byte, issuer *authority) (map[string]string, error) {
	var opts []static.Option
	if s.certificate != nil {
		opts = append(opts, static.WithCertChain(certificatePEM(s.certificate), certificatePEM(issuer.intermediate, issuer.root)))
	}
	if e := s.entry; e != nil {
		opts = append(opts, static.WithBundle(&bundle.RekorBundle{
			SignedEntryTimestamp: e.InclusionPromise.SignedEntryTimestamp,
			Payload: bundle.RekorPayload{
				Body:           base64.StdEncoding.EncodeToString(e.CanonicalizedBody),
				IntegratedTime: e.IntegratedTime,
				LogIndex:       e.LogIndex,
				LogID:          hex.EncodeToString(e.LogId.KeyId),
			},
		}))
	}
	if s.timestamp != nil {
		opts = append(opts, static.WithRFC3161Timestamp(&bundle.RFC3161Timestamp{SignedRFC3161Timestamp: s.timestamp}))
	}
	layer, err := static.NewSignature(payload, base64.StdEncoding.EncodeToString(s.signature), opts...)
	if err != nil {
		return nil, err
	}
	return layer.Annotations()
}
