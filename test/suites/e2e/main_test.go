// Package e2e_test tests the gate with real input: a real kube-apiserver sends real
// AdmissionReviews of Flux's and Argo CD's objects to the real binary, with the manifests that helm
// renders from charts/chartgate; charts are pushed by the real helm, and signed by the real cosign
// 2 and 3 (keys) or by test/fixtures/sigstore (keyless).
//
// Rows name registries that do not exist: ghcr.io is a registry on 127.0.0.1 with the referrers
// API, quay.io one without it, and down.example a port on which no server listens. Messages are
// translated back before they are compared.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) {
	harness.Main(m, &currentSite, &oldSite, &privateSite, &sharedShop)
}

var (
	sharedShop           harness.Shared[*shop]
	currentSite, oldSite harness.Shared[*site]
	privateSite          harness.Shared[*vip]
)

// theShop is the registries with their charts.
func theShop(t *testing.T) *shop {
	t.Helper()
	return sharedShop.Get(t, openShop)
}

// theSite is a cluster of today's Flux and Argo CD with chartgate and the policies of shop_test.go.
func theSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return currentSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, harness.Setup{Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}}})
	})
}

// theOldSite is a cluster of a Flux that still serves old versions. Its chartgate makes its
// certificate itself.
func theOldSite(t *testing.T) *site {
	t.Helper()
	s := theShop(t)
	return oldSite.Get(t, func(ctx context.Context) (*site, error) {
		return openSite(ctx, s, harness.Setup{Options: cluster.Options{CRDs: []string{"crds/flux-old"}}, ManagedCertificate: true})
	})
}

// site is a cluster with chartgate in it.
type site struct {
	*shop
	*harness.Site
}

// openSite installs chartgate with the policies of shop_test.go.
func openSite(ctx context.Context, s *shop, setup harness.Setup) (*site, error) {
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		return &site{shop: s}, err
	}
	setup.Namespaces, setup.Objects = []string{"apps", "argocd", "team-b"}, s.policies()
	setup.Local, setup.Public = s.local, s.public
	setup.Values = map[string]any{
		"argoNamespace": "argocd",
		"plainHTTP":     []string{s.registry.Host(), s.fallback.Host(), downHost},
		"trustedRoot":   map[string]any{"json": string(root)},
		"tracing":       map[string]any{"otlpEndpoint": s.collector.URL},
		"metrics":       map[string]any{"pprof": !setup.ManagedCertificate}, // on one site, and not on the other
		"env":           []any{map[string]any{"name": "VAULT_ADDR", "value": s.vault.URL()}, map[string]any{"name": "VAULT_TOKEN", "value": vaultToken}},
		"extraArgs":     []string{"--key-refresh=1s"},
	}
	w := &site{shop: s}
	w.Site, err = harness.Open(ctx, setup)
	return w, err
}

// Stop stops the cluster. Its log must hold no secret.
func (w *site) Stop() error {
	err := w.Site.Stop()
	if w.Site != nil && w.Gate != nil && strings.Contains(w.Gate.Log(), "canary") {
		err = errors.Join(err, fmt.Errorf("the log holds a secret:\n%s", w.Gate.Log()))
	}
	return err
}
