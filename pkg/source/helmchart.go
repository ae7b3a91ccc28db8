package source

import (
	"context"
	"fmt"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

type helmChart struct {
	Spec struct {
		Suspend   bool                                   `json:"suspend"`
		Chart     string                                 `json:"chart"`
		Version   string                                 `json:"version"`
		SourceRef sourcev1.LocalHelmChartSourceReference `json:"sourceRef"`
	} `json:"spec"`
}

func helmChartClaims(o Object) ([]claim, error) {
	var obj helmChart
	if err := decode(o, &obj); err != nil {
		return nil, err
	}
	if obj.Spec.Suspend {
		return nil, nil
	}
	return []claim{obj.claim(o)}, nil
}

// readHelmChart reads a HelmChart that something refers to. That it is suspended
// changes nothing: it keeps serving what it pulled.
func readHelmChart(o Object) (chartClaim, error) {
	var obj helmChart
	if err := decode(o, &obj); err != nil {
		return chartClaim{}, err
	}
	return obj.claim(o), nil
}

func (c helmChart) claim(o Object) chartClaim {
	return chartClaim{
		field:      "spec",
		sourceKind: c.Spec.SourceRef.Kind,
		namespace:  o.Namespace,
		name:       c.Spec.SourceRef.Name,
		chart:      c.Spec.Chart,
		version:    c.Spec.Version,
	}
}

// chartClaim is a chart by name and version in a source object: spec of a
// HelmChart, spec.chart.spec of a HelmRelease.
type chartClaim struct {
	field                       string
	sourceKind, namespace, name string
	chart, version              string
}

func (c chartClaim) use(ctx context.Context, e *Extractor) Use {
	reference, err := c.reference(ctx, e)
	return Use{Field: c.field, Reference: reference, Problem: err}
}

func (c chartClaim) reference(ctx context.Context, e *Extractor) (chart.Reference, error) {
	switch c.sourceKind {
	case sourcev1.HelmRepositoryKind:
	case sourcev1.GitRepositoryKind, sourcev1.BucketKind:
		return chart.Reference{}, &chart.Problem{
			Kind:   chart.KindNotOCI,
			Detail: fmt.Sprintf("chart %s comes from %s %s/%s, where it cannot carry a signature", chart.Quote(c.chart), c.sourceKind, c.namespace, c.name),
			Next:   "push the chart to an OCI registry, sign it there, and refer to it through a HelmRepository of type oci or an OCIRepository",
		}
	default:
		return chart.Reference{}, &chart.Problem{Kind: chart.KindUnsupported, Detail: fmt.Sprintf("%s.sourceRef.kind %s is unknown", c.field, chart.Quote(c.sourceKind))}
	}
	object, err := e.one(ctx, fluxSource(c.sourceKind, c.namespace, c.name))
	if err != nil {
		return chart.Reference{}, err
	}
	repository, err := readHelmRepository(object)
	if err != nil {
		return chart.Reference{}, err
	}
	return c.in(repository, e)
}

// in returns the chart as Flux finds it: in an OCI repository at the URL and the
// name, in a classic one at the URL by an index.
func (c chartClaim) in(repository repositoryClaim, e *Extractor) (chart.Reference, error) {
	base, err := repository.location(e)
	if err != nil {
		return chart.Reference{}, err
	}
	location, err := base.Join(c.chart)
	if err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseFluxVersion(c.version)
	if err != nil {
		return chart.Reference{}, err
	}
	return chart.Reference{Location: location, Selector: selector}, nil
}
