package source

import (
	"context"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// localReference names an object of the same namespace.
type localReference struct {
	Name string `json:"name"`
}

type helmRepository struct {
	Spec struct {
		URL           string         `json:"url"`
		Type          string         `json:"type"`
		Insecure      bool           `json:"insecure"`
		Provider      string         `json:"provider"`
		SecretRef     localReference `json:"secretRef"`
		CertSecretRef localReference `json:"certSecretRef"`
	} `json:"spec"`
}

// helmRepositoryClaims reads spec. That the repository is suspended does not matter:
// HelmCharts go on to use its URL.
func helmRepositoryClaims(w Write) ([]claim, error) {
	c, err := readHelmRepository(w.Object)
	if err != nil {
		return nil, err
	}
	return []claim{c}, nil
}

func readHelmRepository(o Object) (repositoryClaim, error) {
	var obj helmRepository
	if err := decode(o, &obj); err != nil {
		return repositoryClaim{}, err
	}
	return repositoryClaim{
		url: obj.Spec.URL, kind: obj.Spec.Type, insecure: obj.Spec.Insecure,
		access: sourceauth.Auth{
			Consumer: sourceauth.Flux, Namespace: o.Namespace,
			Secret: obj.Spec.SecretRef.Name, Certificates: obj.Spec.CertSecretRef.Name, Provider: obj.Spec.Provider,
		},
	}, nil
}

// repositoryClaim is spec of a HelmRepository.
type repositoryClaim struct {
	url, kind string
	insecure  bool
	access    sourceauth.Auth
}

// bare keeps the provider: the releases that use the repository are asked about again
// where that changes.
func (c repositoryClaim) bare() claim {
	c.access = sourceauth.Auth{Provider: c.access.Provider}
	return c
}

func (c repositoryClaim) use(_ context.Context, e *Extractor) Use {
	location, err := c.location(e)
	if err != nil {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	return Use{Field: "spec.url", Target: Repository{Location: location}}
}

// location returns where the repository's charts live. Flux trims trailing
// slashes (internal/helm/repository.NormalizeURL) and joins the chart's name.
func (c repositoryClaim) location(e *Extractor) (chart.Location, error) {
	location, err := chart.ParseLocation(strings.TrimRight(c.url, "/"))
	if err != nil {
		return chart.Location{}, err
	}
	switch {
	case c.kind == sourcev1.HelmRepositoryTypeOCI && !location.IsOCI():
		return chart.Location{}, problem.Invalid("spec.type is oci, but spec.url %s does not start with oci://", location).
			WithNext("write spec.url with oci://, or remove spec.type")
	case c.kind != sourcev1.HelmRepositoryTypeOCI && location.IsOCI():
		return chart.Location{}, problem.Invalid("spec.url %s is an OCI registry, but spec.type is not oci", location).WithNext("set spec.type to oci")
	}
	return location, e.checkTransport(location, c.insecure, "spec.insecure")
}

// checkTransport refuses plain HTTP to OCI registries, on which anyone between the cluster
// and the registry can answer, except for hosts that the admin named. A classic repository
// with http:// is a matter of policies alone: only a waiver that names http:// admits it.
func (e *Extractor) checkTransport(l chart.Location, insecure bool, field string) error {
	if !insecure || !l.IsOCI() || slices.Contains(e.options.PlainHTTP, l.Host()) {
		return nil
	}
	return problem.Invalid("%s asks for plain HTTP to %s, which the cluster's admin has not allowed", field, l.Host()).
		WithNext("use HTTPS, or ask the admin to name the host with --plain-http")
}
