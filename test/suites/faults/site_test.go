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
	"github.com/chartgate/chartgate/test/harness"
)

// site is a cluster with chartgate installed, whose Service leads to a balancer.
type site struct {
	*harness.Site
	balancer *balancer
}

// openSite starts an API server and installs chartgate with policies, but no replica yet.
func openSite(t *testing.T) *site {
	t.Helper()
	charts := &world{registry: registrytest.New(registrytest.Options{})} // only its registry
	t.Cleanup(charts.registry.Close)
	charts.bundle(t, "acme/signed", charts.push(t, "acme/signed"))
	charts.push(t, "acme/unsigned")
	s := &site{}
	s.Site = harness.OpenForTest(t, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}},
		Values: map[string]any{
			"plainHTTP":   []string{charts.registry.Host()},
			"trustedRoot": map[string]any{"json": string(theSigstore(t).root)},
		},
		Objects: harness.Identity("acme-release", `{keyless: {issuer: "https://issuer.example", subject: release@acme.example}}`) +
			harness.Policy("acme", `{match: {charts: ["oci://HOST/acme/**"]}, require: [{anyOf: [acme-release]}]}`),
		Stopped: true, Local: charts.local,
	})
	s.balancer = newBalancer(t, s.Installation.Address())
	return s
}

// start starts a replica, and gives it requests when it is ready.
func (s *site) start(t *testing.T) *replica {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{balancer: s.balancer, address: fmt.Sprintf("127.0.0.1:%d", port)}
	if r.process, err = s.Installation.Run(t.Context(), fmt.Sprintf("--webhook-port=%d", port)); err != nil {
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
