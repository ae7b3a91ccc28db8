package chart

import (
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Helm's media types (https://helm.sh/docs/topics/registries/, and helm's
// pkg/registry/constants.go).
const (
	MediaTypeConfig = "application/vnd.cncf.helm.config.v1+json"
	MediaTypeLayer  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	// MediaTypeLegacyLayer is what helm 3.0 to 3.6 wrote, and what every helm still pulls.
	MediaTypeLegacyLayer = "application/tar+gzip"
)

// IsChartLayer reports whether helm takes a layer of this media type for the chart's archive.
func IsChartLayer(mediaType string) bool {
	return slices.Contains([]string{MediaTypeLayer, MediaTypeLegacyLayer}, mediaType)
}

// Taking is the rule by which a consumer takes one layer of an artifact. It is comparable. The
// zero value is helm's: the layer with a chart's media type, wherever it is (Flux's HelmChart, Argo
// CD's Helm-OCI, helm itself).
type Taking struct {
	rule      takingRule
	mediaType string
}

type takingRule int

const (
	takesChart takingRule = iota
	takesFirst
	takesType
	takesContent
)

// TakeLayer is the rule of Flux's OCIRepository with this layerSelector.mediaType: the first layer
// that has it, and without one ("") the first layer of all (selectLayer of source-controller 1.9).
func TakeLayer(mediaType string) Taking {
	if mediaType == "" {
		return Taking{rule: takesFirst}
	}
	return Taking{rule: takesType, mediaType: mediaType}
}

// TakeContent is the rule of Argo CD's native sources (oci://): exactly one layer of the manifest
// must have a media type of archives, and every archive below the manifest is unpacked, into one
// folder (Extract and Push in util/oci/client.go of Argo CD 3.2).
func TakeContent() Taking { return Taking{rule: takesContent} }

// Anything reports whether the consumer deploys what it takes whatever that is, a chart or not:
// Argo CD looks into the folder that it has unpacked (Discover in util/app/discovery of Argo CD
// 3.2).
func (t Taking) Anything() bool { return t.rule == takesContent }

// Layer returns which of a manifest's layers, by their media types, the consumer takes as one
// archive; -1 if it takes no layer or several, or if it takes charts only.
func (t Taking) Layer(mediaTypes []string) int {
	switch {
	case t.rule == takesFirst && len(mediaTypes) > 0:
		return 0
	case t.rule == takesType:
		return slices.Index(mediaTypes, t.mediaType)
	default:
		return -1
	}
}

// Taken returns nil if a consumer with this rule deploys the chart's own layer from r, and
// otherwise why not. What it deploys instead is not what helm calls the chart.
func (r Resolved) Taken(by Taking) error {
	perr := &problem.Error{Kind: problem.KindNotAChart}
	switch {
	case r.Other:
		perr.Detail = r.name() + " is not a Helm chart"
		perr.Next = "push the chart with helm push, or correct the reference"
	case by.rule == takesChart:
		return nil
	case by.rule == takesFirst && r.Direct && r.First:
		return nil
	case by.rule == takesType && r.Direct && by.mediaType == r.LayerType:
		return nil
	case by.rule == takesContent && r.Alone:
		return nil
	case by.rule == takesContent:
		perr.Detail = r.name() + " has more archives than the chart, which Argo CD's oci:// sources unpack together with it"
		if r.Index {
			perr.Detail = r.name() + " lies behind an image index, which Argo CD's oci:// sources do not take"
		}
		perr.Next = "use a Helm source: repoURL without oci://, and chart"
	case !r.Direct:
		perr.Detail = r.name() + " lies behind an image index from which Flux's OCIRepository takes another manifest"
		perr.Next = "use a HelmRepository of type oci, or name the digest of the chart's own manifest"
	case by.rule == takesFirst:
		perr.Detail = r.name() + " has the chart in another layer than the first one, which is what Flux takes without a layerSelector"
		perr.Next = "set spec.layerSelector.mediaType of the OCIRepository to " + r.LayerType
	default:
		perr.Detail = r.name() + " has the chart in a layer of the media type " + Quote(r.LayerType) + ", and spec.layerSelector takes " + Quote(by.mediaType)
		perr.Next = "set spec.layerSelector.mediaType of the OCIRepository to " + r.LayerType
	}
	return perr
}
