package source

import (
	"context"
	"fmt"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

type ociRepository struct {
	Spec struct {
		URL           string                     `json:"url"`
		Reference     *sourcev1.OCIRepositoryRef `json:"ref"`
		LayerSelector *sourcev1.OCILayerSelector `json:"layerSelector"`
		Insecure      bool                       `json:"insecure"`
		Suspend       bool                       `json:"suspend"`
		Provider      string                     `json:"provider"`
		SecretRef     localReference             `json:"secretRef"`
		CertSecretRef localReference             `json:"certSecretRef"`
		ProxyRef      localReference             `json:"proxySecretRef"`
		Account       string                     `json:"serviceAccountName"`
	} `json:"spec"`
	Status struct {
		Artifact *artifactStatus `json:"artifact"`
	} `json:"status"`
}

func ociRepositoryClaims(w Write) ([]claim, error) {
	obj, err := readOCIRepository(w.Object)
	c := ociSpecClaim{ociClaim: obj.claim(w.ID), moved: obj.keepsOther(w)}
	if err != nil || c.suspended && !c.moved {
		return nil, err
	}
	return []claim{c}, nil
}

func readOCIRepository(o Object) (ociRepository, error) {
	var obj ociRepository
	err := decode(o, &obj)
	return obj, err
}

func (r ociRepository) claim(id ID) ociClaim {
	c := ociClaim{field: "spec.ref", id: id, url: r.Spec.URL, insecure: r.Spec.Insecure, suspended: r.Spec.Suspend}
	c.access = sourceauth.Auth{
		Consumer: sourceauth.Flux, Namespace: id.Namespace, Provider: r.Spec.Provider, ServiceAccount: r.Spec.Account,
		Secret: r.Spec.SecretRef.Name, Certificates: r.Spec.CertSecretRef.Name, Proxy: r.Spec.ProxyRef.Name,
	}
	c.taking = chart.TakeLayer("")
	if selector := r.Spec.LayerSelector; selector != nil {
		c.ref.ChartLayer = selector.MediaType == chart.MediaTypeLayer
		c.taking = chart.TakeLayer(selector.MediaType)
	}
	if ref := r.Spec.Reference; ref != nil {
		c.ref.Digest, c.ref.SemVer, c.ref.SemVerFilter, c.ref.Tag = ref.Digest, ref.SemVer, ref.SemverFilter, ref.Tag
	}
	return c
}

// repackages reports whether source-controller makes an archive of its own: unless
// it is told to copy the layer, it extracts it and packs the files anew.
func (r ociRepository) repackages() bool {
	return r.Spec.LayerSelector == nil || r.Spec.LayerSelector.Operation != sourcev1.OCILayerCopy
}

// ociClaim is spec of an OCIRepository.
type ociClaim struct {
	field               string
	id                  ID
	url                 string
	ref                 chart.FluxRef
	taking              chart.Taking
	insecure, suspended bool
	access              sourceauth.Auth
}

// ociSpecClaim is what is going to be pulled. Without a Secret that it names, nothing is.
type ociSpecClaim struct {
	ociClaim
	// moved is set where the source keeps an archive of its own that it has made of what it pulled
	// from another URL. source-controller checks the digest of a manifest, and extracts the layer
	// without reading it to its end, where its digest would be checked (seen with 1.9.0): another
	// registry can serve a signed manifest with a layer of its own. Where the revision stays the
	// same, source-controller does not pull again.
	moved bool
}

// keepsOther reports whether w gives an OCIRepository another URL while it holds an archive that
// no digest can prove.
func (r ociRepository) keepsOther(w Write) bool {
	if w.Old == nil || r.Status.Artifact == nil || !r.repackages() {
		return false
	}
	before := w.Object
	before.JSON = w.Old
	old, err := readOCIRepository(before)
	return err != nil || old.Spec.URL != r.Spec.URL
}

func (c ociSpecClaim) bare() claim {
	c.access = sourceauth.Auth{}
	return c
}

func (c ociSpecClaim) use(ctx context.Context, e *Extractor) Use {
	use := e.deferrable(c.ociClaim.use(ctx, e))
	use.Unstored = true
	if found, ok := use.Target.(Chart); ok && c.moved {
		found.Refused = &problem.Error{
			Kind:   problem.KindDigestMismatch,
			Detail: fmt.Sprintf("OCIRepository %s/%s holds an archive that was built from another URL, and Flux may still use it", c.id.Namespace, c.id.Name),
			Next:   "delete the OCIRepository and create it with the new URL, or set spec.layerSelector.operation to copy, so that the archive can be compared",
		}
		use.Target = found
	}
	return use
}

// use decides by reference whether this is a chart at all, because Flux keeps
// Kustomizations in OCIRepositories as well: it is one if its layer selector asks
// for Helm's layer or a HelmRelease refers to it. Otherwise the artifact itself
// must tell.
func (c ociClaim) use(ctx context.Context, e *Extractor) Use {
	location, err := c.location()
	if err != nil {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	found := Chart{Access: c.access, Taking: c.taking}
	if found.Access.StoredHost, err = e.storedHost(ctx, c.id, c.access, location); err != nil {
		return Use{Field: c.field, Target: Unresolved{Err: err}}
	}
	used, err := c.usedAsChart(ctx, e)
	if err != nil {
		return Use{Field: c.field, Target: Unresolved{Err: err}}
	}
	// How Flux reaches what may be no chart is not the gate's business.
	if err := e.checkTransport(location, c.insecure, "spec.insecure"); err != nil && used {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	found.MaybeChart = !used
	found.Reference.Location = location
	found.Reference.Selector, err = chart.ParseFluxRef(c.ref)
	return Use{Field: c.field, Target: found.or(err)}
}

// reference returns the chart that a release finds here.
func (c ociClaim) reference(e *Extractor) (chart.Reference, error) {
	location, err := c.location()
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, c.insecure, "spec.insecure"); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseFluxRef(c.ref)
	return chart.Reference{Location: location, Selector: selector}, err
}

func (c ociClaim) location() (chart.Location, error) {
	location, err := chart.ParseChart(c.url)
	if err != nil {
		return chart.Location{}, err
	}
	if !location.IsOCI() {
		return chart.Location{}, problem.Invalid("spec.url %s does not start with oci://", location).WithNext("write spec.url with oci://")
	}
	return location, nil
}

// usedAsChart looks for a HelmRelease of the same namespace whose chartRef is this
// OCIRepository, suspended or not. One of another namespace does not count: it could declare
// somebody else's manifests to be a chart, and have them denied. It is denied itself: when it
// is written, and when helm-controller is about to deploy what was pulled.
func (c ociClaim) usedAsChart(ctx context.Context, e *Extractor) (bool, error) {
	if c.ref.ChartLayer {
		return true, nil
	}
	users, err := e.releasesOf(ctx, c.id)
	return slices.ContainsFunc(users, func(o Object) bool { return o.Namespace == c.id.Namespace }), err
}

// ociRepositoryStatusClaims reads the artifact that a status write sets.
func (e *Extractor) ociRepositoryStatusClaims(w Write) ([]claim, error) {
	obj, err := readOCIRepository(w.Object)
	if err != nil || obj.Status.Artifact == nil {
		return nil, err
	}
	spec := obj.claim(w.ID)
	spec.field = "status.artifact"
	return []claim{ociArtifactClaim{
		ociClaim:       spec,
		artifactStatus: *obj.Status.Artifact,
		repackaged:     obj.repackages(),
		byController:   slices.Contains(e.options.ArtifactWriters, w.User),
	}}, nil
}

// ociArtifactClaim is status.artifact of an OCIRepository.
type ociArtifactClaim struct {
	ociClaim
	artifactStatus
	repackaged, byController bool
}

func (c ociArtifactClaim) bare() claim {
	c.access = sourceauth.Auth{}
	return c
}

func (c ociArtifactClaim) use(ctx context.Context, e *Extractor) Use {
	use := c.ociClaim.use(ctx, e)
	found, ok := use.Target.(Chart)
	if !ok {
		return use
	}
	held, err := c.held()
	found.Artifact, found.Refused = &held, c.refused(e)
	use.Target = found.or(err)
	return use
}

// refused is why an archive that source-controller has made of a chart is not taken; nil if it is.
// A proxy that a tenant names can serve another layer than the manifest names (see ociSpecClaim).
func (c ociArtifactClaim) refused(e *Extractor) error {
	const next = "set spec.layerSelector of the OCIRepository to {mediaType: " + chart.MediaTypeLayer + ", operation: copy}, so that the archive can be compared"
	switch {
	case !c.repackaged:
		return nil
	case e.options.DenyRepackaged:
		return &problem.Error{Kind: problem.KindUnsupported, Next: next,
			Detail: "source-controller extracts the chart and makes an archive of its own, which the cluster's admin does not allow: it cannot be compared with what was signed"}
	case c.access.Proxy != "":
		return &problem.Error{Kind: problem.KindDigestMismatch, Next: next,
			Detail: "source-controller extracts the chart, and pulls it through a proxy that the OCIRepository names, so its archive cannot be compared with what was signed"}
	default:
		return nil
	}
}

func (c ociArtifactClaim) held() (Artifact, error) {
	manifest, err := c.manifest()
	if err != nil {
		return Artifact{}, err
	}
	archive, err := c.archive()
	return Artifact{Manifest: manifest, Archive: archive, Incomparable: c.repackaged || archive.IsZero(), ByController: c.byController}, err
}

// heldByOCIRepository follows an OCIRepository that a release refers to. Its
// artifact may have been written when nothing used it as a chart, so the digest
// that it was pulled by must be verified now.
func (e *Extractor) heldByOCIRepository(object Object) Use {
	obj, err := readOCIRepository(object)
	if err != nil {
		return Use{Target: Unresolved{Err: err}}
	}
	claim := obj.claim(object.ID)
	reference, err := claim.reference(e)
	found := Chart{Reference: reference, Access: stored(claim.access, reference.Location), Taking: claim.taking}
	if err != nil || obj.Status.Artifact == nil {
		return Use{Target: found.or(err)}
	}
	artifact := ociArtifactClaim{ociClaim: claim, artifactStatus: *obj.Status.Artifact, repackaged: obj.repackages(), byController: true}
	held, err := artifact.held()
	held.Source = object.ID
	found.Artifact, found.Refused = &held, artifact.refused(e)
	return Use{Target: found.or(err)}
}
