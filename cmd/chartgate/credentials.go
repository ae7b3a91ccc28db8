package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/registry"
)

// credentials returns the logins of --registry-config, of which the first file that has
// one for a repository counts; nil, which is anonymous, without the flag.
func (f *registryFlags) credentials() (registry.Login, error) {
	var files []registry.Login
	for _, file := range f.registryConfigs {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read --registry-config: %w", err)
		}
		files = append(files, registry.DockerConfig(file))
	}
	if len(files) == 0 {
		return nil, nil
	}
	return registry.FirstOf(files...), nil
}

// identity returns the logins of --registry-identity; nil without the flag.
func (f *registryFlags) identity() (registry.Login, error) {
	if len(f.registryIdentities) == 0 {
		return nil, nil
	}
	clouds, err := credentials.NewClouds()
	if err != nil {
		return nil, err
	}
	ask, err := clouds.Identity(f.registryIdentities)
	if err != nil {
		return nil, fmt.Errorf("--registry-identity: %w", err)
	}
	return ask, nil
}

// namedHosts are those to which the admin lets logins of consumers go: those of
// --login-hosts, and the mirrors.
func (f *serveFlags) namedHosts() ([]string, error) {
	named, err := canonicalHosts("--login-hosts", f.loginHosts)
	if err != nil {
		return nil, err
	}
	mirrors, err := f.mirrors()
	if err != nil {
		return nil, err
	}
	return append(named, mirrors.Hosts()...), nil
}

// consumers finds the credentials of Flux and Argo CD.
func (f *serveFlags) consumers(mgr manager.Manager) (*credentials.Resolver, error) {
	clouds, err := credentials.NewClouds()
	if err != nil {
		return nil, err
	}
	named, err := f.namedHosts()
	if err != nil {
		return nil, err
	}
	watcher, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return nil, fmt.Errorf("watch Argo CD's repository Secrets: %w", err)
	}
	resolver := credentials.New(credentials.Options{
		Reader: mgr.GetAPIReader(), Watcher: watcher, ArgoNamespace: f.argoNamespace, PlainHTTP: f.plainHTTP,
		Clouds: clouds, LoginHosts: named, Identities: f.registryIdentities, Log: mgr.GetLogger(),
	})
	return resolver, mgr.Add(resolver)
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
