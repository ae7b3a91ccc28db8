// Package privatesigstore_test signs charts as the users of a private Sigstore do, with the real
// cosign, Fulcio, Rekor v2 and timestamp authority on 127.0.0.1, and lets chartgate verify them: on
// the command line, with policies and a trusted_root.json as files, and through a real API server.
// Most signatures are keyless; some are made with a key, and also logged and timestamped.
package privatesigstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared. The log is what the servers wrote.
func TestMain(m *testing.M) { harness.Main(m, &sharedWorld) }

var sharedWorld harness.Shared[*world]

func theWorld(t *testing.T) *world {
	t.Helper()
	return sharedWorld.Get(t, openWorld)
}

// world is two Sigstores that share an issuer, and registries.
type world struct {
	dir      string
	issuer   *sigstore.Issuer
	ours     *sigstore.Stack        // whose trusted root chartgate has
	theirs   *sigstore.Stack        // another company's
	registry *registrytest.Registry // with the referrers API
	fallback *registrytest.Registry // without it
}

func openWorld(ctx context.Context) (*world, error) {
	w := &world{
		registry: registrytest.New(registrytest.Options{}),
		fallback: registrytest.New(registrytest.Options{NoReferrers: true}),
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "chartgate-keyless-"); err != nil {
		return w, err
	}
	if w.issuer, err = sigstore.NewIssuer(); err != nil {
		return w, err
	}
	if w.ours, err = sigstore.Start(ctx, w.issuer); err != nil {
		return w, err
	}
	w.theirs, err = sigstore.Start(ctx, w.issuer)
	return w, err
}

// Log is what the servers have written.
func (w *world) Log() string {
	return "our Sigstore\n" + w.ours.Log() + "\ntheir Sigstore\n" + w.theirs.Log() + "\n"
}

// Stop stops the Sigstores and the registries.
func (w *world) Stop() error {
	var errs []error
	for _, stack := range []*sigstore.Stack{w.ours, w.theirs} {
		if stack != nil {
			errs = append(errs, stack.Stop())
		}
	}
	if w.issuer != nil {
		w.issuer.Close()
	}
	w.registry.Close()
	w.fallback.Close()
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// policies: charts in either registry are signed by the release workflow of acme/charts, or by the
// maintainer.
func (w *world) policies() string { return w.policiesFor("") }

// policiesFor adds lines of YAML to the spec of the workflow's identity.
func (w *world) policiesFor(more string) string {
	return strings.Join([]string{
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-release}
spec:
  keyless:
    issuer: %s
    subject: %s
    claims: {sourceRepositoryURI: https://github.com/acme/charts, runnerEnvironment: github-hosted}
%s`, w.release().Issuer, w.release().Subject, more),
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-maintainer}
spec: {keyless: {issuer: %s, subject: %s}}
`, w.maintainer().Issuer, w.maintainer().Subject),
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme-charts}
spec:
  match: {charts: ["oci://%s/acme/charts/**", "oci://%s/acme/charts/**"]}
  require: [{anyOf: [acme-release, acme-maintainer]}]
  pinning: Version
`, w.registry.Host(), w.fallback.Host()),
	}, "---\n")
}

// keyPolicies: charts are signed with the key, with more lines of YAML in its spec.
func (w *world) keyPolicies(key sigstore.Key, more string) string {
	return fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-key}
spec:
  key:
    pem: %q
%s---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme-charts}
spec:
  match: {charts: ["oci://%s/acme/charts/**"]}
  require: [{anyOf: [acme-key]}]
  pinning: Version
`, key.PEM, more, w.registry.Host())
}
