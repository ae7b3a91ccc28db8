package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// HelmPush pushes a chart archive with helm over plain HTTP to a place such as
// "127.0.0.1:5000/acme/charts", and returns the digest that helm prints.
func HelmPush(ctx context.Context, archive []byte, place string) (digest string, err error) {
	dir, err := os.MkdirTemp("", "chartgate-push-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "chart.tgz")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return "", err
	}
	out, err := cluster.Helm(ctx, "", "push", file, "oci://"+place, "--plain-http")
	if err != nil {
		return "", err
	}
	return PushedDigest(out.Stdout + out.Stderr)
}

var pushed = regexp.MustCompile(`Digest: (sha256:[0-9a-f]{64})`)

// PushedDigest finds the digest in what helm push prints.
func PushedDigest(printed string) (string, error) {
	found := pushed.FindStringSubmatch(printed)
	if found == nil {
		return "", fmt.Errorf("helm push names no digest: %s", printed)
	}
	return found[1], nil
}

// Signing signs charts in a registry.
type Signing struct {
	Sigstore *sigstore.Sigstore
	By       sigstore.Signer
	Registry *registrytest.Registry
	Options  []sigstore.Option
}

// Bundle attaches a signature in a bundle, as cosign 3 makes it.
func (s Signing) Bundle(repository, digest string) error {
	bundle, err := s.Sigstore.Bundle(s.By, digest, sigstore.SignPredicateType, nil, s.Options...)
	if err != nil {
		return err
	}
	_, err = s.Registry.AttachBundle(repository, digest, bundle, nil)
	return err
}

// Legacy attaches a signature under the tag .sig, as cosign 2 makes it.
func (s Signing) Legacy(repository, digest string) error {
	payload, annotations, err := s.Sigstore.Legacy(s.By, s.Registry.Host()+"/"+repository, digest, s.Options...)
	if err != nil {
		return err
	}
	return s.Registry.AttachLegacy(repository, digest, payload, annotations)
}
