package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// helmRelease holds the fields that decide which chart is installed. They have
// the same names and meaning in v2beta1, v2beta2 and v2; the API's own types would
// read, and could fail on, many others.
type helmRelease struct {
	Spec   releaseSpec `json:"spec"`
	Status struct {
		HelmChart string `json:"helmChart"`
		attempt   `json:",inline"`
	} `json:"status"`
}

type releaseSpec struct {
	Suspend  bool             `json:"suspend,omitempty"`
	Chart    *chartTemplate   `json:"chart,omitempty"`
	ChartRef *objectReference `json:"chartRef,omitempty"`
}

type chartTemplate struct {
	Spec struct {
		Chart     string          `json:"chart"`
		Version   string          `json:"version,omitempty"`
		SourceRef objectReference `json:"sourceRef"`
		repackaging
	} `json:"spec"`
}

type objectReference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// helmReleaseClaims reads spec.chart and spec.chartRef, and both if both are set
// (the schema forbids it; older ones did not). A suspended release installs
// nothing, so it claims nothing: resuming it claims everything again.
func (e *Extractor) helmReleaseClaims(w Write) ([]claim, error) {
	var release helmRelease
	if err := decode(w.Object, &release); err != nil {
		return nil, err
	}
	if release.Spec.Suspend {
		return nil, nil
	}
	var claims []claim
	if release.Spec.Chart != nil {
		c := release.chartClaim(w.Namespace)
		c.repackaged = e.options.DenyRepackaged && release.Spec.Chart.Spec.changesValues()
		claims = append(claims, c)
	}
	if release.Spec.ChartRef != nil {
		claims = append(claims, release.chartRef(w.Namespace))
	}
	return claims, nil
}

// chartClaim reads spec.chart, which must be set.
func (r helmRelease) chartClaim(namespace string) chartClaim {
	spec := r.Spec.Chart.Spec
	return chartClaim{
		field:      "spec.chart.spec",
		sourceKind: spec.SourceRef.Kind,
		namespace:  or(spec.SourceRef.Namespace, namespace),
		name:       spec.SourceRef.Name,
		chart:      spec.Chart,
		version:    spec.Version,
	}
}

// helmReleaseStatusClaims reads status.helmChart: where chartRef is unset,
// helm-controller takes its chart from the HelmChart that is named there
// (internal/controller getSource, v1.6), whoever wrote it.
func (e *Extractor) helmReleaseStatusClaims(w Write) ([]claim, error) {
	var release helmRelease
	if err := decode(w.Object, &release); err != nil {
		return nil, err
	}
	var claims []claim
	if release.Status.HelmChart != "" {
		claims = append(claims, release.helmChartRef(w.Namespace))
	}
	attempts, err := e.attemptClaims(w, release)
	return append(claims, attempts...), err
}

// helmChartRef is the HelmChart in status.helmChart.
func (r helmRelease) helmChartRef(own string) chartRefClaim {
	namespace, name, _ := strings.Cut(r.Status.HelmChart, "/")
	return chartRefClaim{field: "status.helmChart", own: own, kind: sourcev1.HelmChartKind, namespace: namespace, name: name}
}

// installsFrom returns the source that helm-controller takes the chart of the release own/name
// from (getSource, v1.6). It makes the HelmChart of a template anew where status.helmChart
// names another one (HelmChartTemplate.Reconcile), so spec decides, and not what an editor may
// write into status in between.
func (r helmRelease) installsFrom(id ID) chartRefClaim {
	switch {
	case r.Spec.ChartRef != nil:
		return r.chartRef(id.Namespace)
	case r.Spec.Chart != nil:
		return chartRefClaim{
			field: "spec.chart", own: id.Namespace, kind: sourcev1.HelmChartKind,
			namespace: or(r.Spec.Chart.Spec.SourceRef.Namespace, id.Namespace), name: id.Namespace + "-" + id.Name,
		}
	default:
		return r.helmChartRef(id.Namespace)
	}
}

// chartRef is spec.chartRef, which must be set.
func (r helmRelease) chartRef(own string) chartRefClaim {
	ref := r.Spec.ChartRef
	return chartRefClaim{field: "spec.chartRef", own: own, kind: ref.Kind, namespace: or(ref.Namespace, own), name: ref.Name}
}

// chartRefClaim is a source object that a HelmRelease takes its chart from:
// spec.chartRef or status.helmChart.
type chartRefClaim struct{ field, own, kind, namespace, name string }

func (c chartRefClaim) bare() claim { return c }

func (c chartRefClaim) use(ctx context.Context, e *Extractor) Use {
	switch c.kind {
	case sourcev1.OCIRepositoryKind, sourcev1.HelmChartKind:
		use := c.follow(ctx, e)
		use.Field = c.field
		return use
	case sourcev1.ExternalArtifactKind:
		return Use{Field: c.field, Target: Unresolved{Err: &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("ExternalArtifact %s/%s is made by a controller that chartgate does not know, so its chart cannot be verified", c.namespace, c.name),
			Next:   "refer to an OCIRepository",
		}}}
	default:
		return Use{Field: c.field, Target: Unresolved{Err: &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s.kind %s is unknown", c.field, chart.Quote(c.kind)),
			Next:   "refer to an OCIRepository or a HelmChart",
		}}}
	}
}

// follow reads the source. What it has pulled already is deployable the moment
// that the release refers to it, so that is verified; if it has pulled nothing
// yet, what it is going to pull.
func (c chartRefClaim) follow(ctx context.Context, e *Extractor) Use {
	// In another namespace, a HelmRelease could otherwise declare another team's future
	// manifests to be a chart, and have them denied.
	mayWait := e.deferrable
	if c.kind == sourcev1.OCIRepositoryKind && c.namespace != c.own {
		mayWait = func(use Use) Use { return use }
	}
	object, err := e.one(ctx, fluxSource(c.kind, c.namespace, c.name))
	if err != nil {
		return mayWait(Use{Target: Unresolved{Err: err}})
	}
	if c.kind == sourcev1.HelmChartKind {
		return e.heldByHelmChart(ctx, object)
	}
	use := e.heldByOCIRepository(object)
	if found, ok := use.Target.(Chart); ok && found.Artifact == nil {
		return mayWait(use) // what it needs may not exist yet, and nothing is pulled without it
	}
	return use
}

// releasesOf returns the HelmReleases that take their chart from an object.
func (e *Extractor) releasesOf(ctx context.Context, id ID) ([]Object, error) {
	found, err := e.reader.Releases(ctx, id)
	switch {
	case ctx.Err() != nil:
		return nil, &problem.Error{Kind: problem.KindTimeout, Detail: "finding the HelmReleases of " + id.String() + " took too long", Err: errors.Join(ctx.Err(), err)}
	case err != nil:
		return nil, &problem.Error{Kind: problem.KindInternal, Detail: "the HelmReleases of " + id.String() + " could not be found", Err: err}
	default:
		return found, nil
	}
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
