package source

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/problem"
)

// helmRelease holds the fields that decide which chart is installed. They have the same names and
// meaning in v2beta1, v2beta2 and v2; the API's own types would read, and could fail on, many
// others.
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

// releaseSpecFields reads spec.chart and spec.chartRef, and both if both are set (the schema
// forbids it; older ones did not). A suspended release installs nothing, so it has no gated fields:
// they are all new when it is resumed.
func (e *Extractor) releaseSpecFields(w Write, release, _ *helmRelease) ([]gatedField, error) {
	if release.Spec.Suspend {
		return nil, nil
	}
	var fields []gatedField
	if release.Spec.Chart != nil {
		f := release.chartField(w.Namespace)
		f.repackaged = e.options.DenyRepackaged && release.Spec.Chart.Spec.changesValues()
		fields = append(fields, f)
	}
	if release.Spec.ChartRef != nil {
		fields = append(fields, release.chartRef(w.Namespace))
	}
	return fields, nil
}

// chartField reads spec.chart, which must be set.
func (r helmRelease) chartField(namespace string) chartField {
	spec := r.Spec.Chart.Spec
	return chartField{
		path:       "spec.chart.spec",
		sourceKind: spec.SourceRef.Kind,
		namespace:  cmp.Or(spec.SourceRef.Namespace, namespace),
		name:       spec.SourceRef.Name,
		chart:      spec.Chart,
		version:    spec.Version,
	}
}

// releaseStatusFields reads status.helmChart and the attempt. Where chartRef is unset,
// helm-controller takes its chart from the HelmChart in status.helmChart (internal/controller
// getSource, v1.6), whatever user has written it.
func (e *Extractor) releaseStatusFields(w Write, release, _ *helmRelease) ([]gatedField, error) {
	var fields []gatedField
	if release.Status.HelmChart != "" {
		fields = append(fields, release.helmChartRef(w.Namespace))
	}
	attempts, err := e.attemptFields(w, *release)
	return append(fields, attempts...), err
}

// helmChartRef is the HelmChart in status.helmChart.
func (r helmRelease) helmChartRef(own string) chartRefField {
	namespace, name, _ := strings.Cut(r.Status.HelmChart, "/")
	return chartRefField{path: "status.helmChart", own: own, kind: sourcev1.HelmChartKind, namespace: namespace, name: name}
}

// installsFrom returns the source that helm-controller takes the chart of the release with this ID
// from (getSource, v1.6). It creates the HelmChart of a template again where status.helmChart names
// another one (HelmChartTemplate.Reconcile), so spec decides, and not what an editor may write into
// status in between.
func (r helmRelease) installsFrom(id ID) chartRefField {
	switch {
	case r.Spec.ChartRef != nil:
		return r.chartRef(id.Namespace)
	case r.Spec.Chart != nil:
		return chartRefField{
			path: "spec.chart", own: id.Namespace, kind: sourcev1.HelmChartKind,
			namespace: cmp.Or(r.Spec.Chart.Spec.SourceRef.Namespace, id.Namespace), name: id.Namespace + "-" + id.Name,
		}
	default:
		return r.helmChartRef(id.Namespace)
	}
}

// chartRef is spec.chartRef, which must be set.
func (r helmRelease) chartRef(own string) chartRefField {
	ref := r.Spec.ChartRef
	return chartRefField{path: "spec.chartRef", own: own, kind: ref.Kind, namespace: cmp.Or(ref.Namespace, own), name: ref.Name}
}

// chartRefField is a source object that a HelmRelease takes its chart from: spec.chartRef or
// status.helmChart. own is the namespace of the release.
type chartRefField struct{ path, own, kind, namespace, name string }

func (f chartRefField) key() gatedField { return f }

// use lets the source hold an artifact of an older spec: a release may be written together with its
// source. helm-controller waits until the source is up to date, and then announces what it deploys
// (attemptField).
func (f chartRefField) use(ctx context.Context, e *Extractor) Use {
	use := f.useNow(ctx, e)
	if found, ok := use.Target.(Chart); ok && found.FromElsewhere != nil {
		if found.Artifact != nil {
			held := *found.Artifact
			held.Stale = true
			found.Artifact = &held
		}
		found.FromElsewhere = nil
		use.Target = found
	}
	return use
}

// useNow follows the field to what is deployed if helm-controller acts now.
func (f chartRefField) useNow(ctx context.Context, e *Extractor) Use {
	switch f.kind {
	case sourcev1.OCIRepositoryKind, sourcev1.HelmChartKind:
		use := f.follow(ctx, e)
		use.Field = f.path
		return use
	case sourcev1.ExternalArtifactKind:
		return Use{Field: f.path, Target: Unresolved{Err: &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("ExternalArtifact %s/%s is made by a controller that chartgate does not know, so its chart cannot be verified", f.namespace, f.name),
			Next:   "refer to an OCIRepository",
		}}}
	default:
		return Use{Field: f.path, Target: Unresolved{Err: &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s.kind %s is unknown", f.path, problem.QuoteInput(f.kind)),
			Next:   "refer to an OCIRepository or a HelmChart",
		}}}
	}
}

// follow reads the source. What it has pulled already is deployable the moment that the release
// refers to it, so that is verified; if it has pulled nothing yet, what it is going to pull.
func (f chartRefField) follow(ctx context.Context, e *Extractor) Use {
	// In another namespace, a HelmRelease could otherwise declare another team's future manifests
	// to be a chart, and have them denied.
	mayWait := e.deferrable
	if f.kind == sourcev1.OCIRepositoryKind && f.namespace != f.own {
		mayWait = func(use Use) Use { return use }
	}
	object, err := e.getOne(ctx, fluxSource(f.kind, f.namespace, f.name))
	if err != nil {
		return mayWait(Use{Target: Unresolved{Err: err}})
	}
	if f.kind == sourcev1.HelmChartKind {
		return e.heldByHelmChart(ctx, object)
	}
	use := e.heldByOCIRepository(object)
	if found, ok := use.Target.(Chart); ok && found.Artifact == nil {
		return mayWait(use) // what it needs may not exist yet, and nothing is pulled without it
	}
	return use
}
