package e2e_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// item is a chart in a registry: "ghcr.io/acme/charts/podinfo:6.7.1".
type item struct {
	place  string
	signed []signature
}

// signature signs the chart with the digest in a repository.
type signature func(ctx context.Context, s *shop, host, repository, digest string) error

// split takes "ghcr.io/acme/charts/podinfo:6.7.1" apart.
func split(place string) (host, repository, tag string) {
	name, tag, _ := strings.Cut(place, ":")
	host, repository, _ = strings.Cut(name, "/")
	return host, repository, tag
}

// publish pushes a chart with helm and signs it. The files replace those of a minimal chart, or are
// added.
func (s *shop) publish(ctx context.Context, i item, files ...charts.File) (digest string, err error) {
	host, repository, tag := split(i.place)
	archive, err := charts.Archive(path.Base(repository), strings.ReplaceAll(tag, "_", "+"), files...)
	if err != nil {
		return "", err
	}
	if digest, err = harness.HelmPush(ctx, archive, s.local(host+"/"+path.Dir(repository))); err != nil {
		return "", err
	}
	for _, sign := range i.signed {
		if err := sign(ctx, s, host, repository, digest); err != nil {
			return "", err
		}
	}
	return digest, nil
}

// keyPair is what `cosign generate-key-pair` makes.
type keyPair struct{ private, public, fingerprint string }

func (s *shop) generateKey(ctx context.Context, owner string) (keyPair, error) {
	prefix := s.file(owner)
	if _, err := (cluster.Command{
		Name: s.tools["cosign2"], Args: []string{"generate-key-pair", "--output-key-prefix", prefix}, Env: s.env(),
	}).Run(ctx); err != nil {
		return keyPair{}, err
	}
	public, err := os.ReadFile(prefix + ".pub")
	if err != nil {
		return keyPair{}, err
	}
	block, _ := pem.Decode(public)
	sum := sha256.Sum256(block.Bytes)
	return keyPair{private: prefix + ".key", public: string(public), fingerprint: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// env keeps the tools away from the user's credentials and caches. The keys have no
// password.
func (s *shop) env() []string {
	return []string{
		"HELM_CACHE_HOME=" + s.dir, "HELM_CONFIG_HOME=" + s.dir, "HELM_DATA_HOME=" + s.dir,
		"DOCKER_CONFIG=" + s.dir, "COSIGN_PASSWORD=",
	}
}

// cosign2 signs with the command line of cosign 2: a legacy signature.
func cosign2(owner string) signature {
	return cosign("cosign2", owner, "--tlog-upload=false")
}

// cosign3 signs with the command line of cosign 3: a bundle.
func cosign3(owner string) signature {
	return cosign("cosign3", owner, "--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=true")
}

func cosign(name, owner string, flags ...string) signature {
	return func(ctx context.Context, s *shop, host, repository, digest string) error {
		args := append([]string{"sign", "--key", s.keys[owner].private, "--allow-http-registry", "-y"}, flags...)
		_, err := cluster.Command{
			Name: s.tools[name], Args: append(args, s.local(host+"/"+repository+"@"+digest)), Env: s.env(),
		}.Run(ctx)
		return err
	}
}

// bundle is a signature in the form of cosign 3, keyless or with a key in memory.
func bundle(by sigstore.Signer, opts ...sigstore.Option) signature {
	return bundleIn(nil, by, opts...)
}

// bundleIn is bundle by another Sigstore than the shop's.
func bundleIn(other *sigstore.Sigstore, by sigstore.Signer, opts ...sigstore.Option) signature {
	return func(_ context.Context, s *shop, host, repository, digest string) error {
		return harness.Signing{Sigstore: cmp.Or(other, s.sigstore), By: by, Registry: s.at(host), Options: opts}.Bundle(repository, digest)
	}
}

// attestation is a keyless attestation of a chart, which is not a signature.
func attestation(by sigstore.Signer) signature {
	return func(_ context.Context, s *shop, host, repository, digest string) error {
		made, err := s.sigstore.Bundle(by, digest, "https://slsa.dev/provenance/v1", nil)
		if err != nil {
			return err
		}
		_, err = s.at(host).AttachBundle(repository, digest, made, nil)
		return err
	}
}

// legacy is a keyless signature in the form of cosign 2.
func legacy(by sigstore.Signer, opts ...sigstore.Option) signature {
	return func(_ context.Context, s *shop, host, repository, digest string) error {
		return harness.Signing{Sigstore: s.sigstore, By: by, Registry: s.at(host), Options: opts}.Legacy(repository, digest)
	}
}
