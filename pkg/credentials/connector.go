package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/singleflight"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
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
}

// Connector finds connections. Make one with New.
type Connector struct {
	reader        client.Reader
	argoNamespace string
	plainHTTP     []string
	clouds        *Clouds
	lists         singleflight.Group
}

// New returns a Connector.
func New(o Options) *Connector {
	return &Connector{
		reader: o.Reader, argoNamespace: o.ArgoNamespace,
		plainHTTP: slices.Clone(o.PlainHTTP), clouds: o.Clouds,
	}
}

// Connect returns how a consumer reaches a registry host, named as in chart.Location.
// Its errors are *chart.Problem. What only a registry that wants a login would miss is
// no error but the connection's Lacking.
func (c *Connector) Connect(ctx context.Context, access chart.Access, host string) (registry.Connection, error) {
	var found registry.Connection
	var err error
	switch {
	case access == chart.Access{}:
		return registry.Connection{}, nil
	case access.Consumer == chart.Flux && access.Namespace != "":
		found, err = c.flux(ctx, access, host)
	case access.Consumer == chart.ArgoCD && access.URL != "":
		found, err = c.argo(ctx, access, host)
	default:
		return registry.Connection{}, &chart.Problem{
			Kind: chart.KindInternal, Detail: "nobody knows how this consumer reaches " + host,
			Err: fmt.Errorf("unexpected access: consumer %d", access.Consumer),
		}
	}
	if err != nil {
		if _, ok := errors.AsType[*chart.Problem](err); !ok {
			err = &chart.Problem{Kind: chart.KindInternal, Detail: "the credentials for " + host + " could not be read", Err: err}
		}
		return registry.Connection{}, err
	}
	return found, nil
}
