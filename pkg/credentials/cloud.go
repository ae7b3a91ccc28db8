package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/fluxcd/pkg/auth"
	"github.com/fluxcd/pkg/auth/aws"
	"github.com/fluxcd/pkg/auth/azure"
	"github.com/fluxcd/pkg/auth/gcp"
	"github.com/fluxcd/pkg/cache"
	"golang.org/x/oauth2"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
)

// Clouds logs in to the registries of clouds with chartgate's own identity there: that of its
// service account or of its node. Make one with NewClouds.
type Clouds struct {
	providers map[string]cloudProvider
}

// cloudProvider is one cloud. Each has its own token cache, because all callers of a cache wait
// while one of them fetches a token.
type cloudProvider struct {
	auth.ArtifactRegistryCredentialsProvider
	tokens *cache.TokenCache
}

// CloudNames are the supported clouds, as Flux's field provider names them.
func CloudNames() []string { return []string{aws.ProviderName, azure.ProviderName, gcp.ProviderName} }

// maxTokens limits the tokens of each cloud that are kept. There is one for a registry host.
const maxTokens = 100

// NewClouds returns all clouds. It sends no request.
func NewClouds() (*Clouds, error) {
	return newClouds(aws.Provider{}, azure.Provider{}, gcp.Provider{})
}

func newClouds(providers ...auth.ArtifactRegistryCredentialsProvider) (*Clouds, error) {
	clouds := &Clouds{providers: map[string]cloudProvider{}}
	for _, provider := range providers {
		tokens, err := cache.NewTokenCache(maxTokens)
		if err != nil {
			return nil, fmt.Errorf("make a cache for the tokens of %s: %w", provider.GetName(), err)
		}
		clouds.providers[provider.GetName()] = cloudProvider{provider, tokens}
	}
	return clouds, nil
}

// Owns reports whether a host, named as in chart.Location, is a registry of the cloud.
func (c *Clouds) Owns(cloud, host string) bool {
	provider, known := c.providers[cloud]
	if !known || canonicalHost(host) != host {
		return false
	}
	_, err := provider.ParseArtifactRepository(host)
	return err == nil
}

// Login returns a user name and password for a registry of the cloud. They are kept while they are
// valid.
func (c *Clouds) Login(ctx context.Context, cloud, host string) (username, password string, err error) {
	if !c.Owns(cloud, host) {
		return "", "", notOf(cloud, host)
	}
	provider := c.providers[cloud]
	found, err := auth.GetArtifactRegistryCredentials(ctx, provider, host, auth.WithCache(*provider.tokens, cache.InvolvedObject{}))
	if err != nil {
		return "", "", refused(ctx, cloud, host, err)
	}
	config, err := found.Authorization()
	if err != nil {
		return "", "", refused(ctx, cloud, host, err)
	}
	return config.Username, config.Password, nil
}

// Identity returns the login for the hosts of some clouds, for any consumer, and no login for other
// hosts. It fits registry.Options.Identity.
func (c *Clouds) Identity(names []string) (registry.Login, error) {
	for _, name := range names {
		if !slices.Contains(CloudNames(), name) {
			return nil, fmt.Errorf("%q is not a supported cloud: they are %v", name, CloudNames())
		}
	}
	return func(ctx context.Context, at chart.Location) (string, string, error) {
		host := at.Host()
		for _, name := range names {
			if c.Owns(name, host) {
				return c.Login(ctx, name, host)
			}
		}
		return "", "", nil
	}, nil
}

// cloud returns a connection that logs in with chartgate's own identity. It refuses CAs and proxies
// that a tenant chose: the tenant could steal the identity.
func (r *Resolver) cloud(name, host string, b connectionBuilder) (registry.Connection, error) {
	switch {
	case !slices.Contains(CloudNames(), name):
		return registry.Connection{}, &problem.Error{Kind: problem.KindUnsupported, Detail: "provider " + problem.QuoteInput(name) + " is unknown"}
	case r.clouds == nil || !r.clouds.Owns(name, host):
		return registry.Connection{}, notOf(name, host)
	case b.tenantChosen():
		return b.buildWithout(&problem.Error{
			Kind:   problem.KindUnauthorized,
			Detail: "chartgate logs in to " + host + " with its own " + name + " identity, but not over certificates or a proxy that the chart's source names",
			Next:   "remove certSecretRef and proxySecretRef, or name a secretRef",
		}), nil
	}
	b.cloud = name
	b.Origin = "chartgate's own " + name + " identity"
	b.Login = func(ctx context.Context) (string, string, error) { return r.clouds.Login(ctx, name, host) }
	return b.build(), nil
}

func notOf(cloud, host string) *problem.Error {
	return &problem.Error{
		Kind: problem.KindUnauthorized, Detail: host + " is not a registry of " + cloud + ", so no " + cloud + " identity is sent to it",
		Next: "correct the URL, or set provider to generic",
	}
}

func refused(ctx context.Context, cloud, host string, err error) *problem.Error {
	p := &problem.Error{
		Kind:   problem.KindUnauthorized,
		Detail: "chartgate could not log in to " + host + " with its own " + cloud + " identity; its log has the cause",
		Next:   "give chartgate's service account an identity of " + cloud + " that can pull from " + host,
		Err:    fmt.Errorf("log in to %s as %s identity: %w", host, cloud, withoutAnswers(err)),
	}
	if ctx.Err() != nil {
		p.Kind, p.Detail, p.Next = problem.KindTimeout, "logging in to "+host+" with chartgate's own "+cloud+" identity took too long", "try again"
	}
	return p
}

// withoutAnswers removes the answer of a server from an error. Azure's and Google's libraries
// repeat the whole answer, which may hold anything.
func withoutAnswers(err error) error {
	var response *azcore.ResponseError
	var failed *azidentity.AuthenticationFailedError
	var retrieve *oauth2.RetrieveError
	switch {
	case errors.As(err, &response):
		return fmt.Errorf("the answer was %d %q", response.StatusCode, response.ErrorCode)
	case errors.As(err, &failed):
		return errors.New("the identity of chartgate's service account was refused")
	case errors.As(err, &retrieve):
		code := 0
		if retrieve.Response != nil {
			code = retrieve.Response.StatusCode
		}
		return fmt.Errorf("the answer was %d %q", code, retrieve.ErrorCode)
	default:
		return err
	}
}
