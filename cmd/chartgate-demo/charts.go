package main

import (
	"fmt"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// The people of the demo, as config/samples/policies knows them.
func acmeRelease() sigstore.Identity {
	return sigstore.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
		Claims:  map[string]string{"sourceRepositoryURI": "https://github.com/acme/charts"},
	}
}

func stranger() sigstore.Identity {
	return sigstore.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/mallory/charts/.github/workflows/release.yaml@refs/heads/main",
		Claims:  map[string]string{"sourceRepositoryURI": "https://github.com/mallory/charts"},
	}
}

const (
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	slsaPredicate = "https://slsa.dev/provenance/v1"
)

// demoChart is a chart of the demo's registry and what is attached to it.
type demoChart struct {
	name, version string
	by            *sigstore.Identity
	predicate     string
}

func demoCharts() []demoChart {
	trusted, other := acmeRelease(), stranger()
	return []demoChart{
		{"podinfo", "6.7.1", &trusted, signPredicate},
		{"unsigned", "1.0.0", nil, ""},
		{"stranger", "1.0.0", &other, signPredicate},
		{"attested", "1.0.0", &trusted, slsaPredicate},
	}
}

func pushDemoCharts(to *registrytest.Registry, trust *sigstore.Sigstore) error {
	for _, c := range demoCharts() {
		if err := pushDemoChart(to, trust, c); err != nil {
			return fmt.Errorf("push chart %s: %w", c.name, err)
		}
	}
	return nil
}

func pushDemoChart(to *registrytest.Registry, trust *sigstore.Sigstore, c demoChart) error {
	archive, err := charts.Archive(c.name, c.version)
	if err != nil {
		return err
	}
	repository := "acme/charts/" + c.name
	digest, _, err := to.PushChart(repository, c.version, archive)
	if err != nil || c.by == nil {
		return err
	}
	bundle, err := trust.Bundle(*c.by, digest, c.predicate, nil)
	if err != nil {
		return err
	}
	_, err = to.AttachBundle(repository, digest, bundle, nil)
	return err
}
