package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/registry"
)

// login returns a user name and password for a host; both empty is none.
type login = func(ctx context.Context, host string) (username, password string, err error)

// credentials returns chartgate's own: those of --registry-config and, where it names
// none for a host, those of --registry-identity. Without either flag it returns nil,
// which is anonymous.
func (f *registryFlags) credentials() (login, error) {
	var ways []login
	for _, file := range f.registryConfigs {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read --registry-config: %w", err)
		}
		ways = append(ways, registry.DockerConfig(file))
	}
	if len(f.registryIdentities) > 0 {
		identity, err := identity(f.registryIdentities)
		if err != nil {
			return nil, fmt.Errorf("--registry-identity: %w", err)
		}
		ways = append(ways, identity)
	}
	if len(ways) == 0 {
		return nil, nil
	}
	return first(ways), nil
}

func identity(names []string) (login, error) {
	clouds, err := credentials.NewClouds()
	if err != nil {
		return nil, err
	}
	return clouds.Identity(names)
}

// first returns the first login that there is. An error ends the search: what is broken
// must not be answered by something else.
func first(ways []login) login {
	return func(ctx context.Context, host string) (string, string, error) {
		for _, way := range ways {
			if username, password, err := way(ctx, host); err != nil || username != "" || password != "" {
				return username, password, err
			}
		}
		return "", "", nil
	}
}

// consumers finds the credentials of Flux and Argo CD. The reader must not be cached.
func (f *serveFlags) consumers(live client.Reader) (*credentials.Connector, error) {
	clouds, err := credentials.NewClouds()
	if err != nil {
		return nil, err
	}
	return credentials.New(credentials.Options{Reader: live, ArgoNamespace: f.argoNamespace, PlainHTTP: f.plainHTTP, Clouds: clouds}), nil
}

// dockerConfig returns where docker login keeps credentials, nothing if nobody has
// logged in.
func dockerConfig() []string {
	folder := os.Getenv("DOCKER_CONFIG")
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		folder = filepath.Join(home, ".docker")
	}
	file := filepath.Join(folder, "config.json")
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	return []string{file}
}
