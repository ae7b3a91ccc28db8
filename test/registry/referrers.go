package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifest is an OCI image manifest with the field that go-containerregistry's type lacks.
type manifest struct {
	v1.Manifest
	ArtifactType string `json:"artifactType,omitempty"`
}

// referrers completes go-containerregistry's answer, which has no annotations, takes the artifact type from the
// config, and comes in random order; here it is the order of pushing. It does not filter, as most registries.
func (r *Registry) referrers(w http.ResponseWriter, req *http.Request) {
	repo, subject, _ := splitPath(req.URL.Path)
	index, err := r.listReferrers(repo, subject)
	if err != nil {
		writeError(w, http.StatusNotFound, "NAME_UNKNOWN", err.Error())
		return
	}
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	_ = json.NewEncoder(w).Encode(index)
}

func (r *Registry) listReferrers(repo, subject string) (*v1.IndexManifest, error) {
	raw, err := r.call(http.MethodGet, "/v2/"+repo+"/referrers/"+subject, "", nil)
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, err
	}
	for i := range index.Manifests {
		d := &index.Manifests[i]
		var m manifest
		if raw, err = r.Manifest(repo, d.Digest.String()); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		d.Annotations = m.Annotations
		if m.ArtifactType != "" {
			d.ArtifactType = m.ArtifactType
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int {
		return r.pushed[a.Digest.String()] - r.pushed[b.Digest.String()]
	})
	return &index, nil
}

// addToFallback adds to the index under the tag sha256-<hex> what the referrers API would have answered. As a
// client does it (cosign, go-containerregistry): sorted by digest, without annotations.
func (r *Registry) addToFallback(repo string, subject v1.Hash, d v1.Descriptor) error {
	r.attaching.Lock()
	defer r.attaching.Unlock()
	tag := fallbackTag(subject.String())
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	if raw, err := r.Manifest(repo, tag); err == nil {
		if err := json.Unmarshal(raw, &index); err != nil {
			return err
		}
	}
	same := func(other v1.Descriptor) bool { return other.Digest == d.Digest }
	if slices.ContainsFunc(index.Manifests, same) {
		return nil
	}
	index.Manifests = append(index.Manifests, d)
	slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Digest.String(), b.Digest.String())
	})
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	_, err = r.PushManifest(repo, tag, string(types.OCIImageIndex), raw)
	return err
}

func fallbackTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }
