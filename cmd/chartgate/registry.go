package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/registry"
)

// registryFlags are the flags about the way to registries.
type registryFlags struct {
	registryConfigs []string
	registryCA      string
	registryMirrors []string
	// registryIdentities are names of clouds.
	registryIdentities []string
	plainHTTP          []string
}

func (f *registryFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.registryConfigs, "registry-config", nil, "Docker configuration `file` with credentials for registries (repeatable; the first file that names a registry is used for it)")
	flags.StringVar(&f.registryCA, "registry-ca", "", "PEM `file` with CAs to trust for registries, their token services and the mirrors of trust roots, in addition to the system's; read at start")
	flags.StringSliceVar(&f.registryIdentities, "registry-identity", nil, "`clouds` (aws, azure, gcp) whose registries chartgate logs in to with its own cloud identity, for all charts")
	flags.StringArrayVar(&f.registryMirrors, "registry-mirror", nil, "`FROM=TO`: repositories at or below FROM (a registry, or a path in one) are read from TO (repeatable; the longest FROM is used)")
	flags.StringArrayVar(&f.plainHTTP, "plain-http", nil, "registry `host[:port]` that chartgate reaches over plain HTTP (repeatable)")
}

// client checks the flags and makes the client. They fill in the options that are not for a cluster
// alone.
func (f *registryFlags) client(options registry.Options) (*registry.Client, error) {
	plainHTTP, err := canonicalHosts("--plain-http", f.plainHTTP)
	if err != nil {
		return nil, err
	}
	credentials, err := f.credentials()
	if err != nil {
		return nil, err
	}
	identity, err := f.identity()
	if err != nil {
		return nil, err
	}
	cas, err := f.cas()
	if err != nil {
		return nil, err
	}
	mirrors, err := f.mirrors()
	if err != nil {
		return nil, err
	}
	options.PlainHTTP, options.RootCAs, options.Mirrors = plainHTTP, cas, mirrors
	options.Credentials, options.Identity = credentials, identity
	return registry.New(options), nil
}

func (f *registryFlags) mirrors() (registry.Mirrors, error) {
	mirrors, err := registry.ParseMirrors(f.registryMirrors)
	if err != nil {
		return registry.Mirrors{}, fmt.Errorf("--registry-mirror %w", err)
	}
	return mirrors, nil
}

// cas returns the system's CAs and those of --registry-ca; nil, which is the system's, without the
// flag.
func (f *registryFlags) cas() (*x509.CertPool, error) {
	if f.registryCA == "" {
		return nil, nil
	}
	content, err := os.ReadFile(f.registryCA)
	if err != nil {
		return nil, fmt.Errorf("read --registry-ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's CAs: %w", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--registry-ca %s holds no certificate in PEM", f.registryCA)
	}
	return pool, nil
}

// credentials returns the logins of --registry-config: that of the first file that has one for a
// repository. Without the flag it is nil, which is anonymous.
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

// dockerConfig returns the file in which docker login keeps credentials, if it exists.
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
