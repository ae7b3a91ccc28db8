package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chartgate/chartgate/config/samples"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/otlp"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/vault"
	"github.com/chartgate/chartgate/test/harness"
)

// downHost is down.example: programs do not get such a low port by chance.
const downHost = "127.0.0.1:1"

// shop is the source of charts: registries, the keys of signers, and the published charts.
type shop struct {
	dir       string
	tools     map[string]string
	registry  *registrytest.Registry // ghcr.io
	fallback  *registrytest.Registry // quay.io
	sigstore  *sigstore.Sigstore
	vault     *vault.Vault
	collector *otlp.Collector
	keys      map[string]keyPair // by owner
	published map[string]string  // "ghcr.io/acme/charts/podinfo:6.7.1" → digest
}

func openShop(ctx context.Context) (*shop, error) {
	s := &shop{
		registry: registrytest.New(registrytest.Options{}),
		fallback: registrytest.New(registrytest.Options{NoReferrers: true}),
		vault:    vault.New(vaultToken), collector: otlp.New(),
		tools: map[string]string{}, keys: map[string]keyPair{}, published: map[string]string{},
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "chartgate-shop-"); err != nil {
		return s, err
	}
	for _, name := range []string{"helm", "cosign2", "cosign3"} {
		if s.tools[name], err = cluster.Tool(name); err != nil {
			return s, err
		}
	}
	if s.sigstore, err = sigstore.New(time.Now); err != nil {
		return s, err
	}
	for _, owner := range []string{"acme", "mallory", "old", "new"} {
		if s.keys[owner], err = s.generateKey(ctx, owner); err != nil {
			return s, err
		}
	}
	return s, s.publishAll(ctx)
}

// Stop closes the registries.
func (s *shop) Stop() error {
	s.registry.Close()
	s.fallback.Close()
	s.vault.Close()
	s.collector.Close()
	return os.RemoveAll(s.dir)
}

// at is the registry behind a name.
func (s *shop) at(name string) *registrytest.Registry {
	if name == "quay.io" {
		return s.fallback
	}
	return s.registry
}

// local translates names of registries in YAML to the ones on this machine.
func (s *shop) local(text string) string {
	return strings.NewReplacer("ghcr.io", s.registry.Host(), "quay.io", s.fallback.Host(), "down.example", downHost).Replace(text)
}

// public translates them back, and digests to the names of their charts.
func (s *shop) public(text string) string {
	pairs := []string{s.registry.Host(), "ghcr.io", s.fallback.Host(), "quay.io", downHost, "down.example"}
	for place, digest := range s.published {
		pairs = append(pairs, digest, "sha256:<"+path.Base(place)+">")
	}
	for owner, key := range s.keys {
		pairs = append(pairs, key.fingerprint, "sha256:<key of "+owner+">")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// digest is that of a published chart, "ghcr.io/acme/charts/podinfo:6.7.1".
func (s *shop) digest(place string) string {
	digest, ok := s.published[place]
	if !ok {
		panic("not published: " + place)
	}
	return digest
}

// publishAll pushes the catalogue, a few charts at a time.
func (s *shop) publishAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(3)
	digests := make([]string, len(catalogue()))
	for i, item := range catalogue() {
		group.Go(func() error {
			var err error
			if digests[i], err = s.publish(ctx, item); err != nil {
				return fmt.Errorf("publish %s: %w", item.place, err)
			}
			return nil
		})
	}
	err := group.Wait()
	for i, item := range catalogue() {
		if digests[i] != "" {
			s.published[item.place] = digests[i]
		}
	}
	return errors.Join(err, s.publishForgeries())
}

func (s *shop) file(name string) string { return filepath.Join(s.dir, name) }

// outage breaks the connection of every request for a repository of ghcr.io as long as it is on.
func (s *shop) outage(repository string) (on *atomic.Bool) {
	on = &atomic.Bool{}
	s.registry.Fail("/"+repository+"/", func(w http.ResponseWriter, r *http.Request, healthy http.Handler) {
		if on.Load() {
			registrytest.Reset()(w, r, healthy)
			return
		}
		healthy.ServeHTTP(w, r)
	})
	return on
}

// requests are those to ghcr.io for a repository.
func (s *shop) requests(repository string) []string {
	var about []string
	for _, line := range s.registry.Requests() {
		if strings.Contains(line, "/"+repository+"/") {
			about = append(about, line)
		}
	}
	return about
}

// sample is a manifest of config/samples. The break-glass key in it is replaced by ours: its
// private half does not exist.
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
	return before + harness.Indented(s.keys["acme"].public, 6) + after
}

// policies are those of the samples, for both registries, and more for the rows of the tables.
func (s *shop) policies() string {
	return strings.Join([]string{
		s.sample("policies/acme-release.yaml"),
		s.sample("policies/acme-breakglass.yaml"),
		s.sample("policies/acme-charts.yaml"),
		s.sample("policies/legacy-charts.yaml"),
		harness.Policy("quay-charts", `{match: {charts: ["oci://quay.io/acme/charts/**"]}, require: [{anyOf: [acme-release, acme-breakglass]}]}`),
		harness.Policy("down-charts", `{match: {charts: ["oci://down.example/**"]}, require: [{anyOf: [acme-release]}]}`),
		// Another team's charts in the same registry.
		harness.Identity("billing-release", `{keyless: {issuer: https://token.actions.githubusercontent.com,
  subject: https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main}}`),
		harness.Policy("acme-billing", `{match: {charts: ["oci://ghcr.io/acme/billing/**"]}, require: [{anyOf: [billing-release]}]}`),
		harness.Identity("any-workflow", `{keyless: {issuerRegExp: "https://token[.]actions[.]githubusercontent[.]com",
  subjectRegExp: "https://github[.]com/acme/charts/[.]github/workflows/[^/]+@refs/heads/main"}}`),
		harness.Policy("regexp", `{match: {charts: ["oci://ghcr.io/acme/regexp/*"]}, require: [{anyOf: [any-workflow]}]}`),
		harness.Policy("both", `{match: {charts: ["oci://ghcr.io/acme/both/*"]}, require: [{anyOf: [acme-release]}, {anyOf: [acme-breakglass]}]}`),
		harness.Policy("floating", `{match: {charts: ["oci://ghcr.io/acme/floating/*"]}, require: [{anyOf: [acme-release]}], pinning: Floating}`),
		harness.Policy("pinned", `{match: {charts: ["oci://ghcr.io/acme/pinned/*"]}, require: [{anyOf: [acme-release]}], pinning: Digest}`),
		harness.Policy("warning", `{match: {charts: ["oci://ghcr.io/acme/warn/*"]}, require: [{anyOf: [acme-release]}], mode: Warn}`),
		harness.Policy("ended", `{match: {charts: ["https://charts.ended.example/**"]}, allowUnverified: {reason: moving, until: "2020-12-31"}}`),
		// Two policies on one chart.
		harness.Policy("billing-too", `{match: {charts: ["oci://ghcr.io/acme/billing/**"], exclude: ["oci://ghcr.io/acme/billing/invoice"]}, require: [{anyOf: [acme-release]}]}`),
	}, "\n---\n")
}

// What the policies want, as messages say it.
const (
	wantsRelease = "a signature by acme-release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, " +
		"issuer https://token.actions.githubusercontent.com, sourceRepositoryURI https://github.com/acme/charts)"
	wantsBreakglass = "acme-breakglass (key sha256:<key of acme>)"
	acmeWants       = "acme-charts requires " + wantsRelease + " or " + wantsBreakglass

	// Signers that messages name.
	byRelease = "subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
	byMallory = "subject https://github.com/mallory/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
)
