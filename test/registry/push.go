package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/chartgate/chartgate/test/charts"
)

// PushChart stores a chart archive as helm push does, and answers with the digests of its manifest and its layer.
func (r *Registry) PushChart(repo, tag string, archive []byte) (manifestDigest, layerDigest string, err error) {
	config, err := charts.Config(archive)
	if err != nil {
		return "", "", err
	}
	m := manifest{Manifest: v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}}
	if m.Config, err = r.pushDescriptor(repo, charts.ConfigMediaType, config); err != nil {
		return "", "", err
	}
	layer, err := r.pushDescriptor(repo, charts.LayerMediaType, archive)
	if err != nil {
		return "", "", err
	}
	m.Layers = []v1.Descriptor{layer}
	manifestDigest, err = r.pushImage(repo, tag, m)
	return manifestDigest, layer.Digest.String(), err
}

// PushBlob stores a blob.
func (r *Registry) PushBlob(repo string, blob []byte) (digest string, err error) {
	digest = digestOf(blob)
	_, err = r.call(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+url.QueryEscape(digest), "application/octet-stream", blob)
	return digest, err
}

// PushManifest stores a manifest, whatever its content, under a tag; an empty tag stores it by digest only. A
// manifest with a subject is listed among the subject's referrers.
func (r *Registry) PushManifest(repo, tag, mediaType string, raw []byte) (digest string, err error) {
	digest = digestOf(raw)
	target := tag
	if target == "" {
		target = digest
	}
	if _, err = r.call(http.MethodPut, "/v2/"+repo+"/manifests/"+target, mediaType, raw); err != nil {
		return "", err
	}
	var m manifest
	if !r.options.NoReferrers || json.Unmarshal(raw, &m) != nil || m.Subject == nil {
		return digest, nil
	}
	d := v1.Descriptor{MediaType: types.MediaType(mediaType), Size: int64(len(raw)), ArtifactType: m.ArtifactType}
	if d.ArtifactType == "" {
		d.ArtifactType = string(m.Config.MediaType)
	}
	if d.Digest, err = v1.NewHash(digest); err != nil {
		return "", err
	}
	return digest, r.addToFallback(repo, m.Subject.Digest, d)
}

// Tag points a tag, new or old, at a manifest that is there.
func (r *Registry) Tag(repo, tag, digest string) error {
	answer := r.do(http.MethodGet, "/v2/"+repo+"/manifests/"+digest, "", nil)
	if answer.Code != http.StatusOK {
		return fmt.Errorf("tag %s@%s: %s", repo, digest, answer.Body)
	}
	_, err := r.PushManifest(repo, tag, answer.Header().Get("Content-Type"), answer.Body.Bytes())
	return err
}

// Delete removes a tag, or a manifest by its digest.
func (r *Registry) Delete(repo, reference string) error {
	_, err := r.call(http.MethodDelete, "/v2/"+repo+"/manifests/"+reference, "", nil)
	return err
}

// Manifest is the raw manifest under a tag or digest.
func (r *Registry) Manifest(repo, reference string) ([]byte, error) {
	return r.call(http.MethodGet, "/v2/"+repo+"/manifests/"+reference, "", nil)
}

func (r *Registry) pushDescriptor(repo, mediaType string, blob []byte) (v1.Descriptor, error) {
	digest, err := r.PushBlob(repo, blob)
	if err != nil {
		return v1.Descriptor{}, err
	}
	hash, err := v1.NewHash(digest)
	return v1.Descriptor{MediaType: types.MediaType(mediaType), Size: int64(len(blob)), Digest: hash}, err
}

func (r *Registry) pushImage(repo, tag string, m manifest) (digest string, err error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	return r.PushManifest(repo, tag, string(m.MediaType), raw)
}

// do calls the registry's own handler, past the request log, the faults and the credentials.
func (r *Registry) do(method, target, mediaType string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, bytes.NewReader(body))
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	answer := httptest.NewRecorder()
	if strings.Contains(target, "/referrers/") {
		r.backend.ServeHTTP(answer, req)
	} else {
		r.content(answer, req)
	}
	return answer
}

func (r *Registry) call(method, target, mediaType string, body []byte) ([]byte, error) {
	answer := r.do(method, target, mediaType, body)
	if answer.Code >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: %d: %s", method, target, answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	return answer.Body.Bytes(), nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// splitPath takes "/v2/<repo>/<manifests|blobs|referrers|tags>/<reference>" apart. A repository
// may be called "manifests" itself.
func splitPath(path string) (repo, reference string, ok bool) {
	path = strings.TrimPrefix(path, "/v2/")
	end := -1
	for _, kind := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		if at := strings.LastIndex(path, kind); at > end {
			end, repo, reference = at, path[:at], path[at+len(kind):]
		}
	}
	return repo, reference, end >= 0
}
