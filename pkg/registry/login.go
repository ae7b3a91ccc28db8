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

// identityToken is the user name by which Docker's credential helpers mark a password as an
// identity token (https://github.com/docker/docker-credential-helpers#development).
const identityToken = "<token>"

// Login returns the user name and password for a repository; if both are empty, there is no login.
// The user name "<token>" makes the password an identity token.
type Login = func(ctx context.Context, at chart.Location) (username, password string, err error)

// FirstOf returns the first login that exists. An error ends the search: a login that cannot be
// read must not be replaced by another one.
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
func credentials(login Login) auth.CredentialFunc {
	return credentialsOf(func(host string) string { return "chartgate's credentials for " + host }, login)
}

// credentialsOf adapts a login to oras; name is what messages call it. oras asks for the host that
// it connects to, in the context of the request.
func credentialsOf(name func(host string) string, login Login) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		at := optionsOf(ctx).at
		if httpName(at.Host()) != host {
			return auth.EmptyCredential, nil
		}
		username, password, err := login(ctx, at)
		switch {
		case err != nil:
			return auth.EmptyCredential, fmt.Errorf("%w: %w", requestError{problem.KindUnauthorized, name(at.Host()) + " could not be read", ""}, err)
		case (username == "") != (password == ""):
			return auth.EmptyCredential, requestError{problem.KindUnauthorized, name(at.Host()) + " lack the user name or the password", ""}
		case username == identityToken:
			return auth.Credential{RefreshToken: password}, nil
		}
		return auth.Credential{Username: username, Password: password}, nil
	}
}

// loginOf adapts the login of a connection to oras; nil means no login.
func loginOf(connection Connection) auth.CredentialFunc {
	if connection.Login == nil {
		return nil
	}
	return credentialsOf(func(string) string { return "they" },
		func(ctx context.Context, _ chart.Location) (string, string, error) { return connection.Login(ctx) })
}

// loginAt uses a login for its own host only.
func loginAt(host string, login auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, asking string) (auth.Credential, error) {
		if login == nil || asking != httpName(host) {
			return auth.EmptyCredential, nil
		}
		return login(ctx, asking)
	}
}

// tokens is an auth.Cache of limited size. It starts again with an empty cache when it is full.
// Tokens of different repositories are kept apart: logins may differ by path, and with Basic
// authentication oras knows only the host.
type tokens struct {
	max int

	mu      sync.Mutex
	current auth.Cache
	count   int
	paths   map[string]bool // of the repositories with a token
}

func newTokens(limit int) *tokens {
	return &tokens{max: limit, current: auth.NewCache(), paths: map[string]bool{}}
}

// GetScheme implements auth.Cache.
func (t *tokens) GetScheme(ctx context.Context, host string) (auth.Scheme, error) {
	return t.cache().GetScheme(ctx, host)
}

// GetToken implements auth.Cache.
func (t *tokens) GetToken(ctx context.Context, host string, scheme auth.Scheme, key string) (string, error) {
	return t.cache().GetToken(ctx, host, scheme, tokenKey(ctx, key))
}

// Set implements auth.Cache. oras lets all requests for the same token wait for the first one,
// which may hang on a dead connection. So here each of them fetches the token itself.
func (t *tokens) Set(ctx context.Context, host string, scheme auth.Scheme, key string, fetch func(context.Context) (string, error)) (string, error) {
	token, err := fetch(ctx)
	if err != nil {
		if _, known := errors.AsType[requestError](err); !known && scheme == auth.SchemeBasic && !errors.Is(err, auth.ErrBasicCredentialNotFound) {
			// Only one of oras's errors is left.
			err = fmt.Errorf("%w: %w", requestError{problem.KindUnauthorized, "it requires a user name and password, and an identity token is neither", ""}, err)
		}
		return "", err
	}
	cached := func(context.Context) (string, error) { return token, nil }
	return t.cacheFor(optionsOf(ctx).at.Path()).Set(ctx, host, scheme, tokenKey(ctx, key), cached)
}

// has reports whether the repository with the path has a token, which may have expired.
func (t *tokens) has(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paths[path]
}

func (t *tokens) cache() auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// cacheFor returns the cache to which a token of the repository with the path is about to be added.
func (t *tokens) cacheFor(path string) auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count++; t.count > t.max {
		t.current, t.count, t.paths = auth.NewCache(), 1, map[string]bool{}
	}
	t.paths[path] = true
	return t.current
}

func tokenKey(ctx context.Context, key string) string { return optionsOf(ctx).at.Path() + " " + key }
