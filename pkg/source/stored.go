package source

import (
	"context"
	"errors"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
)

// storedHost returns the host of location if the object that the API server has under id
// sends the same logins to it, and "" if not: what a request says about the object's URL
// and Secrets is the word of anyone who reaches the webhook's port. Flux sends nothing
// either before the object is stored.
func (e *Extractor) storedHost(ctx context.Context, id ID, access chart.Access, location chart.Location) (string, error) {
	switch {
	case loginsOf(access) == (chart.Access{}):
		return "", nil
	case e.options.TrustRequests:
		return location.Host(), nil
	}
	object, err := e.one(ctx, id)
	if problem, ok := errors.AsType[*chart.Problem](err); ok && problem.Kind == chart.KindSourceNotFound {
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
func stored(access chart.Access, at chart.Location) chart.Access {
	if loginsOf(access) != (chart.Access{}) {
		access.StoredHost = at.Host()
	}
	return access
}

// storedAccess reads how a stored source object reaches its registry, and where that is.
func (e *Extractor) storedAccess(object Object) (chart.Access, chart.Location, error) {
	switch object.Kind {
	case sourcev1.OCIRepositoryKind:
		obj, err := readOCIRepository(object)
		if err != nil {
			return chart.Access{}, chart.Location{}, err
		}
		claim := obj.claim(object.ID)
		location, err := claim.location()
		return claim.access, location, err
	case sourcev1.HelmRepositoryKind:
		repository, err := readHelmRepository(object)
		if err != nil {
			return chart.Access{}, chart.Location{}, err
		}
		location, err := repository.location(e)
		return repository.access, location, err
	default:
		return chart.Access{}, chart.Location{}, chart.Invalid("%s names no registry", object.ID)
	}
}

// loginsOf is access with no more than the Secrets that may hold a login which they do not
// bind to a host. A proxy's login goes to the proxy that its own Secret names.
func loginsOf(access chart.Access) chart.Access {
	return chart.Access{Secret: access.Secret, ServiceAccount: access.ServiceAccount, Certificates: access.Certificates}
}
