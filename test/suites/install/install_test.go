// Package install_test follows docs/install.md on a real API server, with helm, kubectl and chartgate
// as the page uses them, from a cluster without chartgate to one that enforces and back.
package install_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestInstallPage runs every command of the page that is not marked, and compares what it prints with
// what the page shows.
func TestInstallPage(t *testing.T) {
	blocks, err := harness.ReadPage("docs", "install.md")
	if err != nil {
		t.Fatal(err)
	}
	s := prepare(t)
	shell, err := harness.OpenShell(t.Context(), s.dir, s.path, []string{"KUBECONFIG=" + s.Kubeconfig, "HOME=" + s.dir, "HELM_CACHE_HOME=" + s.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shell.Close)
	ran := 0
	for _, block := range blocks {
		if strings.HasPrefix(block.Mark, "not run") {
			continue
		}
		for i, step := range block.Steps {
			ran++
			// Only the last command of a block may be marked to fail.
			fails := strings.Contains(block.Mark, "fails") && i == len(block.Steps)-1
			if strings.HasPrefix(block.Mark, "down") {
				err = s.down(t.Context(), func() error { return run(shell, step, fails) })
			} else if strings.HasPrefix(block.Mark, "later") {
				err = s.eventually(shell, step)
			} else {
				err = run(shell, step, fails)
			}
			if errors.As(err, new(differs)) {
				t.Errorf("%s%v", step.Command, err)
				err = nil
			}
			if err == nil && strings.HasPrefix(step.Command, "helm ") {
				err = s.afterHelm(t.Context())
			}
			if err != nil {
				t.Fatalf("%s%v\n%s", step.Command, err, s.log())
			}
		}
	}
	if ran < 25 {
		t.Errorf("%d commands were run only: the test does not see them", ran)
	}
}

// differs is the error of output that is not as shown.
type differs struct{ error }

func run(shell *harness.Shell, step harness.Step, fails bool) error {
	printed, err := shell.Run(step.Command, fails)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, printed)
	}
	if err := step.CheckShown(printed); err != nil {
		return differs{err}
	}
	return nil
}

// eventually repeats a command until it prints what the page shows: what chartgate does a moment after
// a write.
func (s *site) eventually(shell *harness.Shell, step harness.Step) error {
	for deadline := time.Now().Add(harness.Patience); ; time.Sleep(100 * time.Millisecond) {
		err := run(shell, step, false)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// site is the cluster of the page.
type site struct {
	*cluster.Cluster
	dir, path string // the reader's folder, and that of their programs
	gate      *cluster.Process
}

// before is what runs in the cluster.
const before = `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: source-controller, namespace: flux-system}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: helm-controller, namespace: flux-system}}
`

func prepare(t *testing.T) *site {
	t.Helper()
	registry, root := publish(t)
	s := &site{dir: t.TempDir(), path: t.TempDir()}
	reports, err := cluster.Path("test", "fixtures", "reports")
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster, err = cluster.Start(t.Context(), cluster.Options{CRDs: []string{"crds/flux", reports}, Namespaces: []string{"apps", "shop", "flux-system"}})
	t.Cleanup(func() {
		if err := errors.Join(s.stop(), s.Cluster.Stop()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.reader(t.Context(), registry, root); err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Objects(before +
		harness.Source("HelmRepository", "apps/acme", `spec: {type: oci, url: "oci://ghcr.io/acme/charts"}`) +
		harness.HelmRelease("apps/podinfo", "spec: {interval: 10m, "+harness.FromRepository("acme", "podinfo", "6.7.1")+"}") +
		harness.HelmRelease("apps/reports", "spec: {interval: 10m, "+harness.FromRepository("acme", "reports", "1.4.0")+"}") +
		harness.Source("HelmRepository", "shop/stable", `spec: {url: "https://charts.example.com/stable"}`) +
		harness.HelmRelease("shop/wordpress", "spec: {interval: 10m, "+harness.FromRepository("stable", "wordpress", "15.2.0")+"}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	return s
}

// publish publishes charts: two versions of podinfo that are signed as the page trusts, a chart that is
// signed by another workflow, and one that is not signed.
func publish(t *testing.T) (registry *registrytest.Registry, root []byte) {
	t.Helper()
	trust, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = trust.TrustedRoot(); err != nil {
		t.Fatal(err)
	}
	registry = registrytest.New(registrytest.Options{})
	t.Cleanup(registry.Close)
	by := func(workflow string) *harness.Signing {
		return &harness.Signing{Sigstore: trust, Registry: registry, By: sigstore.Identity{
			Issuer: "https://token.actions.githubusercontent.com", Subject: "https://github.com/acme/" + workflow + "@refs/heads/main",
		}}
	}
	release := by("charts/.github/workflows/release.yaml")
	for _, c := range []struct {
		name, version string
		signed        *harness.Signing
	}{
		{"podinfo", "6.7.1", release},
		{"podinfo", "6.8.0", release},
		{"reports", "1.4.0", nil},
		{"billing", "2.0.0", by("billing/.github/workflows/build.yaml")},
	} {
		archive, err := charts.Archive(c.name, c.version)
		if err != nil {
			t.Fatal(err)
		}
		digest, _, err := registry.PushChart("acme/charts/"+c.name, c.version, archive)
		if err != nil {
			t.Fatal(err)
		}
		if c.signed == nil {
			continue
		}
		if err := c.signed.Bundle("acme/charts/"+c.name, digest); err != nil {
			t.Fatal(err)
		}
	}
	return registry, root
}

// reader makes the folder that the page starts with, and programs that know what differs from the
// reader's world: ghcr.io and Sigstore are on this machine.
func (s *site) reader(ctx context.Context, registry *registrytest.Registry, root []byte) error {
	binary, err := cluster.Chartgate(ctx)
	if err != nil {
		return err
	}
	if err := harness.PublishChartgate(ctx, registry, "0.1.0"); err != nil {
		return err
	}
	trusted := filepath.Join(s.path, "trusted_root.json")
	return errors.Join(
		os.WriteFile(trusted, root, 0o600),
		harness.Helm{Registry: registry.Host(), Image: "registry.acme.example/chartgate", TrustedRoot: root}.Write(s.path),
		os.WriteFile(filepath.Join(s.path, "chartgate"), fmt.Appendf(nil, `#!/bin/sh
command=$1
shift
exec %s "$command" --plain-http %s --registry-mirror ghcr.io=%s --trusted-root %s "$@"
`, binary, registry.Host(), registry.Host(), trusted), 0o700),
	)
}

// afterHelm does what controllers, a kubelet and kube-proxy do after helm: chartgate runs as the
// Deployment says, if there is one.
func (s *site) afterHelm(ctx context.Context) error {
	if err := s.stop(); err != nil {
		return err
	}
	out, err := s.Kubectl(ctx, "", "get", "deployment", "chartgate", "--namespace", cluster.Namespace, "--ignore-not-found", "--output", "name")
	if err != nil || out.Stdout == "" {
		return err
	}
	installation, err := s.Installed(ctx)
	if err != nil {
		return err
	}
	if s.gate, err = installation.Run(ctx); err != nil {
		return err
	}
	return s.gate.WaitUntil(ctx, s.asked)
}

// asked returns an error as long as the API server does not ask chartgate: it reads a changed
// configuration a moment later.
func (s *site) asked(ctx context.Context) error {
	probe := harness.Source("HelmRepository", "apps/probe", `spec: {type: oci, url: "oci://probe.example/charts"}`)
	out, err := s.Kubectl(ctx, probe, "create", "--dry-run=server", "-f", "-")
	if strings.Contains(out.Stderr, "NoPolicy") {
		return nil
	}
	return errors.Join(errors.New("the API server does not ask chartgate yet"), err)
}

// down does something while no chartgate runs.
func (s *site) down(ctx context.Context, do func() error) error {
	if err := s.stop(); err != nil {
		return err
	}
	return errors.Join(do(), s.afterHelm(ctx))
}

func (s *site) stop() error {
	if s.gate == nil {
		return nil
	}
	gate := s.gate
	s.gate = nil
	return gate.Stop()
}

func (s *site) log() string {
	if s.gate == nil {
		return ""
	}
	return s.gate.Log()
}
