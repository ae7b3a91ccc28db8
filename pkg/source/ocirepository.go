package source

import (
	"context"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

type ociRepository struct {
	Spec struct {
		URL           string                     `json:"url"`
		Reference     *sourcev1.OCIRepositoryRef `json:"ref"`
		LayerSelector *sourcev1.OCILayerSelector `json:"layerSelector"`
		Insecure      bool                       `json:"insecure"`
		Suspend       bool                       `json:"suspend"`
	} `json:"spec"`
}

func ociRepositoryClaims(o Object) ([]claim, error) {
	c, err := readOCIRepository(o)
	if err != nil || c.suspended {
		return nil, err
	}
	return []claim{c}, nil
}

func readOCIRepository(o Object) (ociClaim, error) {
	var obj ociRepository
	if err := decode(o, &obj); err != nil {
		return ociClaim{}, err
	}
	c := ociClaim{id: o.ID, url: obj.Spec.URL, insecure: obj.Spec.Insecure, suspended: obj.Spec.Suspend}
	if selector := obj.Spec.LayerSelector; selector != nil {
		c.ref.ChartLayer = selector.MediaType == chart.MediaTypeLayer
	}
	if ref := obj.Spec.Reference; ref != nil {
		c.ref.Digest, c.ref.SemVer, c.ref.SemVerFilter, c.ref.Tag = ref.Digest, ref.SemVer, ref.SemverFilter, ref.Tag
	}
	return c, nil
}

// ociClaim is spec of an OCIRepository.
type ociClaim struct {
	id                  ID
	url                 string
	ref                 chart.FluxRef
	insecure, suspended bool
}

// use decides by reference whether this is a chart at all, because Flux keeps
// Kustomizations in OCIRepositories as well: it is one if its layer selector asks
// for Helm's layer or a HelmRelease refers to it. Otherwise the artifact itself
// must tell.
func (c ociClaim) use(ctx context.Context, e *Extractor) Use {
	use := Use{Field: "spec.ref"}
	used, err := c.usedAsChart(ctx, e)
	if err != nil {
		use.Problem = err
		return use
	}
	use.MaybeChart = !used
	use.Reference, use.Problem = c.reference(e)
	return use
}

func (c ociClaim) reference(e *Extractor) (chart.Reference, error) {
	location, err := chart.ParseChart(c.url)
	if err != nil {
		return chart.Reference{}, err
	}
	if !location.IsOCI() {
		return chart.Reference{}, chart.Invalid("spec.url %s does not start with oci://", location)
	}
	if err := e.checkTransport(location, c.insecure, "spec.insecure"); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseFluxRef(c.ref)
	return chart.Reference{Location: location, Selector: selector}, err
}

// usedAsChart looks for a HelmRelease, in any namespace, whose chartRef is this
// OCIRepository.
func (c ociClaim) usedAsChart(ctx context.Context, e *Extractor) (bool, error) {
	if c.ref.ChartLayer {
		return true, nil
	}
	releases, err := e.reader.Read(ctx, ID{Group: helmv2.GroupVersion.Group, Kind: helmv2.HelmReleaseKind})
	switch {
	case ctx.Err() != nil:
		return false, &chart.Problem{Kind: chart.KindTimeout, Detail: "reading the HelmReleases took too long", Err: err}
	case err != nil:
		return false, &chart.Problem{Kind: chart.KindInternal, Detail: "the HelmReleases could not be read", Err: err}
	}
	for _, object := range releases {
		var release helmRelease
		if err := decode(object, &release); err != nil {
			return false, err
		}
		ref := release.Spec.ChartRef
		if ref != nil && ref.Kind == sourcev1.OCIRepositoryKind && ref.Name == c.id.Name && or(ref.Namespace, object.Namespace) == c.id.Namespace {
			return true, nil
		}
	}
	return false, nil
}
