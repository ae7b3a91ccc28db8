package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// identityToken is the user name by which Docker's credential helpers mark a password
// as an identity token
// (https://github.com/docker/docker-credential-helpers#development).
const identityToken = "<token>"

// Login returns the user name and password for a repository; both empty is none. The user
// name "<token>" makes the password an identity token.
type Login = func(ctx context.Context, at chart.Location) (username, password string, err error)

// FirstOf returns the first login that there is. An error ends the search: what is broken
// must not be answered by something else.
func FirstOf(logins ...Login) Login {
	return func(ctx context.Context, at chart.Location) (string, string, error) {
		for _, login := range logins {
			if login == nil {
				continue
			}
			if username, password, err := login(ctx, at); err != nil || username != "" || password != "" {
				return username, password, err
			}
		}
		return "", "", nil
	}
}

// credentials adapts chartgate's own logins to oras.
func credentials(ask Login) auth.CredentialFunc {
	return credentialsOf(func(host string) string { return "chartgate's credentials for " + host }, ask)
}

// credentialsOf is the same for anybody's; named says how messages call them. oras asks
// for the host that it connects to, in the context of the repository that is asked.
func credentialsOf(named func(host string) string, ask Login) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		at, _ := ctx.Value(repositoryKey{}).(chart.Location)
		if httpName(at.Host()) != host {
			return auth.EmptyCredential, nil
		}
		username, password, err := ask(ctx, at)
		switch {
		case err != nil:
			return auth.EmptyCredential, fmt.Errorf("%w: %w", fault{problem.KindUnauthorized, named(at.Host()) + " could not be read"}, err)
		case (username == "") != (password == ""):
			return auth.EmptyCredential, fault{problem.KindUnauthorized, named(at.Host()) + " lack the user name or the password"}
		case username == identityToken:
			return auth.Credential{RefreshToken: password}, nil
		}
		return auth.Credential{Username: username, Password: password}, nil
	}
}

// repositoryKey is that of the chart.Location which a request is about.
type repositoryKey struct{}

// asking is a context for requests to the repository, so that its own login is found.
func (r *repository) asking(ctx context.Context) context.Context {
	return context.WithValue(ctx, repositoryKey{}, r.at)
}

// tokenKey keeps the tokens of repositories apart: logins may differ by path, and for
// registries with Basic authentication oras itself knows only the host.
func tokenKey(ctx context.Context, key string) string {
	at, _ := ctx.Value(repositoryKey{}).(chart.Location)
	return at.Path() + " " + key
}

// loginAt gives credentials to the one host that they are for.
func loginAt(host string, login auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, asking string) (auth.Credential, error) {
		if login == nil || asking != httpName(host) {
			return auth.EmptyCredential, nil
		}
		return login(ctx, asking)
	}
}

// tokens is a cache of tokens that starts anew when it is full.
type tokens struct {
	max int

	mu      sync.Mutex
	current auth.Cache
	count   int
}

func newTokens(limit int) *tokens { return &tokens{max: limit, current: auth.NewCache()} }

// GetScheme implements auth.Cache.
func (t *tokens) GetScheme(ctx context.Context, host string) (auth.Scheme, error) {
	return t.cache(0).GetScheme(ctx, host)
}

// GetToken implements auth.Cache.
func (t *tokens) GetToken(ctx context.Context, host string, scheme auth.Scheme, key string) (string, error) {
	return t.cache(0).GetToken(ctx, host, scheme, tokenKey(ctx, key))
}

// Set implements auth.Cache. oras lets everybody who wants the same token wait for
// the first one's request; it may hang on a connection that is dead, so here
// everybody asks.
func (t *tokens) Set(ctx context.Context, host string, scheme auth.Scheme, key string, fetch func(context.Context) (string, error)) (string, error) {
	token, err := fetch(ctx)
	if err != nil {
		if _, own := errors.AsType[fault](err); !own && scheme == auth.SchemeBasic && !errors.Is(err, auth.ErrBasicCredentialNotFound) {
			// All that is left of what oras can refuse.
			err = fmt.Errorf("%w: %w", fault{problem.KindUnauthorized, "it requires a user name and password, and an identity token is neither"}, err)
		}
		return "", err
	}
	return t.cache(1).Set(ctx, host, scheme, tokenKey(ctx, key), func(context.Context) (string, error) { return token, nil })
}

// cache returns the cache in use, to which more entries are about to be added.
func (t *tokens) cache(more int) auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count += more; t.count > t.max {
		t.current, t.count = auth.NewCache(), more
	}
	return t.current
}
