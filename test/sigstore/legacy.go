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
	annotations, err = sig.annotations(payload, base64.StdEncoding.EncodeToString(sig.signature), o.issuer.fulcio)
	return payload, annotations, err
}

// LegacyAttestation is an attestation in cosign 2's form: the envelope around a signed statement about the subject, a
// manifest digest "sha256:…", and the annotations of its layer. The predicate is as for Bundle.
func (s *Sigstore) LegacyAttestation(by Signer, subject, predicateType string, predicate any, opts ...Option) (envelope []byte, annotations map[string]string, err error) {
	o := s.options(opts)
	payload, err := newStatement(subject, predicateType, predicate)
	if err != nil {
		return nil, nil, err
	}
	payload = o.rewrite(payload)
	var what content = legacyStatement{payload}
	if o.intotoEntry {
		what = intotoStatement{legacyStatement{payload}}
	}
	sig, err := s.sign(by, what, o)
	if err != nil {
		return nil, nil, err
	}
	if envelope, err = statement(o.tamper(payload)).envelope(sig.signature); err != nil {
		return nil, nil, err
	}
	annotations, err = sig.annotations(envelope, "", o.issuer.fulcio, static.WithAnnotations(map[string]string{"predicateType": predicateType}))
	return envelope, annotations, err
}

// annotations are written by cosign's own code.
func (s *signed) annotations(payload []byte, signature string, issuer *authority, opts ...static.Option) (map[string]string, error) {
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
	layer, err := static.NewSignature(payload, signature, opts...)
	if err != nil {
		return nil, err
	}
	return layer.Annotations()
}
