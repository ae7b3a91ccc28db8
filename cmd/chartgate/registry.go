package main

import (
	"crypto/x509"
	"errors"
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

	// What helm hands to the getter: a file with CAs as registryCA, and a login that goes before those
	// of registryConfigs; "" and nil otherwise.
	helmCA    string
	helmLogin registry.Login
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
	if f.registryCA == "" && f.helmCA == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's CAs: %w", err)
	}
	return pool, errors.Join(addCAs(pool, "--registry-ca", f.registryCA), addCAs(pool, "helm's --ca-file", f.helmCA))
}

// addCAs adds the CAs in a file, which a flag names; it may be "".
func addCAs(pool *x509.CertPool, flag, file string) error {
	if file == "" {
		return nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", flag, err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return fmt.Errorf("%s %s holds no certificate in PEM", flag, file)
	}
	return nil
}

// credentials returns the logins of --registry-config: that of the first file that has one for a
// repository. Without the flag it is nil, which is anonymous.
func (f *registryFlags) credentials() (registry.Login, error) {
	var logins []registry.Login
	if f.helmLogin != nil {
		logins = append(logins, f.helmLogin)
	}
	for _, file := range f.registryConfigs {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read --registry-config: %w", err)
		}
		logins = append(logins, registry.DockerConfig(file))
	}
	if len(logins) == 0 {
		return nil, nil
	}
	return registry.FirstOf(logins...), nil
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
