package registry

import (
	"context"
	"fmt"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
)

// credentials adapts Options.Credentials to oras, which asks for the host that it
// connects to.
func credentials(ask func(context.Context, string) (string, string, error)) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		if ask == nil {
			return auth.EmptyCredential, nil
		}
		if host == dockerHubRegistry {
			host = dockerHub
		}
		username, password, err := ask(ctx, host)
		switch {
		case err != nil:
			return auth.EmptyCredential, fmt.Errorf("%w: %w", fault{chart.KindUnauthorized, "chartgate's credentials for " + host + " could not be read"}, err)
		case (username == "") != (password == ""):
			return auth.EmptyCredential, fault{chart.KindUnauthorized, "chartgate's credentials for " + host + " lack the user name or the password"}
		}
		return auth.Credential{Username: username, Password: password}, nil
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
