package artifact

import (
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
)

// IsChartLayer reports whether helm takes a layer of this media type for the chart's archive.
func IsChartLayer(mediaType string) bool {
	return slices.Contains([]string{MediaTypeLayer, MediaTypeLegacyLayer}, mediaType)
}

// LayerRule is the rule by which a consumer takes one layer of an artifact. It is comparable. The
// zero value is helm's: the layer with a chart's media type, wherever it is (Flux's HelmChart, Argo
// CD's Helm-OCI, helm itself).
type LayerRule struct {
	takes     takes
	mediaType string
}

type takes int

const (
	takesChart takes = iota
	takesFirst
	takesType
	takesContent
)

// LayerOfType is the rule of Flux's OCIRepository with this layerSelector.mediaType: the first layer
// that has it, and without one ("") the first layer of all (selectLayer of source-controller 1.9).
func LayerOfType(mediaType string) LayerRule {
	if mediaType == "" {
		return LayerRule{takes: takesFirst}
	}
	return LayerRule{takes: takesType, mediaType: mediaType}
}

// WholeContent is the rule of Argo CD's native sources (oci://): exactly one layer of the manifest
// must have a media type of archives, and every archive below the manifest is unpacked, into one
// folder (Extract and Push in util/oci/client.go of Argo CD 3.2).
func WholeContent() LayerRule { return LayerRule{takes: takesContent} }

// Anything reports whether the consumer deploys what it takes whatever that is, a chart or not:
// Argo CD looks into the folder that it has unpacked (Discover in util/app/discovery of Argo CD 3.2).
func (r LayerRule) Anything() bool { return r.takes == takesContent }

// Layer returns which of a manifest's layers, by their media types, the consumer takes as one
// archive; -1 if it takes no layer or several, or if it takes charts only.
func (r LayerRule) Layer(mediaTypes []string) int {
	switch {
	case r.takes == takesFirst && len(mediaTypes) > 0:
		return 0
	case r.takes == takesType:
		return slices.Index(mediaTypes, r.mediaType)
	default:
		return -1
	}
}

// CheckLayer returns nil if a consumer with this rule deploys the chart's own layer from r, and
// otherwise why not. What it deploys instead is not what helm calls the chart.
func (r Resolved) CheckLayer(rule LayerRule) error {
	perr := &problem.Error{Kind: problem.KindNotAChart}
	switch {
	case r.Other:
		perr.Detail = r.name() + " is not a Helm chart"
		perr.Next = "push the chart with helm push, or correct the reference"
	case rule.takes == takesChart:
		return nil
	case rule.takes == takesFirst && r.Direct && r.First:
		return nil
	case rule.takes == takesType && r.Direct && rule.mediaType == r.LayerType:
		return nil
	case rule.takes == takesContent && r.Alone:
		return nil
	case rule.takes == takesContent:
		perr.Detail = r.name() + " has more archives than the chart, which Argo CD's oci:// sources unpack together with it"
		if r.Index {
			perr.Detail = r.name() + " lies behind an image index, which Argo CD's oci:// sources do not take"
		}
		perr.Next = "use a Helm source: repoURL without oci://, and chart"
	case !r.Direct:
		perr.Detail = r.name() + " lies behind an image index from which Flux's OCIRepository takes another manifest"
		perr.Next = "use a HelmRepository of type oci, or name the digest of the chart's own manifest"
	case rule.takes == takesFirst:
		perr.Detail = r.name() + " has the chart in another layer than the first one, which is what Flux takes without a layerSelector"
		perr.Next = "set spec.layerSelector.mediaType of the OCIRepository to " + r.LayerType
	default:
		perr.Detail = r.name() + " has the chart in a layer of the media type " + problem.QuoteInput(r.LayerType) + ", and spec.layerSelector takes " + problem.QuoteInput(rule.mediaType)
		perr.Next = "set spec.layerSelector.mediaType of the OCIRepository to " + r.LayerType
	}
	return perr
}
