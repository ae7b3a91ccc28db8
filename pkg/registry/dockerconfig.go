package registry

import (
	"context"
	"fmt"
	"strings"

	docker "oras.land/oras-go/v2/registry/remote/credentials"
)

// DockerConfig returns the credentials in a Docker configuration file, as docker
// login and Secrets of type kubernetes.io/dockerconfigjson keep them, credential
// helpers included, for Options.Credentials. The file is read anew each time that a
// registry asks, because mounted Secrets are renewed in place. A host that it does not
// name is anonymous.
func DockerConfig(path string) func(context.Context, string) (username, password string, err error) {
	return func(ctx context.Context, host string) (string, string, error) {
		store, err := docker.NewStore(path, docker.StoreOptions{})
		if err != nil {
			return "", "", fmt.Errorf("read %s: %w", path, err)
		}
		found, err := store.Get(ctx, docker.ServerAddressFromRegistry(host))
		switch {
		case err != nil && strings.Contains(err.Error(), "decode auth"):
			return "", "", fmt.Errorf("read %s: the auth of %s is not base64 of user:password", path, host) // oras's text holds it
		case err != nil:
			return "", "", fmt.Errorf("read %s: %w", path, err)
		case found.RefreshToken != "":
			return identityToken, found.RefreshToken, nil
		case found.AccessToken != "":
			return "", "", fmt.Errorf("read %s: the entry of %s is a registry token, which serves one repository for some minutes", path, host)
		}
		return found.Username, found.Password, nil
	}
}
