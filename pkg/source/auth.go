package source

import (
	"context"
	"errors"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// localReference names an object of the same namespace.
type localReference struct {
	Name string `json:"name"`
}

// checkTransport refuses plain HTTP to OCI registries, on which anyone between the cluster and the
// registry can answer, except for hosts that the admin named. A classic repository with http:// is
// a matter of policies alone: only a waiver that names http:// admits it.
func (e *Extractor) checkTransport(l chart.Location, insecure bool, field string) error {
	if !l.IsOCI() {
		return nil
	}
	return e.checkEncrypted(l, insecure, field)
}

// checkEncrypted refuses a transport that does not prove which server answers, except for hosts
// that the admin named.
func (e *Extractor) checkEncrypted(l chart.Location, plain bool, field string) error {
	if !plain || slices.Contains(e.options.PlainHTTP, l.Host()) {
		return nil
	}
	return problem.Invalid("%s asks for plain HTTP to %s, which the cluster's admin has not allowed", field, l.Host()).
		WithNext("use HTTPS, or ask the admin to name the host with --plain-http")
}

// storedHost returns the host of location if the object that the API server has under id sends the
// same logins to it, and "" if not. What a request says about the object's URL and Secrets does not
// count: anyone who reaches the webhook's port can send a request. Flux does not send a login
// either before the object is stored.
func (e *Extractor) storedHost(ctx context.Context, id ID, auth sourceauth.Auth, location chart.Location) (string, error) {
	switch {
	case loginsOf(auth) == (sourceauth.Auth{}):
		return "", nil
	case e.options.TrustRequests:
		return location.Host(), nil
	}
	object, err := e.getOne(ctx, id)
	if perr, ok := errors.AsType[*problem.Error](err); ok && perr.Kind == problem.KindSourceNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	known, at, err := e.authOf(object)
	if err != nil || loginsOf(known) != loginsOf(auth) || at.Host() != location.Host() {
		return "", nil // an object that cannot be read sends no login anywhere
	}
	return location.Host(), nil
}

// authOf reads how a stored source object reaches its registry, and where that is.
func (e *Extractor) authOf(object Object) (sourceauth.Auth, chart.Location, error) {
	switch object.Kind {
	case sourcev1.OCIRepositoryKind:
		obj, err := readOCIRepository(object)
		if err != nil {
			return sourceauth.Auth{}, chart.Location{}, err
		}
		spec := obj.field(object.ID)
		location, err := spec.location()
		return spec.auth, location, err
	case sourcev1.HelmRepositoryKind:
		repository, err := readHelmRepository(object)
		if err != nil {
			return sourceauth.Auth{}, chart.Location{}, err
		}
		location, err := repository.location(e)
		return repository.auth, location, err
	default:
		return sourceauth.Auth{}, chart.Location{}, problem.Invalid("%s names no registry", object.ID)
	}
}

// withStoredHost is the auth of an object that was read from the API server, with the host that its
// URL names.
func withStoredHost(auth sourceauth.Auth, at chart.Location) sourceauth.Auth {
	if loginsOf(auth) != (sourceauth.Auth{}) {
		auth.StoredHost = at.Host()
	}
	return auth
}

// loginsOf is auth with nothing but the Secrets that may hold a login which they do not bind to a
// host. A proxy's login goes to the proxy that its own Secret names.
func loginsOf(auth sourceauth.Auth) sourceauth.Auth {
	return sourceauth.Auth{Secret: auth.Secret, ServiceAccount: auth.ServiceAccount, Certificates: auth.Certificates}
}
