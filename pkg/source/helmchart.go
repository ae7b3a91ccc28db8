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
		Artifact   *artifactStatus  `json:"artifact"`
		Conditions storedConditions `json:"conditions"`
		// ObservedRevision is the revision of the source's artifact that the chart was built from.
		ObservedRevision string `json:"observedSourceArtifactRevision"`
	} `json:"status"`
}

// repackaging are the fields that make source-controller build an archive of its own.
type repackaging struct {
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	ValuesFile  string   `json:"valuesFile,omitempty"` // v1beta1 and v1beta2
}

// changesValues reports whether source-controller makes an archive of its own, whose digest differs
// at every build. The chart's own values.yaml alone leaves the archive as it is
// (BuildOptions.GetValuesFiles, v1.9).
func (r repackaging) changesValues() bool {
	if r.ValuesFile != "" || len(r.ValuesFiles) != 1 {
		return r.ValuesFile != "" || len(r.ValuesFiles) > 0
	}
	return path.Clean(r.ValuesFiles[0]) != "values.yaml"
}

func (e *Extractor) helmChartSpecFields(w Write, obj, _ *helmChart) ([]gatedField, error) {
	if obj.Spec.Suspend {
		return nil, nil
	}
	return []gatedField{e.chartFieldOf(*obj, "spec", w.Namespace)}, nil
}

// chartFieldOf reads spec; the field is at path.
func (e *Extractor) chartFieldOf(obj helmChart, path, namespace string) chartField {
	return chartField{
		path:       path,
		sourceKind: obj.Spec.SourceRef.Kind,
		namespace:  namespace,
		name:       obj.Spec.SourceRef.Name,
		chart:      obj.Spec.Chart,
		version:    obj.Spec.Version,
		repackaged: e.options.DenyRepackaged && obj.Spec.changesValues(),
	}
}

// chartField is a chart by name and version in a source object: spec of a HelmChart,
// spec.chart.spec of a HelmRelease.
type chartField struct {
	path                        string
	sourceKind, namespace, name string
	chart, version              string
	// repackaged is set where the admin does not allow the archive that source-controller would
	// make of the chart.
	repackaged bool
}

func (f chartField) key() gatedField { return f }

func (f chartField) use(ctx context.Context, e *Extractor) Use {
	found, err := f.resolve(ctx, e)
	return e.deferrable(Use{Field: f.path, Target: found.unless(err)})
}

// resolve follows the field to its HelmRepository, GitRepository or Bucket.
func (f chartField) resolve(ctx context.Context, e *Extractor) (Chart, error) {
	object, err := f.sourceObject(ctx, e)
	if err != nil {
		return Chart{}, err
	}
	return f.chartIn(object, e)
}

// sourceObject reads the source that the field names.
func (f chartField) sourceObject(ctx context.Context, e *Extractor) (Object, error) {
	if f.repackaged {
		return Object{}, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("chart %s would be repackaged with valuesFiles, which the cluster's admin does not allow: the archive that "+
				"source-controller makes cannot be compared with what was signed", problem.QuoteInput(f.chart)),
			Next: "remove valuesFiles, and put these values into spec.values or spec.valuesFrom of the HelmRelease",
		}
	}
	switch f.sourceKind {
	case sourcev1.HelmRepositoryKind, sourcev1.GitRepositoryKind, sourcev1.BucketKind:
		return e.getOne(ctx, fluxSource(f.sourceKind, f.namespace, f.name))
	default:
		return Object{}, &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s.sourceRef.kind %s is unknown", f.path, problem.QuoteInput(f.sourceKind)),
			Next:   "refer to a HelmRepository of type oci; a HelmRelease can take its chart from an OCIRepository by spec.chartRef",
		}
	}
}

// chartIn returns the chart in the source, as it was read.
func (f chartField) chartIn(object Object, e *Extractor) (Chart, error) {
	if f.inTree() {
		return f.treeChart(object, e)
	}
	repository, err := readHelmRepository(object)
	if err != nil {
		return Chart{}, err
	}
	reference, err := f.in(repository, e)
	return Chart{Reference: reference, Auth: withStoredHost(repository.auth, reference.Location)}, err
}

// in returns the chart as Flux finds it: in an OCI repository at the URL and the name, in a classic
// one at the URL by an index.
func (f chartField) in(repository repositoryField, e *Extractor) (chart.Reference, error) {
	base, err := repository.location(e)
	if err != nil {
		return chart.Reference{}, err
	}
	location, err := base.Join(f.chart)
	if err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseFluxVersion(f.version)
	if err != nil {
		return chart.Reference{}, err
	}
	return chart.Reference{Location: location, Selector: selector}, nil
}

// helmChartStatusFields reads the artifact that a status write sets. It does not matter that the
// HelmChart is suspended: consumers use what is there.
func (e *Extractor) helmChartStatusFields(w Write, obj, _ *helmChart) ([]gatedField, error) {
	fields, err := e.storageFields(w, obj.Status.Conditions)
	if obj.Status.Artifact == nil {
		return fields, err
	}
	byController := slices.Contains(e.options.ArtifactWriters, w.User)
	return append(fields, e.chartArtifactOf(*obj, w.Namespace, byController)), err
}

// chartArtifactOf reads status.artifact, which must be set.
func (e *Extractor) chartArtifactOf(obj helmChart, namespace string, byController bool) chartArtifactField {
	field := e.chartFieldOf(obj, "status.artifact", namespace)
	return chartArtifactField{
		chartField:     field,
		artifactStatus: *obj.Status.Artifact,
		incomparable:   obj.Spec.changesValues() || field.inTree(),
		outdated:       obj.Spec.changesValues() && !obj.builtForSpec(),
		byController:   byController,
		sourceRevision: obj.Status.ObservedRevision,
	}
}

// chartArtifactField is status.artifact of a HelmChart.
type chartArtifactField struct {
	chartField
	artifactStatus
	incomparable, byController bool
	// outdated is set for an archive that was built for another spec than the present one.
	outdated bool
	// sourceRevision is the revision of the source's artifact that the chart was built from.
	sourceRevision string
}

// builtForSpec reports whether a repackaged artifact was made of the spec as it is now:
// source-controller puts the generation of the HelmChart behind the version
// (buildFromHelmRepository, v1.9). Without this, a spec could name an unsigned chart while the
// archive is built, and a signed one when it is examined.
func (c helmChart) builtForSpec() bool {
	return strings.HasSuffix(c.Status.Artifact.Revision, fmt.Sprintf("+%d", c.Metadata.Generation))
}

// key leaves out the revision: source-controller observes new ones without building the chart again.
func (f chartArtifactField) key() gatedField {
	f.sourceRevision = ""
	return f
}

// use never defers: an artifact is deployable at once, so its source must be known.
func (f chartArtifactField) use(ctx context.Context, e *Extractor) Use {
	held, err := f.held()
	if err != nil {
		return Use{Field: f.path, Target: Unresolved{Err: err}}
	}
	object, err := f.sourceObject(ctx, e)
	if err != nil {
		return Use{Field: f.path, Target: Unresolved{Err: err}}
	}
	found, err := f.chartIn(object, e)
	found.Artifact = &held
	if err == nil && !found.Reference.Location.IsOCI() {
		found.FromElsewhere = f.checkPulled(object)
	}
	return Use{Field: f.path, Target: found.unless(err)}
}

func (f chartArtifactField) held() (Artifact, error) {
	archive, err := f.archive()
	return Artifact{Archive: archive, Incomparable: f.incomparable || archive.IsZero(), ByController: f.byController, Outdated: f.outdated}, err
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
	found, err := e.chartFieldOf(obj, "spec", object.Namespace).resolve(ctx, e)
	if obj.Status.Artifact == nil {
		return e.deferrable(Use{Target: found.unless(err)})
	}
	held, broken := e.chartArtifactOf(obj, object.Namespace, true).held()
	held.Source = object.ID
	found.Artifact = &held
	if !obj.Status.Conditions.storedFor(obj.Metadata.Generation) {
		found.FromElsewhere = outOfDate(object.ID)
	}
	return Use{Target: found.unless(cmp.Or(err, broken))}
}
