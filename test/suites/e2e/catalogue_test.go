package e2e_test

import (
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// workflow is the identity of a workflow of GitHub Actions.
func workflow(repository, file string) sigstore.Identity {
	return sigstore.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "https://github.com/" + repository + "/.github/workflows/" + file + "@refs/heads/main",
		Claims:  map[string]string{"sourceRepositoryURI": "https://github.com/" + repository},
	}
}

// The people who sign, as config/samples/policies knows them, and one that it does not know.
func release() sigstore.Identity  { return workflow("acme/charts", "release.yaml") }
func stranger() sigstore.Identity { return workflow("mallory/charts", "release.yaml") }

// strangers are signatures in every form by people that no policy names.
func strangers() []signature {
	return []signature{bundle(stranger()), legacy(stranger()), cosign2("mallory"), cosign3("mallory"), attestation(stranger())}
}

// catalogue is everything that helm has pushed before the first test.
func catalogue() []item {
	items := []item{
		{"ghcr.io/acme/charts/unsigned:1.0.0", nil},
		{"ghcr.io/acme/charts/podinfo:6.8.0", nil},
		{"ghcr.io/acme/charts/podinfo:6.9.0_build.1", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/stranger:1.0.0", []signature{bundle(stranger())}},
		{"ghcr.io/acme/charts/stranger-legacy:1.0.0", []signature{legacy(stranger())}},
		{"ghcr.io/acme/charts/stranger-key3:1.0.0", []signature{cosign3("mallory")}},
		{"ghcr.io/acme/charts/stranger-key2:1.0.0", []signature{cosign2("mallory")}},
		{"ghcr.io/acme/charts/strangers:1.0.0", strangers()},
		{"ghcr.io/acme/charts/attested:1.0.0", []signature{attestation(release())}},
		{"ghcr.io/acme/charts/mixed:1.0.0", []signature{attestation(stranger()), cosign2("acme")}},
		{"ghcr.io/acme/charts/copied-legacy:1.0.0", nil},
		{"ghcr.io/acme/charts/copied-bundle:1.0.0", nil},
		{"ghcr.io/acme/charts/closed:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/broken:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/blind:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/slow:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/crowd:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/outage:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/charts/outage:1.1.0", nil},
		{"ghcr.io/acme/charts/late:1.0.0", nil},
		{"ghcr.io/acme/billing/invoice:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/floating/app:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/floating/app:1.1.0", []signature{bundle(release())}},
		{"ghcr.io/acme/floating/app:1.2.0-rc.1", []signature{bundle(release())}},
		{"ghcr.io/acme/floating/app:2.0.0", nil},
		{"ghcr.io/acme/pinned/app:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/regexp/app:1.0.0", []signature{bundle(workflow("acme/charts", "nightly.yaml"))}},
		{"ghcr.io/acme/both/app:1.0.0", []signature{bundle(release()), cosign2("acme")}},
		{"ghcr.io/acme/both/half:1.0.0", []signature{bundle(release())}},
		{"ghcr.io/acme/warn/app:1.0.0", nil},
		{"ghcr.io/acme/change/app:1.0.0", []signature{bundle(workflow("acme/change", "release.yaml"))}},
		{"ghcr.io/acme/unknown/app:1.0.0", []signature{bundle(release())}},
	}
	for _, host := range []string{"ghcr.io", "quay.io"} {
		items = append(items,
			item{host + "/acme/charts/podinfo:6.7.1", []signature{bundle(release())}},
			item{host + "/acme/charts/legacy:1.0.0", []signature{legacy(release())}},
			item{host + "/acme/charts/key3:1.0.0", []signature{cosign3("acme")}},
			item{host + "/acme/charts/key2:1.0.0", []signature{cosign2("acme")}},
			item{host + "/acme/charts/crowded:1.0.0", append(strangers(), bundle(release()))},
			item{host + "/acme/charts/crowded-legacy:1.0.0", append(strangers(), legacy(release()))},
		)
	}
	return append(items, item{"quay.io/acme/charts/bare:1.0.0", nil})
}

// publishForgeries adds what honest tools do not write: signatures of one chart attached to
// another, and an artifact that is not a chart. It makes two repositories unreadable.
func (s *shop) publishForgeries() error {
	podinfo := s.digest("ghcr.io/acme/charts/podinfo:6.7.1")
	payload, annotations, err := s.sigstore.Legacy(release(), s.local("ghcr.io/acme/charts/podinfo"), podinfo)
	if err != nil {
		return err
	}
	copied := s.digest("ghcr.io/acme/charts/copied-legacy:1.0.0")
	if err := s.registry.AttachLegacy("acme/charts/copied-legacy", copied, payload, annotations); err != nil {
		return err
	}
	made, err := s.sigstore.Bundle(release(), podinfo, sigstore.SignPredicateType, nil)
	if err != nil {
		return err
	}
	copied = s.digest("ghcr.io/acme/charts/copied-bundle:1.0.0")
	if _, err := s.registry.AttachBundle("acme/charts/copied-bundle", copied, made, nil); err != nil {
		return err
	}
	s.registry.Fail(`/acme/charts/closed/`, registrytest.Status(401))
	s.registry.Fail(`/acme/charts/broken/`, registrytest.Status(500))
	s.registry.Fail(`/acme/charts/blind/referrers/`, registrytest.Status(500))
	return s.publishManifests()
}

// publishManifests pushes signed manifests that are not a chart.
func (s *shop) publishManifests() error {
	const repository = "acme/charts/manifests"
	digest, err := s.registry.PushFluxArtifact(repository, "1.0.0", []byte("manifests"))
	if err != nil {
		return err
	}
	s.published["ghcr.io/"+repository+":1.0.0"] = digest
	return harness.Signing{Sigstore: s.sigstore, By: release(), Registry: s.registry}.Bundle(repository, digest)
}
