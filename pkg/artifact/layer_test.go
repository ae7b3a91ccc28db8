package artifact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestCheckLayer: what a consumer takes from an artifact must be the chart that was verified.
func TestCheckLayer(t *testing.T) {
	t.Parallel()
	const other = "application/vnd.docker.dhi.sbom.v1.tar+gzip"
	helm, first, content := artifact.LayerRule{}, artifact.LayerOfType(""), artifact.WholeContent()
	ofType := artifact.LayerOfType(artifact.MediaTypeLayer)
	alone := artifact.Resolved{LayerType: artifact.MediaTypeLayer, Direct: true, First: true, Alone: true}
	older := artifact.Resolved{LayerType: artifact.MediaTypeLegacyLayer, Direct: true, First: true, Alone: true}
	second := artifact.Resolved{LayerType: artifact.MediaTypeLayer, Direct: true}
	before := artifact.Resolved{LayerType: artifact.MediaTypeLayer, Direct: true, First: true}
	index := artifact.Resolved{LayerType: artifact.MediaTypeLayer, First: true}
	for _, tc := range []struct {
		sentence string
		resolved artifact.Resolved
		by       artifact.LayerRule
		want     bool
	}{
		{"helm takes a chart alone", alone, helm, true},
		{"helm takes the chart behind an SBOM", second, helm, true},
		{"helm takes a chart from an index", index, helm, true},
		{"Flux without a layerSelector takes a chart alone", alone, first, true},
		{"Flux without a layerSelector takes the SBOM before the chart", second, first, false},
		{"Flux without a layerSelector takes the chart before an SBOM", before, first, true},
		{"Flux without a layerSelector takes something else from an index", index, first, false},
		{"Flux with a layerSelector takes the chart", alone, ofType, true},
		{"Flux with a layerSelector takes the chart behind an SBOM", second, ofType, true},
		{"Flux with a layerSelector takes something else from an index", index, ofType, false},
		{"Flux with a layerSelector takes nothing of helm's older media type", older, ofType, false},
		{"Flux with a layerSelector for the older media type takes the chart", older, artifact.LayerOfType(artifact.MediaTypeLegacyLayer), true},
		{"Flux with a layerSelector for SBOMs takes the SBOM", second, artifact.LayerOfType(other), false},
		{"Argo CD takes a chart alone", alone, content, true},
		{"Argo CD takes no chart beside another archive", before, content, false},
		{"Argo CD takes no chart from an index", artifact.Resolved{LayerType: artifact.MediaTypeLayer, Index: true}, content, false},
		{"what nobody resolved is taken by helm only", artifact.Resolved{}, first, false},
		{"what nobody resolved has no layer of a type", artifact.Resolved{}, ofType, false},
		{"what nobody resolved is not alone", artifact.Resolved{}, content, false},
	} {
		err := tc.resolved.CheckLayer(tc.by)
		if (err == nil) != tc.want {
			t.Errorf("%s: %v", tc.sentence, err)
		}
		if says := map[bool]string{true: "lies behind an image index", false: "has more archives"}[tc.resolved.Index]; err != nil && tc.by == content && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", tc.sentence, err)
		}
		var perr *problem.Error
		if err != nil && (!errors.As(err, &perr) || perr.Kind != problem.KindNotAChart || perr.Detail == "" || perr.Next == "") {
			t.Errorf("%s: %#v", tc.sentence, err)
		}
	}
}
