package operate_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestOperatePage runs every command of docs/operate.md that is not marked, on a real API server with
// chartgate, as helm installs it, and the kinds of the Prometheus operator.
func TestOperatePage(t *testing.T) {
	blocks, err := harness.ReadPage("docs", "operate.md")
	if err != nil {
		t.Fatal(err)
	}
	shell := operator(t)
	ran := 0
	for _, block := range blocks {
		if strings.HasPrefix(block.Mark, "not run") {
			continue
		}
		for _, step := range block.Steps {
			ran++
			command := released.ReplaceAllString(step.Command, "charts/chartgate")
			if block.Mark == "later" { // what chartgate does a moment after its start
				command = fmt.Sprintf("end=$((SECONDS + %d)); until { %s} || [ $SECONDS -ge $end ]; do sleep 0.1; done; [ $SECONDS -lt $end ]",
					int(harness.Patience.Seconds()), command)
			}
			if printed, err := shell.Run(command, false); err != nil {
				t.Fatalf("%s%v\n%s", step.Command, err, printed)
			}
		}
	}
	if ran < 12 {
		t.Errorf("%d commands were run only: the test does not see them", ran)
	}
}

// released is the released chart, in place of which the one of the checkout is installed.
var released = regexp.MustCompile(`oci://ghcr\.io/chartgate/charts/chartgate --version \S+`)

// operator opens a shell in a cluster with chartgate.
func operator(t *testing.T) *harness.Shell {
	t.Helper()
	reports, err := cluster.Path("test", "fixtures", "reports")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Start(t.Context(), cluster.Options{CRDs: []string{"crds/flux", reports}, Namespaces: []string{"flux-system"}})
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Objects(serviceAccounts + prometheus("ServiceMonitor") + prometheus("PrometheusRule"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := cluster.Path()
	if err := errors.Join(err, c.Apply(t.Context(), objects...)); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	shell, err := harness.OpenShell(t.Context(), root, home, []string{"KUBECONFIG=" + c.Kubeconfig, "HOME=" + home, "HELM_CACHE_HOME=" + home})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shell.Close)
	if printed, err := shell.Run(install, false); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	installation, err := c.Installed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gate, err := installation.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Stop(); err != nil {
			t.Error(err)
		}
	})
	return shell
}

const install = `helm install chartgate charts/chartgate -n chartgate-system --create-namespace \
  --set image.repository=registry.acme.example/chartgate --set mode=Warn`

const serviceAccounts = `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: source-controller, namespace: flux-system}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: helm-controller, namespace: flux-system}}
`

// prometheus is a definition of a kind of the Prometheus operator that takes anything.
func prometheus(kind string) string {
	plural := strings.ToLower(kind) + "s"
	return fmt.Sprintf(`
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: %s, plural: %s}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, plural, kind, plural)
}
