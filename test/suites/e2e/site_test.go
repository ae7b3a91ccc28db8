package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/config/samples"
	"github.com/chartgate/chartgate/test/env/cluster"
)

// site is a cluster with chartgate in it.
type site struct {
	*shop
	*cluster.Cluster
	install *cluster.Installation
	gate    *cluster.Process
}

// openSite installs chartgate. The policies are there before it starts, so they are in force as soon as it is ready.
func openSite(ctx context.Context, s *shop, crds []string, managed bool) (*site, error) {
	w := &site{shop: s}
	var err error
	if w.Cluster, err = cluster.Start(ctx, crds, []string{"apps", "argocd", "team-b"}); err != nil {
		return w, err
	}
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		return w, err
	}
	values := map[string]any{
		"plainHTTP":   []string{s.registry.Host(), s.fallback.Host(), downHost},
		"trustedRoot": map[string]any{"json": string(root)},
		"env":         []any{map[string]any{"name": "VAULT_ADDR", "value": s.vault.URL()}, map[string]any{"name": "VAULT_TOKEN", "value": vaultToken}},
		"extraArgs":   []string{"--key-refresh=1s"},
	}
	if w.install, err = w.Cluster.Install(ctx, values, managed); err != nil {
		return w, err
	}
	if err := w.applyText(ctx, w.policies()); err != nil {
		return w, err
	}
	w.gate, err = w.install.Run(ctx)
	return w, err
}

// Stop stops chartgate, which must end well, and the cluster.
func (w *site) Stop() error {
	var errs []error
	if w.gate != nil {
		errs = append(errs, w.gate.Stop())
		if strings.Contains(w.gate.Log(), "is forbidden") {
			errs = append(errs, fmt.Errorf("the chart's RBAC does not allow what chartgate does:\n%s", w.gate.Log()))
		}
		if strings.Contains(w.gate.Log(), "canary") {
			errs = append(errs, fmt.Errorf("the log holds a secret:\n%s", w.gate.Log()))
		}
	}
	if w.Cluster != nil {
		errs = append(errs, w.Cluster.Stop())
	}
	return errors.Join(errs...)
}

// applyText applies YAML with the names of registries that rows use.
func (w *site) applyText(ctx context.Context, text string) error {
	objects, err := cluster.Objects(w.local(text))
	if err != nil {
		return err
	}
	return w.Apply(ctx, objects...)
}

// sample is a manifest of config/samples. The break-glass key in it is replaced by ours: nobody has its private half.
func (s *shop) sample(name string) string {
	text, err := samples.FS().ReadFile(name)
	if err != nil {
		panic(err)
	}
	before, rest, found := strings.Cut(string(text), "-----BEGIN PUBLIC KEY-----")
	if !found {
		return string(text)
	}
	_, after, _ := strings.Cut(rest, "-----END PUBLIC KEY-----\n")
	return before + indented(s.keys["acme"].public, 6) + after
}

// indented is text to be put into YAML at a depth that its first line has already.
func indented(text string, depth int) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+strings.Repeat(" ", depth)) + "\n"
}
