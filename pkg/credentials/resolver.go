// Package credentials finds how a consumer of charts reaches a registry, so that chartgate sees
// what the consumer will see: the login, the CAs, the client certificate and the proxy that Flux's
// sources and Argo CD's repository Secrets name.
//
// Secrets are read from the API server each time, by name and from the namespace of the object
// that refers to them (Flux). Argo CD's repository Secrets are watched, because only a list of all
// of them tells which one is for a URL. Tokens of chartgate's own cloud identity are kept until
// they expire.
//
// A login is sent to the host that it belongs to and to no other: a Docker configuration is
// searched for the host, a repository Secret must be for the host, and the token of a cloud goes
// to hosts of that cloud only.
//
// # What a project-scoped Secret of Argo CD may not do
//
// Anyone who can create repositories in an Argo CD project writes the Secrets of that project,
// through Argo CD's own API. Policies do not trust these people. Some fields of such a Secret
// decide what Argo CD pulls. Where Argo CD pulls by version and not by digest (Helm-OCI sources),
// chartgate would verify one chart and Argo CD would deploy another one. Therefore these are
// denied:
//
//   - url: Argo CD compares it with the Application's repoURL loosely (case, spaces, a ".git" at
//     the end, "ssh://" in front) and then pulls from the URL in the Secret, not from the one in
//     the Application. The two must be written in the same way.
//   - insecure, insecureOCIForceHttp: without TLS, anyone on the network path can answer. They are
//     denied in every Secret, unless the admin named the host with --plain-http.
//   - proxy: the author of the Secret chooses a proxy on the network path. With TLS it can only
//     refuse, but insecure can be set in one write after the verdict. It is denied for Helm-OCI
//     sources unless the Secret belongs to no project. A native source is deployed by digest, which
//     no proxy can forge.
//
// These checks do not cover a Secret that changes between the verdict and the pull. Only Argo CD's
// RBAC does, and native sources.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Options configure a Resolver.
type Options struct {
	// Reader reads Secrets, ConfigMaps and ServiceAccounts. It must not be cached.
	Reader client.Reader
	// Watcher watches Argo CD's repository Secrets. It must use the same HTTP client as Reader.
	// Nil: they are listed each time.
	Watcher client.WithWatch
	// ArgoNamespace is where Argo CD keeps its repository Secrets; "" if it is not configured.
	ArgoNamespace string
	// PlainHTTP are the hosts that the admin allows to be reached over plain HTTP.
	PlainHTTP []string
	// Clouds logs in with chartgate's own cloud identity.
	Clouds *Clouds
	// LoginHosts are the hosts, beside those that policies name, to which the admin lets the logins
	// of consumers go.
	LoginHosts []string
	// AnyHost lets the logins of consumers go to every host that the stored source sends them to,
	// whether or not a policy names it: for a person who may read these Secrets and looks at what
	// the consumers do already. A webhook must not set it.
	AnyHost bool
	// Identities are the clouds that chartgate logs in to with its own identity, whatever the
	// source of the chart says.
	Identities []string
	Log        logr.Logger
}

// Resolver finds the connection by which a consumer reaches a registry. Make one with New. It is
// safe for concurrent use.
type Resolver struct {
	reader      client.Reader
	argoSecrets *argoSecrets
	plainHTTP   []string
	clouds      *Clouds
	loginHosts  []string
	anyHost     bool
	identities  []string
}

// New returns a Resolver. Start lets it watch.
func New(o Options) *Resolver {
	return &Resolver{
		reader:      o.Reader,
		argoSecrets: newArgoSecrets(o),
		plainHTTP:   slices.Clone(o.PlainHTTP),
		clouds:      o.Clouds,
		loginHosts:  slices.Clone(o.LoginHosts),
		anyHost:     o.AnyHost,
		identities:  slices.Clone(o.Identities),
	}
}

// Start watches Argo CD's repository Secrets, from the first time that they are needed until ctx is
// done.
func (r *Resolver) Start(ctx context.Context) error {
	r.argoSecrets.watch(ctx)
	return nil
}

// NeedLeaderElection lets every replica watch.
func (*Resolver) NeedLeaderElection() bool { return false }

// Resolve returns how a consumer reaches a repository of a registry. Its errors are *problem.Error.
// What matters only if the registry requires a login is not an error: it is the CredentialError of
// the connection.
func (r *Resolver) Resolve(ctx context.Context, auth sourceauth.Auth, at chart.Location) (registry.Connection, error) {
	var found registry.Connection
	var err error
	switch {
	case auth == sourceauth.Auth{}:
		return registry.Connection{Identity: true}, nil
	case auth.Consumer == sourceauth.Flux && auth.Namespace != "":
		found, err = r.flux(ctx, auth, at)
	case auth.Consumer == sourceauth.ArgoCD && auth.URL != "":
		found, err = r.argo(ctx, auth, at.Host())
	default:
		return registry.Connection{}, &problem.Error{
			Kind: problem.KindInternal, Detail: "chartgate does not know how this consumer reaches " + at.Host(),
			Err: fmt.Errorf("unexpected source authentication: consumer %d", auth.Consumer),
		}
	}
	if err == nil {
		return found, nil
	}
	if _, ok := errors.AsType[*problem.Error](err); !ok {
		err = &problem.Error{Kind: problem.KindInternal, Detail: "the credentials for " + at.Host() + " could not be read", Err: err}
	}
	return registry.Connection{}, err
}
