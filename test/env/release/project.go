package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	registryserver "github.com/chartgate/chartgate/test/env/registry"
	"github.com/chartgate/chartgate/test/env/sigstore"
)

// Project is who publishes chartgate: the registry, the Sigstore that it signs with, and an issuer that knows its release
// workflow.
type Project struct {
	Registry *registryserver.Distribution
	Issuer   *sigstore.Issuer
	Sigstore *sigstore.Stack
	dir      string
}

// StartProject starts the project's servers. Stop stops them, also after an error.
func StartProject(ctx context.Context) (*Project, error) {
	p := &Project{}
	var err error
	if p.dir, err = os.MkdirTemp("", "chartgate-release-"); err != nil {
		return p, err
	}
	storage := filepath.Join(p.dir, "registry")
	if err := os.Mkdir(storage, 0o700); err != nil {
		return p, err
	}
	if p.Registry, err = registryserver.StartDistribution(ctx, storage, registryserver.DistributionOptions{}); err != nil {
		return p, err
	}
	if p.Issuer, err = sigstore.NewIssuer(); err != nil {
		return p, err
	}
	p.Sigstore, err = sigstore.Start(ctx, p.Issuer)
	return p, err
}

// Prefix is what the pages call ghcr.io/chartgate.
func (p *Project) Prefix() string { return p.Registry.Host() + "/chartgate" }

// Workflow is the workflow that releases a version, as "v0.1.0", and who it is to Sigstore.
func (p *Project) Workflow(version string) (definition string, by sigstore.Identity) {
	definition = "chartgate/chartgate/.github/workflows/release.yaml@refs/tags/" + version
	return definition, p.Issuer.Workflow("chartgate/chartgate", definition)
}

// Publish releases a version.
func (p *Project) Publish(ctx context.Context, version string) (*Release, error) {
	workflow, by := p.Workflow(version)
	flags, err := p.Sigstore.Flags(by)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(p.dir, version)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return Publish(ctx, dir, Options{Registry: p.Prefix(), Version: version, Sign: flags, Workflow: workflow})
}

// Log is what the servers have written, for a test that failed.
func (p *Project) Log() string { return p.Sigstore.Log() }

// Stop ends the servers.
func (p *Project) Stop() error {
	var errs []error
	if p.Sigstore != nil {
		errs = append(errs, p.Sigstore.Stop())
	}
	if p.Issuer != nil {
		p.Issuer.Close()
	}
	if p.Registry != nil {
		errs = append(errs, p.Registry.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}
