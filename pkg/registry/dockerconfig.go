package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	docker "oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/chartgate/chartgate/pkg/chart"
)

// dockerFile is what matters of a Docker configuration file.
type dockerFile struct {
	// Auths are read one by one: what is wrong with one host is no reason to refuse others.
	Auths       map[string]json.RawMessage `json:"auths"`
	Helpers     map[string]string          `json:"credHelpers"`
	HelperOfAll string                     `json:"credsStore"`
}

// DockerConfig returns the credentials in a Docker configuration file, as docker login
// and Secrets of type kubernetes.io/dockerconfigjson keep them, credential helpers
// included, for Options.Credentials. The file is read anew each time that a registry
// asks, because mounted Secrets are renewed in place.
//
// Of several entries for a host the one with the longest path that the repository is at or
// below counts, as in containers/image; then the host's own, from its credential helper if
// there is one; then none.
func DockerConfig(path string) Login {
	return func(ctx context.Context, at chart.Location) (string, string, error) {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", "", err // it names the path
		}
		var file dockerFile
		if len(content) > 0 {
			if err := json.Unmarshal(content, &file); err != nil {
				return "", "", fmt.Errorf("read %s: it is no valid Docker configuration", path) // the error may quote a login
			}
		}
		key, fit := file.best(at)
		address := docker.ServerAddressFromRegistry(at.Host())
		if helper := file.Helpers[address] != "" || file.HelperOfAll != ""; helper && fit.length == 0 {
			return fromHelper(ctx, path, address)
		}
		login, err := file.auth(key)
		if err != nil {
			return "", "", fmt.Errorf("read %s: the login of %s is of another type than Docker's", path, key)
		}
		username, password, err := login.Login()
		if err != nil {
			return "", "", fmt.Errorf("read %s: the login of %s: %w", path, key, err)
		}
		return username, password, nil
	}
}

// best returns the key of the entry that counts, "" if there is none. Entries without
// anything in them only mark hosts that a credential helper knows.
func (f dockerFile) best(at chart.Location) (key string, best DockerFit) {
	for _, candidate := range slices.Sorted(maps.Keys(f.Auths)) {
		fit := FitDocker(candidate, at)
		if !fit.Certain() || fit.Compare(best) <= 0 {
			continue
		}
		if login, err := f.auth(candidate); err == nil && login == (DockerAuth{}) {
			continue
		}
		key, best = candidate, fit
	}
	return key, best
}

// auth returns the login under a key; without the key, one of nothing.
func (f dockerFile) auth(key string) (login DockerAuth, err error) {
	if raw, ok := f.Auths[key]; ok {
		err = json.Unmarshal(raw, &login)
	}
	return login, err
}

// fromHelper asks the credential helper of a host.
func fromHelper(ctx context.Context, path, address string) (username, password string, err error) {
	store, err := docker.NewStore(path, docker.StoreOptions{})
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", path, err)
	}
	found, err := store.Get(ctx, address)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("read %s: %w", path, err)
	case found.RefreshToken != "":
		return identityToken, found.RefreshToken, nil
	default:
		return found.Username, found.Password, nil
	}
}
