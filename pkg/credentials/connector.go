package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Options configure a Connector.
type Options struct {
	// Reader reads Secrets, ConfigMaps and ServiceAccounts. It must not be cached.
	Reader client.Reader
	// ArgoNamespace is where Argo CD keeps its repository Secrets; "" if nobody said.
	ArgoNamespace string
	// PlainHTTP are the hosts that the admin wants to be spoken to over plain HTTP.
	PlainHTTP []string
	// Clouds logs in with chartgate's own cloud identity.
	Clouds *Clouds
	// LoginHosts are the hosts, beside those that policies name, to which the admin lets
	// consumers' logins go.
	LoginHosts []string
	// Identities are the clouds that chartgate logs in to by itself, whatever the source of
	// the chart says.
	Identities []string
}

// Connector finds connections. Make one with New.
type Connector struct {
	reader        client.Reader
	argoNamespace string
	plainHTTP     []string
	clouds        *Clouds
	loginHosts    []string
	identities    []string
	lists         *coalesce.Group[string, []corev1.Secret]
}

// New returns a Connector.
func New(o Options) *Connector {
	return &Connector{
		reader: o.Reader, argoNamespace: o.ArgoNamespace,
		plainHTTP: slices.Clone(o.PlainHTTP), clouds: o.Clouds,
		loginHosts: slices.Clone(o.LoginHosts), identities: slices.Clone(o.Identities),
		lists: coalesce.New[string, []corev1.Secret](argoTimeout),
	}
}

// Connect returns how a consumer reaches a repository of a registry. Its errors are
// *problem.Error. What only a registry that wants a login would miss is no error but the
// connection's Lacking.
func (c *Connector) Connect(ctx context.Context, access sourceauth.Auth, at chart.Location) (registry.Connection, error) {
	var found registry.Connection
	var err error
	host := at.Host()
	switch {
	case access == sourceauth.Auth{}:
		return registry.Connection{Identity: true}, nil
	case access.Consumer == sourceauth.Flux && access.Namespace != "":
		found, err = c.flux(ctx, access, at)
	case access.Consumer == sourceauth.ArgoCD && access.URL != "":
		found, err = c.argo(ctx, access, host)
	default:
		return registry.Connection{}, &problem.Error{
			Kind: problem.KindInternal, Detail: "chartgate does not know how this consumer reaches " + host,
			Err: fmt.Errorf("unexpected access: consumer %d", access.Consumer),
		}
	}
	if err != nil {
		if _, ok := errors.AsType[*problem.Error](err); !ok {
			err = &problem.Error{Kind: problem.KindInternal, Detail: "the credentials for " + host + " could not be read", Err: err}
		}
		return registry.Connection{}, err
	}
	return found, nil
}
