package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/test/harness"
)

// site is a cluster with chartgate in it.
type site struct {
	*shop
	*harness.Site
}

// openSite installs chartgate with the policies of policies_test.go.
func openSite(ctx context.Context, s *shop, setup harness.Setup) (*site, error) {
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		return &site{shop: s}, err
	}
	setup.Namespaces, setup.Objects = []string{"apps", "argocd", "team-b"}, s.policies()
	setup.Local, setup.Public = s.local, s.public
	setup.Values = map[string]any{
		"plainHTTP":   []string{s.registry.Host(), s.fallback.Host(), downHost},
		"trustedRoot": map[string]any{"json": string(root)},
		"env":         []any{map[string]any{"name": "VAULT_ADDR", "value": s.vault.URL()}, map[string]any{"name": "VAULT_TOKEN", "value": vaultToken}},
		"extraArgs":   []string{"--key-refresh=1s"},
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
