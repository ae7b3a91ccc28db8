package source

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

type helmChart struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Suspend   bool                                   `json:"suspend"`
		Chart     string                                 `json:"chart"`
		Version   string                                 `json:"version"`
		SourceRef sourcev1.LocalHelmChartSourceReference `json:"sourceRef"`
		repackaging
	} `json:"spec"`
	Status struct {
		Artifact *artifactStatus `json:"artifact"`
	} `json:"status"`
}

// repackaging are the fields that make source-controller build an archive of its own.
type repackaging struct {
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	ValuesFile  string   `json:"valuesFile,omitempty"` // v1beta1 and v1beta2
}

// changesValues reports whether source-controller makes an archive of its own, whose digest
// differs at every build. The chart's own values.yaml alone leaves the archive as it is
// (BuildOptions.GetValuesFiles, v1.9).
func (r repackaging) changesValues() bool {
	if r.ValuesFile != "" || len(r.ValuesFiles) != 1 {
		return r.ValuesFile != "" || len(r.ValuesFiles) > 0
	}
	return path.Clean(r.ValuesFiles[0]) != "values.yaml"
}

func (e *Extractor) helmChartClaims(w Write) ([]claim, error) {
	var obj helmChart
	if err := decode(w.Object, &obj); err != nil {
		return nil, err
	}
	if obj.Spec.Suspend {
		return nil, nil
	}
	c := obj.claim(w.Namespace)
	c.repackaged = e.options.DenyRepackaged && obj.Spec.changesValues()
	return []claim{c}, nil
}

func (c helmChart) claim(namespace string) chartClaim {
	return chartClaim{
		field:      "spec",
		sourceKind: c.Spec.SourceRef.Kind,
		namespace:  namespace,
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
	// repackaged is set where the admin does not allow what source-controller would make of
	// the chart.
	repackaged bool
}

func (c chartClaim) bare() claim { return c }

func (c chartClaim) use(ctx context.Context, e *Extractor) Use {
	reference, access, err := c.reference(ctx, e)
	return e.deferrable(Use{Field: c.field, Target: Chart{Reference: reference, Access: access}.or(err)})
}

func (c chartClaim) reference(ctx context.Context, e *Extractor) (chart.Reference, sourceauth.Auth, error) {
	if c.repackaged {
		return chart.Reference{}, sourceauth.Auth{}, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("chart %s would be repackaged with valuesFiles, which the cluster's admin does not allow: the archive that "+
				"source-controller makes cannot be compared with what was signed", chart.Quote(c.chart)),
			Next: "remove valuesFiles, and put these values into spec.values or spec.valuesFrom of the HelmRelease",
		}
	}
	switch c.sourceKind {
	case sourcev1.HelmRepositoryKind:
	case sourcev1.GitRepositoryKind, sourcev1.BucketKind:
		return chart.Reference{}, sourceauth.Auth{}, &problem.Error{
			Kind:   problem.KindNotOCI,
			Detail: fmt.Sprintf("chart %s comes from %s %s/%s, where it cannot carry a signature", chart.Quote(c.chart), c.sourceKind, c.namespace, c.name),
			Next:   "push the chart to an OCI registry, sign it there, and refer to it through a HelmRepository of type oci or an OCIRepository",
		}
	default:
		return chart.Reference{}, sourceauth.Auth{}, &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s.sourceRef.kind %s is unknown", c.field, chart.Quote(c.sourceKind)),
			Next:   "refer to a HelmRepository of type oci; a HelmRelease can take its chart from an OCIRepository by spec.chartRef",
		}
	}
	object, err := e.one(ctx, fluxSource(c.sourceKind, c.namespace, c.name))
	if err != nil {
		return chart.Reference{}, sourceauth.Auth{}, err
	}
	repository, err := readHelmRepository(object)
	if err != nil {
		return chart.Reference{}, sourceauth.Auth{}, err
	}
	reference, err := c.in(repository, e)
	return reference, stored(repository.access, reference.Location), err
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

// helmChartStatusClaims reads the artifact that a status write sets. That the
// HelmChart is suspended does not matter: consumers use what is there.
func (e *Extractor) helmChartStatusClaims(w Write) ([]claim, error) {
	var obj helmChart
	if err := decode(w.Object, &obj); err != nil || obj.Status.Artifact == nil {
		return nil, err
	}
	spec := obj.claim(w.Namespace)
	spec.field = "status.artifact"
	spec.repackaged = e.options.DenyRepackaged && obj.Spec.changesValues()
	return []claim{chartArtifactClaim{
		chartClaim:     spec,
		artifactStatus: *obj.Status.Artifact,
		incomparable:   obj.Spec.changesValues(),
		outdated:       obj.Spec.changesValues() && !obj.builtForSpec(),
		byController:   slices.Contains(e.options.ArtifactWriters, w.User),
	}}, nil
}

// chartArtifactClaim is status.artifact of a HelmChart.
type chartArtifactClaim struct {
	chartClaim
	artifactStatus
	incomparable, byController bool
	// outdated is set for an archive that was built for another spec than the present one.
	outdated bool
}

// builtForSpec reports whether a repackaged artifact was made of the spec as it is now:
// source-controller puts the generation of the HelmChart behind the version
// (buildFromHelmRepository, v1.9). Without this, a spec could name an unsigned chart while the
// archive is built, and a signed one when it is judged.
func (c helmChart) builtForSpec() bool {
	return strings.HasSuffix(c.Status.Artifact.Revision, fmt.Sprintf("+%d", c.Metadata.Generation))
}

func (c chartArtifactClaim) bare() claim { return c }

// use never defers: an artifact is deployable at once, so its source must be known.
func (c chartArtifactClaim) use(ctx context.Context, e *Extractor) Use {
	held, err := c.held()
	if err != nil {
		return Use{Field: c.field, Target: Unresolved{Err: err}}
	}
	reference, access, err := c.reference(ctx, e)
	return Use{Field: c.field, Target: Chart{Reference: reference, Access: access, Artifact: &held}.or(err)}
}

func (c chartArtifactClaim) held() (Artifact, error) {
	archive, err := c.archive()
	return Artifact{Archive: archive, Incomparable: c.incomparable || archive.IsZero(), ByController: c.byController, Outdated: c.outdated}, err
}

// heldByHelmChart follows a HelmChart that a release refers to. Its artifact was checked when it
// was written, by its digest or by its writer; it is compared again because the chart that the
// HelmChart names may have changed since. Without an artifact, the sources that the HelmChart needs
// may not exist yet.
func (e *Extractor) heldByHelmChart(ctx context.Context, object Object) Use {
	var obj helmChart
	if err := decode(object, &obj); err != nil {
		return Use{Target: Unresolved{Err: err}}
	}
	spec := obj.claim(object.Namespace)
	spec.repackaged = e.options.DenyRepackaged && obj.Spec.changesValues()
	reference, access, err := spec.reference(ctx, e)
	found := Chart{Reference: reference, Access: access}
	if obj.Status.Artifact == nil {
		return e.deferrable(Use{Target: found.or(err)})
	}
	claim := chartArtifactClaim{
		artifactStatus: *obj.Status.Artifact, incomparable: obj.Spec.changesValues(),
		outdated: obj.Spec.changesValues() && !obj.builtForSpec(), byController: true,
	}
	held, broken := claim.held()
	held.Source = object.ID
	found.Artifact = &held
	return Use{Target: found.or(cmp.Or(err, broken))}
}
