package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/pflag"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// registryFlags are the flags about the way to registries.
type registryFlags struct {
	registryConfigs []string
	registryCA      string
	registryMirrors []string
	// registryIdentities are clouds.
	registryIdentities []string
	plainHTTP          []string
	// instrument wraps the way to registries, for metrics. It may be nil.
	instrument func(http.RoundTripper) http.RoundTripper
	// connect finds the credentials of those who pull charts. It may be nil.
	connect func(ctx context.Context, access sourceauth.Auth, at chart.Location) (registry.Connection, error)
}

func (f *registryFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.registryConfigs, "registry-config", nil, "Docker configuration `file` with credentials for registries (repeatable; the first that names a registry counts for it)")
	flags.StringVar(&f.registryCA, "registry-ca", "", "PEM `file` with CAs to trust for registries, their token services and the mirrors of trust roots, beside the system's; read at start")
	flags.StringSliceVar(&f.registryIdentities, "registry-identity", nil, "`clouds` (aws, azure, gcp) whose registries chartgate logs in to with its own identity there, whatever the chart's source says")
	flags.StringArrayVar(&f.registryMirrors, "registry-mirror", nil, "`FROM=TO`: what is at or below FROM, a registry or a path in one, is asked for at TO (repeatable; the longest FROM counts)")
	flags.StringArrayVar(&f.plainHTTP, "plain-http", nil, "registry `host[:port]` to be spoken to over plain HTTP (repeatable)")
}

// client checks the flags and makes the client.
func (f *registryFlags) client() (*registry.Client, error) {
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
	return registry.New(registry.Options{
		PlainHTTP: plainHTTP, Instrument: f.instrument, RootCAs: cas,
		Credentials: credentials, Identity: identity, Mirrors: mirrors, Connect: f.connect,
	}), nil
}

func (f *registryFlags) mirrors() (registry.Mirrors, error) {
	mirrors, err := registry.ParseMirrors(f.registryMirrors)
	if err != nil {
		return registry.Mirrors{}, fmt.Errorf("--registry-mirror %w", err)
	}
	return mirrors, nil
}

// cas returns nil, which is the system's, without --registry-ca.
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
