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

// Sign attaches a signature of a chart in a bundle, as cosign 3 makes it.
func Sign(with *sigstore.Sigstore, by sigstore.Signer, to *registrytest.Registry, repository, digest string, opts ...sigstore.Option) error {
	bundle, err := with.Bundle(by, digest, sigstore.SignPredicateType, nil, opts...)
	if err != nil {
		return err
	}
	_, err = to.AttachBundle(repository, digest, bundle, nil)
	return err
}

// SignLegacy attaches a signature of a chart under the tag .sig, as cosign 2 makes it.
func SignLegacy(with *sigstore.Sigstore, by sigstore.Signer, to *registrytest.Registry, repository, digest string, opts ...sigstore.Option) error {
	payload, annotations, err := with.Legacy(by, to.Host()+"/"+repository, digest, opts...)
	if err != nil {
		return err
	}
	return to.AttachLegacy(repository, digest, payload, annotations)
}
