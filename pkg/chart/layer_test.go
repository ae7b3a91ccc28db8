package chart_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestTaken: what a consumer takes from an artifact must be the chart that was verified.
func TestTaken(t *testing.T) {
	t.Parallel()
	const other = "application/vnd.docker.dhi.sbom.v1.tar+gzip"
	helm, first, content := chart.Taking{}, chart.TakeLayer(""), chart.TakeContent()
	ofType := chart.TakeLayer(chart.MediaTypeLayer)
	alone := chart.Resolved{LayerType: chart.MediaTypeLayer, Direct: true, First: true, Alone: true}
	older := chart.Resolved{LayerType: chart.MediaTypeLegacyLayer, Direct: true, First: true, Alone: true}
	second := chart.Resolved{LayerType: chart.MediaTypeLayer, Direct: true}
	before := chart.Resolved{LayerType: chart.MediaTypeLayer, Direct: true, First: true}
	index := chart.Resolved{LayerType: chart.MediaTypeLayer, First: true}
	for _, tc := range []struct {
		sentence string
		resolved chart.Resolved
		by       chart.Taking
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
		{"Flux with a layerSelector for the older media type takes the chart", older, chart.TakeLayer(chart.MediaTypeLegacyLayer), true},
		{"Flux with a layerSelector for SBOMs takes the SBOM", second, chart.TakeLayer(other), false},
		{"Argo CD takes a chart alone", alone, content, true},
		{"Argo CD takes no chart beside another archive", before, content, false},
		{"Argo CD takes no chart from an index", chart.Resolved{LayerType: chart.MediaTypeLayer, Index: true}, content, false},
		{"what nobody resolved is taken by helm only", chart.Resolved{}, first, false},
		{"what nobody resolved has no layer of a type", chart.Resolved{}, ofType, false},
		{"what nobody resolved is not alone", chart.Resolved{}, content, false},
	} {
		err := tc.resolved.Taken(tc.by)
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
