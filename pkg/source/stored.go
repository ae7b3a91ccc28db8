package source

import (
	"context"
	"errors"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// storedHost returns the host of location if the object that the API server has under id
// sends the same logins to it, and "" if not: what a request says about the object's URL
// and Secrets is the word of anyone who reaches the webhook's port. Flux sends nothing
// either before the object is stored.
func (e *Extractor) storedHost(ctx context.Context, id ID, access sourceauth.Auth, location chart.Location) (string, error) {
	switch {
	case loginsOf(access) == (sourceauth.Auth{}):
		return "", nil
	case e.options.TrustRequests:
		return location.Host(), nil
	}
	object, err := e.one(ctx, id)
	if perr, ok := errors.AsType[*problem.Error](err); ok && perr.Kind == problem.KindSourceNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	known, at, err := e.storedAccess(object)
	if err != nil || loginsOf(known) != loginsOf(access) || at.Host() != location.Host() {
		return "", nil //nolint:nilerr // an object that cannot be read sends nothing anywhere
	}
	return location.Host(), nil
}

// stored is the access of an object that was read from the API server, with the host that
// its URL names.
func stored(access sourceauth.Auth, at chart.Location) sourceauth.Auth {
	if loginsOf(access) != (sourceauth.Auth{}) {
		access.StoredHost = at.Host()
	}
	return access
}

// storedAccess reads how a stored source object reaches its registry, and where that is.
func (e *Extractor) storedAccess(object Object) (sourceauth.Auth, chart.Location, error) {
	switch object.Kind {
	case sourcev1.OCIRepositoryKind:
		obj, err := readOCIRepository(object)
		if err != nil {
			return sourceauth.Auth{}, chart.Location{}, err
		}
		claim := obj.claim(object.ID)
		location, err := claim.location()
		return claim.access, location, err
	case sourcev1.HelmRepositoryKind:
		repository, err := readHelmRepository(object)
		if err != nil {
			return sourceauth.Auth{}, chart.Location{}, err
		}
		location, err := repository.location(e)
		return repository.access, location, err
	default:
		return sourceauth.Auth{}, chart.Location{}, problem.Invalid("%s names no registry", object.ID)
	}
}

// loginsOf is access with no more than the Secrets that may hold a login which they do not
// bind to a host. A proxy's login goes to the proxy that its own Secret names.
func loginsOf(access sourceauth.Auth) sourceauth.Auth {
	return sourceauth.Auth{Secret: access.Secret, ServiceAccount: access.ServiceAccount, Certificates: access.Certificates}
}
