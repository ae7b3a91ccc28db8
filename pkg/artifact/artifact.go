// Package artifact is what a reference leads to in a registry, and the rules by which consumers take
// a layer from it. It is pure.
package artifact

import "github.com/chartgate/chartgate/pkg/chart"

// Helm's media types (https://helm.sh/docs/topics/registries/, and helm's pkg/registry/constants.go).
const (
	MediaTypeConfig = "application/vnd.cncf.helm.config.v1+json"
	MediaTypeLayer  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	// MediaTypeLegacyLayer is what helm 3.0 to 3.6 wrote, and what every helm still pulls.
	MediaTypeLegacyLayer = "application/tar+gzip"
)

// Resolved is a chart in a registry: its content is fixed. Only package registry makes one, from
// manifests whose bytes have the digests. It is comparable.
type Resolved struct {
	Location chart.Location
	// Mirror is where the chart was looked up in place of Location; zero if at Location itself.
	Mirror chart.Location
	// Tag is the one that was looked up, which a range chose or the reference names; "" by digest.
	Tag string
	// Digest is that of the manifest, or the image index, that the reference names: what is signed.
	Digest chart.Digest
	// Layer is the digest of the chart's archive, the only one below Digest: what Flux shows as the
	// artifact. LayerType is its media type.
	Layer     chart.Digest
	LayerType string
	// Direct is set where go-containerregistry, and so Flux's OCIRepository, gets to the manifest
	// that holds the layer: it is the one named, or the first for linux/amd64 in an index.
	Direct bool
	// First is set where the layer is the first one of its manifest.
	First bool
	// Other is set where this is not a chart, or not one of which the consumer takes the chart's
	// layer. Layer is then what the consumer takes, zero if that is not one layer.
	Other bool
	// Index is set where Digest is that of an image index.
	Index bool
	// Alone is set where Digest is that of a manifest, and nothing below it but the layer has a media
	// type that Argo CD unpacks.
	Alone bool
}

// name returns the chart for people, by tag and digest.
func (r Resolved) name() string {
	name := r.Location.String()
	if r.Tag != "" {
		name += ":" + r.Tag
	}
	return name + "@" + r.Digest.String()
}
