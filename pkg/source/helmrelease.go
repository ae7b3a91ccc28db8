package source

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

// helmRelease holds the fields that decide which chart is installed. They have
// the same names and meaning in v2beta1, v2beta2 and v2.
type helmRelease struct {
	Spec struct {
		Suspend  bool                                  `json:"suspend"`
		Chart    *helmv2.HelmChartTemplate             `json:"chart"`
		ChartRef *helmv2.CrossNamespaceSourceReference `json:"chartRef"`
	} `json:"spec"`
}

// helmReleaseClaims reads spec.chart and spec.chartRef, and both if both are set
// (the schema forbids it; older ones did not). A suspended release installs
// nothing, so it claims nothing: resuming it claims everything anew.
func helmReleaseClaims(o Object) ([]claim, error) {
	var release helmRelease
	if err := decode(o, &release); err != nil {
		return nil, err
	}
	if release.Spec.Suspend {
		return nil, nil
	}
	var claims []claim
	if template := release.Spec.Chart; template != nil {
		claims = append(claims, chartClaim{
			field:      "spec.chart.spec",
			sourceKind: template.Spec.SourceRef.Kind,
			namespace:  or(template.Spec.SourceRef.Namespace, o.Namespace),
			name:       template.Spec.SourceRef.Name,
			chart:      template.Spec.Chart,
			version:    template.Spec.Version,
		})
	}
	if ref := release.Spec.ChartRef; ref != nil {
		claims = append(claims, chartRefClaim{
			kind:      ref.Kind,
			namespace: or(ref.Namespace, o.Namespace),
			name:      ref.Name,
		})
	}
	return claims, nil
}

// chartRefClaim is spec.chartRef of a HelmRelease.
type chartRefClaim struct{ kind, namespace, name string }

func (c chartRefClaim) use(ctx context.Context, e *Extractor) Use {
	use := Use{Field: "spec.chartRef"}
	switch c.kind {
	case sourcev1.OCIRepositoryKind, sourcev1.HelmChartKind:
		use.Reference, use.Problem = e.referenceOf(ctx, fluxSource(c.kind, c.namespace, c.name))
	case sourcev1.ExternalArtifactKind:
		use.Problem = &chart.Problem{
			Kind:   chart.KindUnsupported,
			Detail: fmt.Sprintf("ExternalArtifact %s/%s is made by a controller that chartgate does not know, so its chart cannot be verified", c.namespace, c.name),
			Next:   "refer to an OCIRepository",
		}
	default:
		use.Problem = &chart.Problem{Kind: chart.KindUnsupported, Detail: fmt.Sprintf("spec.chartRef.kind %s is unknown", chart.Quote(c.kind))}
	}
	return use
}

// referenceOf reads a source object and follows what it says to a chart.
func (e *Extractor) referenceOf(ctx context.Context, id ID) (chart.Reference, error) {
	object, err := e.one(ctx, id)
	if err != nil {
		return chart.Reference{}, err
	}
	if id.Kind == sourcev1.OCIRepositoryKind {
		c, err := readOCIRepository(object)
		if err != nil {
			return chart.Reference{}, err
		}
		return c.reference(e)
	}
	c, err := readHelmChart(object)
	if err != nil {
		return chart.Reference{}, err
	}
	return c.reference(ctx, e)
}

func fluxSource(kind, namespace, name string) ID {
	return ID{Group: sourcev1.GroupVersion.Group, Kind: kind, Namespace: namespace, Name: name}
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}
