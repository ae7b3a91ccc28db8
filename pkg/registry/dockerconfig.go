package registry

import (
	"context"
	"errors"
	"fmt"

	docker "oras.land/oras-go/v2/registry/remote/credentials"
)

// DockerConfig returns the credentials in a Docker configuration file, as docker
// login and Secrets of type kubernetes.io/dockerconfigjson keep them, credential
// helpers included. The file is read anew each time a registry asks, because
// mounted Secrets are renewed in place. A host that it does not name is anonymous.
func DockerConfig(path string) func(context.Context, string) (username, password string, err error) {
	return func(ctx context.Context, host string) (string, string, error) {
		store, err := docker.NewStore(path, docker.StoreOptions{})
		if err != nil {
			return "", "", fmt.Errorf("read %s: %w", path, err)
		}
		found, err := store.Get(ctx, docker.ServerAddressFromRegistry(host))
		switch {
		case err != nil:
			return "", "", fmt.Errorf("read %s: %w", path, err)
		case found.Username == "" && (found.RefreshToken != "" || found.AccessToken != ""):
			return "", "", errors.New("the entry is an identity token, not a user name and password")
		}
		return found.Username, found.Password, nil
	}
}
