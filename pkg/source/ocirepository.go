package source

import (
	"context"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

type ociRepository struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		URL           string                     `json:"url"`
		Reference     *sourcev1.OCIRepositoryRef `json:"ref"`
		LayerSelector *sourcev1.OCILayerSelector `json:"layerSelector"`
		Ignore        string                     `json:"ignore"`
		Insecure      bool                       `json:"insecure"`
		Suspend       bool                       `json:"suspend"`
		Provider      string                     `json:"provider"`
		SecretRef     localReference             `json:"secretRef"`
		CertSecretRef localReference             `json:"certSecretRef"`
		ProxyRef      localReference             `json:"proxySecretRef"`
		Account       string                     `json:"serviceAccountName"`
	} `json:"spec"`
	Status struct {
		Artifact   *artifactStatus  `json:"artifact"`
		Conditions storedConditions `json:"conditions"`
	} `json:"status"`
}

func readOCIRepository(o Object) (ociRepository, error) {
	var obj ociRepository
	err := decode(o, &obj)
	return obj, err
}

// ociRepositorySpecFields reads spec. A suspended source pulls nothing, but what it holds may be
// used: that is compared before it is deployed.
func (e *Extractor) ociRepositorySpecFields(w Write, obj, _ *ociRepository) ([]gatedField, error) {
	if obj.Spec.Suspend {
		return nil, nil
	}
	return []gatedField{ociSpecField{obj.field(w.ID)}}, nil
}

func (r ociRepository) field(id ID) ociField {
	f := ociField{path: "spec.ref", id: id, url: r.Spec.URL, insecure: r.Spec.Insecure}
	f.auth = sourceauth.Auth{
		Consumer: sourceauth.Flux, Namespace: id.Namespace, Provider: r.Spec.Provider, ServiceAccount: r.Spec.Account,
		Secret: r.Spec.SecretRef.Name, Certificates: r.Spec.CertSecretRef.Name, Proxy: r.Spec.ProxyRef.Name,
	}
	f.layer = artifact.LayerOfType("")
	if selector := r.Spec.LayerSelector; selector != nil {
		f.ref.ChartLayer = selector.MediaType == artifact.MediaTypeLayer
		f.layer = artifact.LayerOfType(selector.MediaType)
	}
	if ref := r.Spec.Reference; ref != nil {
		f.ref.Digest, f.ref.SemVer, f.ref.SemVerFilter, f.ref.Tag = ref.Digest, ref.SemVer, ref.SemverFilter, ref.Tag
	}
	return f
}

// repackages reports whether source-controller makes an archive of its own: unless it is told to
// copy the layer, it extracts the layer and packs the files again.
func (r ociRepository) repackages() bool {
	return r.Spec.LayerSelector == nil || r.Spec.LayerSelector.Operation != sourcev1.OCILayerCopy
}

// ociField is spec of an OCIRepository.
type ociField struct {
	path     string
	id       ID
	url      string
	ref      chart.FluxRef
	layer    artifact.LayerRule
	insecure bool
	auth     sourceauth.Auth
}

// ociSpecField is what is going to be pulled. Without a Secret that it names, nothing is.
type ociSpecField struct{ ociField }

func (f ociSpecField) key() gatedField {
	f.auth = sourceauth.Auth{}
	return f
}

func (f ociSpecField) use(ctx context.Context, e *Extractor) Use {
	use := e.deferrable(f.ociField.use(ctx, e))
	use.Unstored = true
	return use
}

// use decides by reference whether this is a chart at all, because Flux keeps Kustomizations in
// OCIRepositories as well: it is one if its layer selector asks for Helm's layer or a HelmRelease
// refers to it. Otherwise only the artifact itself can tell.
func (f ociField) use(ctx context.Context, e *Extractor) Use {
	location, err := f.location()
	if err != nil {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	found := Chart{Auth: f.auth, LayerRule: f.layer}
	if found.Auth.StoredHost, err = e.storedHost(ctx, f.id, f.auth, location); err != nil {
		return Use{Field: f.path, Target: Unresolved{Err: err}}
	}
	used, elsewhere, err := f.usedAsChart(ctx, e)
	if err != nil {
		return Use{Field: f.path, Target: Unresolved{Err: err}}
	}
	// How Flux reaches what may be no chart is outside the gate.
	if err := e.checkTransport(location, f.insecure, "spec.insecure"); err != nil && used {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	found.MaybeChart, found.UsedElsewhere = !used, elsewhere && !used
	found.Reference.Location = location
	found.Reference.Selector, err = chart.ParseFluxRef(f.ref)
	return Use{Field: f.path, Target: found.unless(err)}
}

// reference returns the chart that a release finds here.
func (f ociField) reference(e *Extractor) (chart.Reference, error) {
	location, err := f.location()
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, f.insecure, "spec.insecure"); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseFluxRef(f.ref)
	return chart.Reference{Location: location, Selector: selector}, err
}

func (f ociField) location() (chart.Location, error) {
	location, err := chart.ParseChart(f.url)
	if err != nil {
		return chart.Location{}, err
	}
	if !location.IsOCI() {
		return chart.Location{}, problem.Invalid("spec.url %s does not start with oci://", location).WithNext("write spec.url with oci://")
	}
	return location, nil
}

// usedAsChart looks for HelmReleases whose chartRef is this OCIRepository: in its own namespace,
// suspended or not, and in others. Those could declare another team's manifests to be a chart, and have
// them denied where a policy matches. So there they do not count: such a release is denied itself, when
// it is written and when helm-controller is about to deploy what was pulled. But helm-controller may
// load what is stored while no policy matches, and announce it after the source has been changed
// back: an extracted archive is not told by the digest that it announces.
func (f ociField) usedAsChart(ctx context.Context, e *Extractor) (here, elsewhere bool, err error) {
	if f.ref.ChartLayer {
		return true, false, nil
	}
	users, err := e.releasesOf(ctx, f.id)
	for _, user := range users {
		if user.Namespace == f.id.Namespace {
			here = true
			continue
		}
		elsewhere = elsewhere || !suspendedRelease(user)
	}
	return here, elsewhere, err
}

// suspendedRelease reports whether a HelmRelease is suspended: it deploys nothing before it is
// resumed, which is verified.
func suspendedRelease(o Object) bool {
	var release helmRelease
	return decode(o, &release) == nil && release.Spec.Suspend
}

// ociRepositoryStatusFields reads the artifact that a status write sets.
func (e *Extractor) ociRepositoryStatusFields(w Write, obj, _ *ociRepository) ([]gatedField, error) {
	fields, err := e.storageFields(w, obj.Status.Conditions)
	if obj.Status.Artifact == nil {
		return fields, err
	}
	return append(fields, obj.artifact(w.ID, slices.Contains(e.options.ArtifactWriters, w.User))), err
}

// artifact reads status.artifact, which must be set.
func (r ociRepository) artifact(id ID, byController bool) ociArtifactField {
	spec := r.field(id)
	spec.path = "status.artifact"
	manifest, err := r.Status.Artifact.manifest()
	return ociArtifactField{
		ociField: spec, artifactStatus: *r.Status.Artifact, repackaged: r.repackages(), ignore: r.Spec.Ignore, byController: byController,
		outOfDate: err != nil || !r.Status.Conditions.storedFor(r.Metadata.Generation) || !r.Status.Conditions.names(manifest),
	}
}

// ociArtifactField is status.artifact of an OCIRepository.
type ociArtifactField struct {
	ociField
	artifactStatus
	repackaged, byController bool
	ignore                   string
	// outOfDate is set for an artifact that was not pulled for the present spec.
	outOfDate bool
}

// key leaves out whether the artifact is up to date, and what is left out of it: source-controller
// compares it with a new spec without writing it again, and makes another one for other rules.
func (f ociArtifactField) key() gatedField {
	f.auth, f.outOfDate, f.ignore = sourceauth.Auth{}, false, ""
	return f
}

func (f ociArtifactField) use(ctx context.Context, e *Extractor) Use {
	use := f.ociField.use(ctx, e)
	found, ok := use.Target.(Chart)
	if !ok {
		return use
	}
	held, err := f.held()
	found.Artifact, found.FromElsewhere = &held, f.fromElsewhere()
	use.Target = found.unless(err)
	return use
}

// fromElsewhere is why the artifact may have been pulled from another URL; nil if it was not.
func (f ociArtifactField) fromElsewhere() error {
	if !f.outOfDate {
		return nil
	}
	return outOfDate(f.id)
}

func (f ociArtifactField) held() (Artifact, error) {
	manifest, err := f.manifest()
	if err != nil {
		return Artifact{}, err
	}
	archive, err := f.archive()
	return Artifact{Manifest: manifest, Archive: archive, Incomparable: f.repackaged || archive.IsZero(), Extracted: f.repackaged, Ignore: f.ignore, ByController: f.byController}, err
}

// heldByOCIRepository follows an OCIRepository that a release refers to. Its artifact may have been
// written when no release used it as a chart, so the digest that it was pulled by must be verified
// now.
func (e *Extractor) heldByOCIRepository(object Object) Use {
	obj, err := readOCIRepository(object)
	if err != nil {
		return Use{Target: Unresolved{Err: err}}
	}
	spec := obj.field(object.ID)
	reference, err := spec.reference(e)
	found := Chart{Reference: reference, Auth: withStoredHost(spec.auth, reference.Location), LayerRule: spec.layer}
	if err != nil || obj.Status.Artifact == nil {
		return Use{Target: found.unless(err)}
	}
	artifact := obj.artifact(object.ID, true)
	held, err := artifact.held()
	held.Source = object.ID
	found.Artifact, found.FromElsewhere = &held, artifact.fromElsewhere()
	return Use{Target: found.unless(err)}
}
