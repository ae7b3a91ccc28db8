package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// site is a cluster with chartgate installed, whose Service leads to a balancer.
type site struct {
	*cluster.Cluster
	charts       *world // only its registry
	installation *cluster.Installation
	balancer     *balancer
}

// openSite starts an API server and installs chartgate with policies, but no replica yet.
func openSite(t *testing.T) *site {
	t.Helper()
	s := &site{charts: &world{registry: registrytest.New(registrytest.Options{})}}
	t.Cleanup(s.charts.registry.Close)
	s.charts.bundle(t, "acme/signed", s.charts.push(t, "acme/signed"))
	s.charts.push(t, "acme/unsigned")
	var err error
	s.Cluster, err = cluster.Start(t.Context(), []string{"crds/flux"}, []string{"apps"})
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.installation, err = s.Install(t.Context(), map[string]any{
		"plainHTTP":   []string{s.charts.registry.Host()},
		"trustedRoot": map[string]any{"json": string(theSigstore(t).root)},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(t, `{apiVersion: chartgate.dev/v1alpha1, kind: TrustedIdentity, metadata: {name: acme-release}, spec: {keyless: {issuer: "https://issuer.example", subject: release@acme.example}}}
---
{apiVersion: chartgate.dev/v1alpha1, kind: ChartPolicy, metadata: {name: acme}, spec: {match: {charts: ["oci://HOST/acme/**"]}, require: [{anyOf: [acme-release]}]}}
`)
	s.balancer = newBalancer(t, s.installation.Address())
	return s
}

func (s *site) apply(t *testing.T, text string) {
	t.Helper()
	objects, err := cluster.Objects(s.charts.local(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

// start starts a replica, and gives it requests when it is ready.
func (s *site) start(t *testing.T) *replica {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{balancer: s.balancer, address: fmt.Sprintf("127.0.0.1:%d", port)}
	if r.process, err = s.installation.Run(t.Context(), fmt.Sprintf("--webhook-port=%d", port)); err != nil {
		t.Fatal(err)
	}
	s.balancer.add(r.address)
	t.Cleanup(func() { _ = r.process.Stop() }) // it may have been killed
	return r
}

// unsignedIsAbsent looks at what is in the cluster in the end.
func (s *site) unsignedIsAbsent(t *testing.T) {
	t.Helper()
	var list unstructured.UnstructuredList
	list.SetAPIVersion("helm.toolkit.fluxcd.io/v2")
	list.SetKind("HelmReleaseList")
	if err := s.Client.List(context.Background(), &list, client.InNamespace("apps")); err != nil {
		t.Fatal(err)
	}
	for _, release := range list.Items {
		if strings.HasPrefix(release.GetName(), "unsigned") {
			t.Errorf("HelmRelease %s is in the cluster", release.GetName())
		}
	}
	if len(list.Items) == 0 {
		t.Error("there is no HelmRelease at all")
	}
}
