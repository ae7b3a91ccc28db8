package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/harness"
)

// TestVendoredDependencies: a policy can require that the signed chart contains every sub-chart.
func TestVendoredDependencies(t *testing.T) {
	w := theSite(t)
	w.given(t, harness.Policy("vendored", `{match: {charts: ["oci://ghcr.io/acme/vendored/*"]}, require: [{anyOf: [acme-release]}], dependencies: Vendored}`)+
		harness.Policy("unvendored", `{match: {charts: ["oci://ghcr.io/acme/unvendored/*"]}, require: [{anyOf: [acme-release]}]}`))
	declares := func(name string) charts.File {
		return charts.File{Name: "Chart.yaml", Body: "apiVersion: v2\nname: " + name + "\nversion: 1.0.0\ndependencies:\n- {name: redis, version: 1.x, repository: 'oci://ghcr.io/evil'}\n"}
	}
	redis := charts.File{Name: "charts/redis/Chart.yaml", Body: "apiVersion: v2\nname: redis\nversion: 1.2.3\n"}
	for place, files := range map[string][]charts.File{
		"ghcr.io/acme/vendored/plain:1.0.0":     nil,
		"ghcr.io/acme/vendored/complete:1.0.0":  {declares("complete"), redis},
		"ghcr.io/acme/vendored/lacking:1.0.0":   {declares("lacking")},
		"ghcr.io/acme/vendored/hiding:1.0.0":    {declares("hiding"), redis, {Name: ".helmignore", Body: "charts/\n"}},
		"ghcr.io/acme/unvendored/lacking:1.0.0": {declares("lacking")},
	} {
		digest, err := w.publish(t.Context(), item{place, []signature{bundle(release())}}, files...)
		if err != nil {
			t.Fatal(err)
		}
		w.published[place] = digest
	}
	application := func(repository, chart string) string {
		return `{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {namespace: argocd, name: ` + chart + `}, spec: {project: default,
  destination: {server: "https://kubernetes.default.svc", namespace: apps}, source: {repoURL: ghcr.io/acme/` + repository + `, chart: ` + chart + `, targetRevision: 1.0.0}}}`
	}
	lacks := func(chart string) string {
		return `
Application argocd/` + chart + ` denied (DependencyMissing): oci://ghcr.io/acme/vendored/` + chart + `:1.0.0@sha256:<` + chart + `:1.0.0> declares dependencies that it does not contain: "redis"
  where:    spec.source
  policy:   vendored requires ` + wantsRelease + `, and every dependency in the chart itself
  next:     run helm dependency update before you package the chart, then push and sign it again: dependencies that are fetched later are not verified`
	}
	w.check(t, []row{
		{sentence: "a chart without dependencies", object: application("vendored", "plain"), want: harness.Admitted()},
		{sentence: "a chart with its dependency", object: application("vendored", "complete"), want: harness.Admitted()},
		{sentence: "a chart without it, which Argo CD would fetch", object: application("vendored", "lacking"), want: harness.Denied("DependencyMissing spec.source", lacks("lacking"))},
		{sentence: "a chart that hides it from helm", object: application("vendored", "hiding"), want: harness.Denied("DependencyMissing spec.source", lacks("hiding"))},
		{sentence: "the same chart under a policy that does not ask", object: application("unvendored", "lacking"), want: harness.Admitted()},
	})
}

// TestHelmMissesTheSameDependencies: what chartgate calls missing is what makes helm template fail,
// and then Argo CD runs helm dependency build.
func TestHelmMissesTheSameDependencies(t *testing.T) {
	w := theSite(t)
	for name, files := range map[string][]charts.File{
		"lacking": {},
		"hiding":  {{Name: "charts/redis/Chart.yaml", Body: "apiVersion: v2\nname: redis\nversion: 1.2.3\n"}, {Name: ".helmignore", Body: "charts/\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			files = append(files, charts.File{Name: "Chart.yaml", Body: "apiVersion: v2\nname: " + name + "\nversion: 1.0.0\ndependencies:\n- {name: redis, version: 1.x, repository: 'oci://ghcr.io/evil'}\n"})
			folder := unpacked(t, files...)
			_, err := cluster.Command{Name: w.tools["helm"], Args: []string{"template", folder}, Env: w.env()}.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "missing in charts/ directory: redis") {
				t.Errorf("helm template: %v", err)
			}
		})
	}
}

// unpacked is a folder with the files of a chart, as Argo CD has it when it renders.
func unpacked(t *testing.T, files ...charts.File) string {
	t.Helper()
	folder := t.TempDir()
	for _, f := range files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
