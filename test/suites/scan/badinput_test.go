package scan_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// What cannot be scanned is said in plain words, with exit code 2.
func TestBadInput(t *testing.T) {
	p := thePlace(t)
	down := filepath.Join(t.TempDir(), "down")
	config, err := os.ReadFile(p.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`server: .*`)
	if err := os.WriteFile(down, server.ReplaceAll(config, []byte("server: https://127.0.0.1:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sentence string
		args     []string
		says     string
	}{
		{"a kubeconfig that does not exist", []string{"--kubeconfig", "/nowhere/config"}, "/nowhere/config: no such file or directory"},
		{"no kubeconfig at all", []string{"--kubeconfig", ""}, "no kubeconfig names one"},
		{"a context that does not exist", []string{"--context", "nowhere"}, `context "nowhere" does not exist`},
		{"an API server that is down", []string{"--kubeconfig", down}, "does not answer"},
		{"an unknown format", []string{"-o", "xml"}, `--output is "xml", not one of table, wide, json`},
		{"one namespace and all of them", []string{"-n", "apps", "-A"}, "-n and -A exclude each other"},
		{"a file that does not exist", []string{"-f", "/nowhere/x.yaml"}, "/nowhere/x.yaml: no such file or directory"},
		{"a file without an object that deploys charts", []string{"-f", p.dir + "/policies.yaml"}, "the files hold no object that deploys charts"},
		{"policies that do not exist", []string{"--policy", "/nowhere"}, "/nowhere: no such file or directory"},
		{"the policies of a cluster without chartgate", []string{"--policy", "cluster"}, "chartgate is not installed there"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := p.scan(t, c.args...)
			if got.Code != 2 || got.Stdout != "" || !strings.Contains(got.Stderr, c.says) {
				t.Errorf("want exit code 2 and %q, got %+v", c.says, got)
			}
			if strings.Contains(got.Stderr, "goroutine") || strings.Count(got.Stderr, "\n") > 3 {
				t.Errorf("not said plainly: %s", got.Stderr)
			}
		})
	}
}

// A cluster without Flux or Argo CD is scanned for the other; one without both is not.
func TestWithoutFluxOrArgo(t *testing.T) {
	p := thePlace(t)
	empty, err := cluster.Start(t.Context(), cluster.Options{})
	t.Cleanup(func() {
		if err := empty.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := p.scan(t, "--kubeconfig", empty.Kubeconfig)
	if says := "neither Flux nor Argo CD is installed"; got.Code != 2 || !strings.Contains(got.Stderr, says) {
		t.Errorf("want exit code 2 and %q, got %+v", says, got)
	}
	crds, err := cluster.Tool("crds/argo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Kubectl(t.Context(), "", "apply", "--server-side", "-f", crds); err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Kubectl(t.Context(), "", "wait", "--for=condition=Established", "crd/applications.argoproj.io"); err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Objects(p.local(harness.Application(cluster.Namespace+"/one", harness.ApplicationSpec(`source: {repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}`))))
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Client.Create(t.Context(), objects[0]); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() string {
		got = p.scan(t, "--kubeconfig", empty.Kubeconfig, "-o", "json")
		if got.Code != 0 || len(got.inventory(t).Rows) != 1 {
			return got.Stdout + got.Stderr
		}
		return ""
	})
}

// Without the right to list one kind, the rest is scanned, and the exit code says that it is not
// everything.
func TestMissingRights(t *testing.T) {
	p := thePlace(t)
	read := func(groups, resources []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: groups, Resources: resources, Verbs: []string{"get", "list"}}
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{
		read([]string{"source.toolkit.fluxcd.io"}, []string{"helmrepositories", "helmcharts"}),
		read([]string{"helm.toolkit.fluxcd.io"}, []string{"helmreleases"}),
		read([]string{"argoproj.io"}, []string{"applications"}),
	}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "reader"}}
	p.create(t, role)
	p.create(t, account)
	p.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "apps", Name: "reader"}},
	})
	kubeconfig := filepath.Join(t.TempDir(), "reader")
	if err := p.WriteKubeconfig(t.Context(), kubeconfig, "apps", "reader"); err != nil {
		t.Fatal(err)
	}
	got := p.scan(t, "--kubeconfig", kubeconfig, "-o", "json")
	for _, says := range []string{
		"not scanned: OCIRepositories in all namespaces: this user may not list them; next: ask the cluster's admin for the right to list ocirepositories.source.toolkit.fluxcd.io; " +
			"to check: kubectl auth can-i list ocirepositories.source.toolkit.fluxcd.io -A\n",
		"not scanned: releases that helm itself installed, in all namespaces: helm keeps them in Secrets and ConfigMaps, which this user may not list; next: ",
	} {
		if !strings.Contains(got.Stderr, says) {
			t.Errorf("standard error lacks %q: %s", says, got.Stderr)
		}
	}
	found := got.inventory(t)
	if got.Code != 2 || len(found.Problems) != 2 || len(found.Rows) != 14 {
		t.Errorf("exit code %d, %d problems, %d rows: %s", got.Code, len(found.Problems), len(found.Rows), got.Stderr)
	}
	if got := p.scan(t, "--kubeconfig", kubeconfig, "--helm-releases=false", "-n", "apps"); !strings.Contains(got.Stderr, "OCIRepositories in namespace apps: ") || strings.Contains(got.Stderr, "Secrets") {
		t.Errorf("%+v", got)
	}
}

// A registry that hangs costs its own charts their answer, and no more: it is waited for three
// times, and for those that it was asked at the same time.
func TestHangingRegistry(t *testing.T) {
	p := thePlace(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it never accepts: the connection stands, and no answer comes
	host := listener.Addr().String()
	text := harness.Source("HelmRepository", "hanging", `spec: {interval: 1m, type: oci, url: "oci://`+host+`/acme"}`) +
		harness.Source("HelmRepository", "acme", `spec: {interval: 1m, type: oci, url: "oci://ghcr.io/acme"}`) + fromAcme("podinfo", "podinfo", "")
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "o"} {
		text += harness.HelmRelease(name, "spec: {interval: 1m, "+harness.FromRepository("hanging", name, "1.0.0")+"}")
	}
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(p.local(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := p.scan(t, "-f", file, "--plain-http", host, "--timeout", "1s", "-o", "json")
	var waited, notAsked, fine int
	for _, r := range got.inventory(t).Rows {
		switch {
		case r.Reason == "Timeout":
			waited++
		case r.Reason == "RegistryUnavailable" && strings.Contains(r.Message, "gave no answer 3 times in a row"):
			notAsked++
		case r.Digest != "":
			fine++
		}
	}
	if got.Code != 1 || waited < 3 || waited > 10 || waited+notAsked != 14 || fine != 1 {
		t.Errorf("exit code %d: %d charts waited, %d were not asked for, %d had an answer: %s", got.Code, waited, notAsked, fine, got.Stdout)
	}
}
