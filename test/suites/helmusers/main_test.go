// Package helmusers_test is about people who use helm itself: the real helm 3 and helm 4, with
// chartgate's plugins as hack/plugins/pack.sh packs them, a registry server, and an API server with
// the guard rail of docs/helm-users.md.
package helmusers_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	registryserver "github.com/chartgate/chartgate/test/env/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &shared) }

var shared harness.Shared[*site]

func theSite(t *testing.T) *site {
	t.Helper()
	return shared.Get(t, open)
}

// site is the world of helm's users. Rows call its registry ghcr.io.
type site struct {
	*cluster.Cluster
	dir       string
	sigstore  *sigstore.Sigstore
	registry  *registryserver.Distribution
	private   *registryserver.Distribution // wants a login
	published map[string]published         // by name:version
	plugins   *httptest.Server             // where plugins are downloaded
}

func open(ctx context.Context) (*site, error) {
	s := &site{published: map[string]published{}}
	var err error
	if s.dir, err = os.MkdirTemp("", "chartgate-helmusers-"); err != nil {
		return s, err
	}
	for _, do := range []func(context.Context) error{s.startRegistries, s.publish, s.writeRoot, s.installPlugins, s.startCluster} {
		if err := do(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Stop implements harness.Stopper.
func (s *site) Stop() error {
	var errs []error
	if s.Cluster != nil {
		errs = append(errs, s.Cluster.Stop())
	}
	if s.plugins != nil {
		s.plugins.Close()
	}
	for _, registry := range []*registryserver.Distribution{s.registry, s.private} {
		if registry != nil {
			errs = append(errs, registry.Stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

func (s *site) startRegistries(ctx context.Context) error {
	open, private := filepath.Join(s.dir, "registry"), filepath.Join(s.dir, "private")
	err := errors.Join(os.Mkdir(open, 0o700), os.Mkdir(private, 0o700))
	if err != nil {
		return err
	}
	if s.registry, err = registryserver.StartDistribution(ctx, open, registryserver.DistributionOptions{}); err != nil {
		return err
	}
	s.private, err = registryserver.StartDistribution(ctx, private, registryserver.DistributionOptions{Username: username, Password: password})
	return err
}

// The accounts that deploy, with every right that RBAC can give: deployer is one that the guard rail
// names, and jane is not.
const accounts = `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: ci}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: jane, namespace: ci}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: deploy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: deployer, namespace: ci}
- {kind: ServiceAccount, name: jane, namespace: ci}
---
`

// startCluster starts an API server with chartgate's policies and the guard rail.
func (s *site) startCluster(ctx context.Context) error {
	definitions, err := cluster.Path("config", "crd")
	if err != nil {
		return err
	}
	if s.Cluster, err = cluster.Start(ctx, cluster.Options{CRDs: []string{definitions}, Namespaces: []string{"ci"}}); err != nil {
		return err
	}
	rail, err := guardRail()
	if err != nil {
		return err
	}
	trust, err := s.trustRoot()
	if err != nil {
		return err
	}
	objects, err := cluster.Objects(accounts + rail + s.policies(s.registry.Host()) + trust)
	if err != nil {
		return err
	}
	if err := s.Apply(ctx, objects...); err != nil {
		return err
	}
	return errors.Join(
		s.WriteKubeconfig(ctx, s.kubeconfig("deployer"), "ci", "deployer"),
		s.WriteKubeconfig(ctx, s.kubeconfig("jane"), "ci", "jane"))
}

// kubeconfig is that of an account.
func (s *site) kubeconfig(account string) string { return filepath.Join(s.dir, account+".kubeconfig") }
