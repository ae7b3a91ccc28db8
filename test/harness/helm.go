package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// PublishChartgate publishes the chart of the checkout under a version, where pages say
// oci://ghcr.io/chartgate/charts/chartgate. It names no image, unlike that of a release.
func PublishChartgate(ctx context.Context, registry *registrytest.Registry, version string) error {
	source, err := cluster.Path("charts", "chartgate")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chartgate-chart-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := cluster.Helm(ctx, "", "package", source, "--destination", dir, "--version", version, "--app-version", version); err != nil {
		return err
	}
	archive, err := os.ReadFile(filepath.Join(dir, "chartgate-"+version+".tgz"))
	if err != nil {
		return err
	}
	_, _, err = registry.PushChart("chartgate/charts/chartgate", version, archive)
	return err
}

// Helm is the helm of a page's reader. It knows what differs from the reader's world: ghcr.io is a
// registry on this machine, which speaks HTTP, and trust in Sigstore is trust in another one.
type Helm struct {
	Registry    string
	Image       string // the repository that the chart of the checkout does not name
	TrustedRoot []byte
	Flags       []string // of install and upgrade, beside those of the page
}

// Write writes it into a folder with programs.
func (h Helm) Write(programs string) error {
	helm, err := cluster.Tool("helm")
	if err != nil {
		return err
	}
	values := filepath.Join(programs, "values.yaml")
	return errors.Join(
		os.WriteFile(values, fmt.Appendf(nil, "image: {repository: %q}\nplainHTTP: [%q]\nregistry: {mirrors: {ghcr.io: %q}}\ntrustedRoot: {json: %q}\n",
			h.Image, h.Registry, h.Registry, h.TrustedRoot), 0o600),
		os.WriteFile(filepath.Join(programs, "helm"), fmt.Appendf(nil, `#!/bin/bash
arguments=("${@/#oci:\/\/ghcr.io/oci://%[1]s}")
case $1 in
install | upgrade) arguments+=(--values %[2]s --plain-http %[4]s) ;;
esac
printed=$(%[3]s "${arguments[@]}" 2>&1)
code=$?
[ -z "$printed" ] || printf '%%s\n' "${printed//%[1]s/ghcr.io}"
exit $code
`, h.Registry, values, helm, strings.Join(h.Flags, " ")), 0o700),
	)
}
