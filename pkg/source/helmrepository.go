package source

import (
	"context"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

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

// helmRepositoryFields reads spec. It does not matter that the repository is suspended: HelmCharts
// go on to use its URL.
func (e *Extractor) helmRepositoryFields(w Write, obj, _ *helmRepository) ([]gatedField, error) {
	return []gatedField{obj.field(w.Namespace)}, nil
}

func readHelmRepository(o Object) (repositoryField, error) {
	var obj helmRepository
	err := decode(o, &obj)
	return obj.field(o.Namespace), err
}

func (r helmRepository) field(namespace string) repositoryField {
	return repositoryField{
		url: r.Spec.URL, kind: r.Spec.Type, insecure: r.Spec.Insecure,
		auth: sourceauth.Auth{
			Consumer: sourceauth.Flux, Namespace: namespace,
			Secret: r.Spec.SecretRef.Name, Certificates: r.Spec.CertSecretRef.Name, Provider: r.Spec.Provider,
		},
	}
}

// repositoryField is spec of a HelmRepository.
type repositoryField struct {
	url, kind string
	insecure  bool
	auth      sourceauth.Auth
}

// key keeps the provider: where that changes, the releases that use the repository are examined
// again.
func (f repositoryField) key() gatedField {
	f.auth = sourceauth.Auth{Provider: f.auth.Provider}
	return f
}

func (f repositoryField) use(_ context.Context, e *Extractor) Use {
	location, err := f.location(e)
	if err != nil {
		return Use{Field: "spec.url", Target: Unresolved{Err: err}}
	}
	return Use{Field: "spec.url", Target: Repository{Location: location}}
}

// location returns the URL below which the repository's charts are. Flux trims trailing slashes
// (internal/helm/repository.NormalizeURL) and joins the chart's name.
func (f repositoryField) location(e *Extractor) (chart.Location, error) {
	location, err := parseHelmURL(strings.TrimRight(f.url, "/"))
	if err != nil {
		return chart.Location{}, err
	}
	switch {
	case f.kind == sourcev1.HelmRepositoryTypeOCI && !location.IsOCI():
		return chart.Location{}, problem.Invalid("spec.type is oci, but spec.url %s does not start with oci://", location).
			WithNext("write spec.url with oci://, or remove spec.type")
	case f.kind != sourcev1.HelmRepositoryTypeOCI && location.IsOCI():
		return chart.Location{}, problem.Invalid("spec.url %s is an OCI registry, but spec.type is not oci", location).WithNext("set spec.type to oci")
	}
	return location, e.checkTransport(location, f.insecure, "spec.insecure")
}

// parseHelmURL reads the URL of a repository of charts. chartgate's own names of folders in Git
// repositories and buckets are no such URLs.
func parseHelmURL(url string) (chart.Location, error) {
	location, err := chart.ParseLocation(url)
	if err == nil && !location.IsOCI() && !location.IsClassic() {
		return chart.Location{}, problem.Invalid("%s is no URL of a Helm repository", problem.QuoteInput(url)).WithNext("write oci:// or https://, in lower case")
	}
	return location, err
}
