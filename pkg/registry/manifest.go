package registry

import (
	"encoding/json"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

type manifest struct {
	ocispec.Manifest
	Manifests json.RawMessage `json:"manifests"` // an index's; here only to be refused
}

// decodeManifest reads an image manifest. Its media type must be one of those
// given, in the header and in the manifest, and it must not look like an index
// too: CVE-2021-41190 is about content that is either, as the client likes.
func decodeManifest(a answer, mediaTypes ...string) (manifest, error) {
	if !slices.Contains(mediaTypes, a.mediaType) {
		return manifest{}, fault{problem.KindNotAChart, "its media type is " + chart.Quote(a.mediaType)}
	}
	if err := checkJSON(a.body, problem.KindNotAChart); err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(a.body, &m); err != nil {
		return manifest{}, fault{problem.KindNotAChart, "its manifest does not have the form of a manifest"}
	}
	switch {
	case m.MediaType != "" && m.MediaType != a.mediaType:
		return manifest{}, fault{problem.KindNotAChart, "its media type is both " + chart.Quote(a.mediaType) + " and " + chart.Quote(m.MediaType)}
	case m.SchemaVersion != 2:
		return manifest{}, fault{problem.KindNotAChart, "its manifest does not have the schema version 2"}
	case m.Manifests != nil:
		return manifest{}, fault{problem.KindNotAChart, "its manifest lists manifests as an index does"}
	}
	return m, nil
}
