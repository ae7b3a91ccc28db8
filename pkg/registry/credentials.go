package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
)

// identityToken is the user name by which Docker's credential helpers mark a password
// as an identity token
// (https://github.com/docker/docker-credential-helpers#development).
const identityToken = "<token>"

// credentials adapts Options.Credentials to oras.
func credentials(ask func(context.Context, string) (string, string, error)) auth.CredentialFunc {
	if ask == nil {
		return nil // anonymous
	}
	return credentialsOf(func(host string) string { return "chartgate's credentials for " + host }, ask)
}

// credentialsOf is the same for anybody's; named says how messages call them. oras asks
// for the host that it connects to.
func credentialsOf(named func(host string) string, ask func(context.Context, string) (string, string, error)) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		if host == dockerHubRegistry {
			host = dockerHub
		}
		username, password, err := ask(ctx, host)
		switch {
		case err != nil:
			return auth.EmptyCredential, fmt.Errorf("%w: %w", fault{chart.KindUnauthorized, named(host) + " could not be read"}, err)
		case (username == "") != (password == ""):
			return auth.EmptyCredential, fault{chart.KindUnauthorized, named(host) + " lack the user name or the password"}
		case username == identityToken:
			return auth.Credential{RefreshToken: password}, nil
		}
		return auth.Credential{Username: username, Password: password}, nil
	}
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
	return t.cache(0).GetToken(ctx, host, scheme, key)
}

// Set implements auth.Cache. oras lets everybody who wants the same token wait for
// the first one's request; it may hang on a connection that is dead, so here
// everybody asks.
func (t *tokens) Set(ctx context.Context, host string, scheme auth.Scheme, key string, fetch func(context.Context) (string, error)) (string, error) {
	token, err := fetch(ctx)
	if err != nil {
		if _, own := errors.AsType[fault](err); !own && scheme == auth.SchemeBasic && !errors.Is(err, auth.ErrBasicCredentialNotFound) {
			// All that is left of what oras can refuse.
			err = fmt.Errorf("%w: %w", fault{chart.KindUnauthorized, "it wants a user name and password, and an identity token is neither"}, err)
		}
		return "", err
	}
	return t.cache(1).Set(ctx, host, scheme, key, func(context.Context) (string, error) { return token, nil })
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
