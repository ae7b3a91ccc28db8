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
		Artifact *artifact `json:"artifact"`
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
	if c.moved {
		use.Refused = &problem.Error{
			Kind:   problem.KindDigestMismatch,
			Detail: fmt.Sprintf("OCIRepository %s/%s holds an archive that was made of what another URL served, and Flux may go on to use it", c.id.Namespace, c.id.Name),
			Next:   "delete the OCIRepository and create it with the new URL, or set spec.layerSelector.operation to copy, so that the archive can be compared",
		}
	}
	return use
}

// use decides by reference whether this is a chart at all, because Flux keeps
// Kustomizations in OCIRepositories as well: it is one if its layer selector asks
// for Helm's layer or a HelmRelease refers to it. Otherwise the artifact itself
// must tell.
func (c ociClaim) use(ctx context.Context, e *Extractor) Use {
	use := Use{Field: c.field, Access: c.access, Taking: c.taking}
	location, err := c.location()
	if err != nil {
		use.Field, use.Problem = "spec.url", err
		return use
	}
	if use.Access.StoredHost, err = e.storedHost(ctx, c.id, c.access, location); err != nil {
		use.Problem = err
		return use
	}
	used, err := c.usedAsChart(ctx, e)
	if err != nil {
		use.Problem = err
		return use
	}
	// How Flux reaches what may be no chart is not the gate's business.
	if err := e.checkTransport(location, c.insecure, "spec.insecure"); err != nil && used {
		use.Field, use.Problem = "spec.url", err
		return use
	}
	use.MaybeChart = !used
	use.Reference.Location = location
	use.Reference.Selector, use.Problem = chart.ParseFluxRef(c.ref)
	return use
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
		ociClaim:   spec,
		artifact:   *obj.Status.Artifact,
		repackaged: obj.repackages(),
		vouched:    slices.Contains(e.options.ArtifactWriters, w.User),
	}}, nil
}

// ociArtifactClaim is status.artifact of an OCIRepository.
type ociArtifactClaim struct {
	ociClaim
	artifact
	repackaged, vouched bool
}

func (c ociArtifactClaim) bare() claim {
	c.access = sourceauth.Auth{}
	return c
}

func (c ociArtifactClaim) use(ctx context.Context, e *Extractor) Use {
	use := c.ociClaim.use(ctx, e)
	if use.Problem != nil {
		return use
	}
	pulled, err := c.pulled()
	use.Pulled, use.Problem, use.Refused = &pulled, err, c.refused(e)
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

func (c ociArtifactClaim) pulled() (Pulled, error) {
	manifest, err := c.manifest()
	if err != nil {
		return Pulled{}, err
	}
	archive, err := c.archive()
	return Pulled{Manifest: manifest, Archive: archive, Incomparable: c.repackaged || archive.IsZero(), Vouched: c.vouched}, err
}

// pulledByOCIRepository follows an OCIRepository that a release refers to. Its
// artifact may have been written when nothing used it as a chart, so the digest
// that it was pulled by must be verified now.
func (e *Extractor) pulledByOCIRepository(object Object) Use {
	obj, err := readOCIRepository(object)
	if err != nil {
		return Use{Problem: err}
	}
	claim := obj.claim(object.ID)
	use := Use{Taking: claim.taking}
	use.Reference, use.Problem = claim.reference(e)
	use.Access = stored(claim.access, use.Reference.Location)
	if use.Problem != nil || obj.Status.Artifact == nil {
		return use
	}
	artifact := ociArtifactClaim{ociClaim: claim, artifact: *obj.Status.Artifact, repackaged: obj.repackages(), vouched: true}
	pulled, err := artifact.pulled()
	pulled.Source = object.ID
	use.Refused = artifact.refused(e)
	use.Pulled, use.Problem = &pulled, err
	return use
}
