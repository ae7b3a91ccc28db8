package registry

import (
	"encoding/json"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	legacyMediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	dsseMediaType   = "application/vnd.dsse.envelope.v1+json"
	emptyMediaType  = "application/vnd.oci.empty.v1+json"
)

// AttachBundle makes a bundle, or any bytes in its place, a referrer of the subject, a manifest digest, as
// cosign 3 does. Nil annotations tell the truth about the bundle's content; others may lie.
func (r *Registry) AttachBundle(repo, subject string, bundle []byte, annotations map[string]string) (digest string, err error) {
	return r.AttachBundleIn(repo, repo, subject, bundle, annotations)
}

// AttachBundleIn does the same in another repository, as cosign 3 does with COSIGN_REPOSITORY: the subject is not there.
func (r *Registry) AttachBundleIn(place, repo, subject string, bundle []byte, annotations map[string]string) (digest string, err error) {
	if annotations == nil {
		annotations = bundleAnnotations(bundle)
	}
	m := manifest{
		ArtifactType: bundleMediaType,
		Manifest:     v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: annotations},
	}
	if m.Subject, err = r.describe(repo, subject); err != nil {
		return "", err
	}
	if m.Config, err = r.pushDescriptor(place, emptyMediaType, []byte("{}")); err != nil {
		return "", err
	}
	m.Config.ArtifactType = bundleMediaType
	layer, err := r.pushDescriptor(place, bundleMediaType, bundle)
	if err != nil {
		return "", err
	}
	m.Layers = []v1.Descriptor{layer}
	return r.pushImage(place, "", m)
}

func bundleAnnotations(bundle []byte) map[string]string {
	var b struct {
		DSSEEnvelope *struct {
			Payload []byte `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	if json.Unmarshal(bundle, &b) != nil || b.DSSEEnvelope == nil {
		return map[string]string{"dev.sigstore.bundle.content": "message-signature"}
	}
	var statement struct {
		PredicateType string `json:"predicateType"`
	}
	_ = json.Unmarshal(b.DSSEEnvelope.Payload, &statement)
	return map[string]string{
		"dev.sigstore.bundle.content":       "dsse-envelope",
		"dev.sigstore.bundle.predicateType": statement.PredicateType,
	}
}

func (r *Registry) describe(repo, digest string) (*v1.Descriptor, error) {
	answer := r.do(http.MethodGet, "/v2/"+repo+"/manifests/"+digest, "", nil)
	if answer.Code != http.StatusOK {
		return nil, fmt.Errorf("find subject %s@%s: %s", repo, digest, answer.Body)
	}
	hash, err := v1.NewHash(digest)
	return &v1.Descriptor{
		MediaType: types.MediaType(answer.Header().Get("Content-Type")),
		Size:      int64(answer.Body.Len()),
		Digest:    hash,
	}, err
}

// AttachLegacy appends a signature to the tag sha256-<hex>.sig of the subject, a manifest digest, as cosign 2 does. The
// subject need not be in the repository.
func (r *Registry) AttachLegacy(repo, subject string, payload []byte, annotations map[string]string) error {
	return r.attachLayer(repo, fallbackTag(subject)+".sig", legacyMediaType, payload, annotations)
}

// AttachLegacyAttestation appends a DSSE envelope to the tag sha256-<hex>.att in the same way.
func (r *Registry) AttachLegacyAttestation(repo, subject string, envelope []byte, annotations map[string]string) error {
	return r.attachLayer(repo, fallbackTag(subject)+".att", dsseMediaType, envelope, annotations)
}

func (r *Registry) attachLayer(repo, tag, mediaType string, content []byte, annotations map[string]string) error {
	r.attaching.Lock()
	defer r.attaching.Unlock()
	m := manifest{Manifest: v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}}
	if raw, err := r.Manifest(repo, tag); err == nil {
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("read %s: %w", tag, err)
		}
	}
	layer, err := r.pushDescriptor(repo, mediaType, content)
	if err != nil {
		return err
	}
	layer.Annotations = annotations
	m.Layers = append(m.Layers, layer)
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, l := range m.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if m.Config, err = r.pushDescriptor(repo, string(types.OCIConfigJSON), raw); err != nil {
		return err
	}
	_, err = r.pushImage(repo, tag, m)
	return err
}
