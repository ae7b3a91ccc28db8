package registry

import (
	"encoding/json"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

// mediaTypeProvenance is the layer in which helm push --sign keeps the chart's
// provenance file.
const mediaTypeProvenance = "application/vnd.cncf.helm.chart.provenance.v1.prov"

type manifest struct {
	ocispec.Manifest
	Manifests json.RawMessage `json:"manifests"` // an index's; here only to be refused
}

// decodeManifest reads an image manifest. Its media type must be one of those
// given, in the header and in the manifest, and it must not look like an index
// too: CVE-2021-41190 is about content that is either, as the client likes.
func decodeManifest(a answer, mediaTypes ...string) (manifest, error) {
	if !slices.Contains(mediaTypes, a.mediaType) {
		return manifest{}, fault{chart.KindNotAChart, "its media type is " + chart.Quote(a.mediaType)}
	}
	if err := checkJSON(a.body, chart.KindNotAChart); err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(a.body, &m); err != nil {
		return manifest{}, fault{chart.KindNotAChart, "its manifest does not have the form of a manifest"}
	}
	switch {
	case m.MediaType != "" && m.MediaType != a.mediaType:
		return manifest{}, fault{chart.KindNotAChart, "its media type is both " + chart.Quote(a.mediaType) + " and " + chart.Quote(m.MediaType)}
	case m.SchemaVersion != 2:
		return manifest{}, fault{chart.KindNotAChart, "its manifest does not have the schema version 2"}
	case m.Manifests != nil:
		return manifest{}, fault{chart.KindNotAChart, "its manifest lists manifests as an index does"}
	}
	return m, nil
}

// chartLayer returns the digest of the one chart archive in a chart's manifest.
func chartLayer(a answer) (chart.Digest, error) {
	m, err := decodeManifest(a, mediaTypeManifest)
	if err != nil {
		return chart.Digest{}, err
	}
	if m.Config.MediaType != chart.MediaTypeConfig {
		return chart.Digest{}, fault{chart.KindNotAChart, "its config has the media type " + chart.Quote(m.Config.MediaType)}
	}
	var archives, provenances []ocispec.Descriptor
	for _, layer := range m.Layers {
		switch layer.MediaType {
		case chart.MediaTypeLayer:
			archives = append(archives, layer)
		case mediaTypeProvenance:
			provenances = append(provenances, layer)
		default:
			return chart.Digest{}, fault{chart.KindNotAChart, "it has a layer of the media type " + chart.Quote(layer.MediaType)}
		}
	}
	if len(archives) != 1 || len(provenances) > 1 {
		return chart.Digest{}, fault{chart.KindNotAChart, "it does not have exactly one chart archive"}
	}
	layer, err := chart.ParseDigest(archives[0].Digest.String())
	if err != nil {
		return chart.Digest{}, fault{chart.KindNotAChart, "its layer has the digest " + chart.Quote(archives[0].Digest.String())}
	}
	return layer, nil
}
