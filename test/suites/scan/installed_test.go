package scan_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// A cluster with chartgate judges by its own policies, and a private registry is reached with the
// Secret that the chart's source names, whether or not a policy names the host.
func TestOwnPoliciesAndLogins(t *testing.T) {
	p := thePlace(t)
	private := registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: "flux", Password: "secret"})
	t.Cleanup(private.Close)
	archive, err := charts.Archive("private", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := private.PushChart("acme/private", "1.0.0", archive)
	if err != nil {
		t.Fatal(err)
	}
	signing := harness.Signing{Sigstore: p.sigstore, By: sigstore.Identity{Issuer: issuer, Subject: release}, Registry: private}
	if err := signing.Bundle("acme/private", digest); err != nil {
		t.Fatal(err)
	}
	crds, err := cluster.Path("config", "crd")
	if err != nil {
		t.Fatal(err)
	}
	site, err := cluster.Start(t.Context(), cluster.Options{CRDs: []string{"crds/flux", crds}, Namespaces: []string{"apps"}})
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	text := policies + harness.Policy("any", `{match: {charts: ["oci://**"], exclude: ["oci://ghcr.io/**"]}, require: [{anyOf: [acme-release]}]}`) +
		`---
{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: apps}, stringData: {username: flux, password: secret}}
` +
		harness.Source("HelmRepository", "private", `spec: {interval: 1m, type: oci, url: "oci://`+private.Host()+`/acme", secretRef: {name: login}}`) +
		harness.HelmRelease("private", "spec: {interval: 1m, "+harness.FromRepository("private", "private", "1.0.0")+"}")
	objects, err := cluster.Objects(p.local(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := site.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	got := p.scan(t, "--kubeconfig", site.Kubeconfig, "--plain-http", private.Host(), "-o", "json")
	found := got.inventory(t)
	if got.Code != 0 || len(found.Rows) != 2 || found.Rows[0].Verdict != "Verified" || found.Rows[0].Digest != p.public(digest) {
		t.Errorf("%+v", got)
	}
	if !strings.HasPrefix(found.Policies, "the policies of context ") {
		t.Errorf("judged by %q", found.Policies)
	}
	if got := p.scan(t, "--kubeconfig", site.Kubeconfig, "--plain-http", private.Host(), "--policy", "cluster"); got.Code != 0 {
		t.Errorf("with --policy cluster: %+v", got)
	}
}
