package faults_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
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
	r := &replica{balancer: s.balancer, port: unusedPort(t)}
	r.address = fmt.Sprintf("127.0.0.1:%d", r.port)
	var err error
	if r.process, err = s.installation.Run(t.Context(), r.flag()); err != nil {
		t.Fatal(err)
	}
	s.balancer.add(r.address)
	t.Cleanup(func() { _ = r.process.Stop() }) // it may have been killed
	return r
}

func (r *replica) flag() string { return fmt.Sprintf("--webhook-port=%d", r.port) }

// signalKill finds the replica among the children of this process, and kills it.
func (r *replica) signalKill() error {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return err
			}
			command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err == nil && slices.Contains(strings.Split(string(command), "\x00"), r.flag()) {
				return syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	return fmt.Errorf("no process has the flag %s", r.flag())
}

func unusedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
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
