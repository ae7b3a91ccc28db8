package source_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

// Other people's releases that take their chart through a repository.
func TestDependents(t *testing.T) {
	const evil = `spec: {type: oci, url: "oci://ghcr.io/evil"}`
	for _, c := range []struct {
		sentence, cluster, write string
		want                     []string
	}{
		{"a release of the namespace is affected", release(podinfoSpec), repository(evil), []string{"apps/podinfo spec.chart.spec: oci://ghcr.io/evil/podinfo:6.7.1 Version"}},
		{"a release of another namespace is affected", object("HelmRelease", "team-b/x", chartSpec("x", "1.0.0", "HelmRepository", "acme", ", namespace: apps")), repository(evil),
			[]string{"team-b/x spec.chart.spec: oci://ghcr.io/evil/x:1.0.0 Version"}},
		{"a release of a namesake is not", object("HelmRelease", "team-b/x", podinfoSpec), repository(evil), nil},
		{"a release of another repository is not", release(chartSpec("x", "1.0.0", "HelmRepository", "other", "")), repository(evil), nil},
		{"a release from Git of that name is not", release(chartSpec("x", "1.0.0", "GitRepository", "acme", "")), repository(evil), nil},
		{"a suspended release is not", release(`spec: {suspend: true, ` + podinfoSpec[len("spec: {"):]), repository(evil), nil},
		{"a release by reference is not", byRef("apps", ""), repository(evil), nil},
		{"what the repository cannot serve is told", release(podinfoSpec), repository(`spec: {url: "https://user@evil.example"}`), []string{"apps/podinfo spec.chart.spec: ReferenceInvalid"}},
		{"only repositories have dependents", release(podinfoSpec), helmChart(helmChartSpec), nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			e := source.NewExtractor(&cluster{objects: parse(t, c.cluster)}, source.Options{})
			found, err := e.Dependents(t.Context(), row{new: c.write}.write(t))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range found {
				if d.Object.ID != d.Use.Object || len(d.Object.JSON) == 0 {
					t.Errorf("%s: %+v", d.Object.ID, d)
				}
				got = append(got, d.Object.Namespace+"/"+d.Object.Name+" "+show(d.Use))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDependentsThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		sentence, write string
		reader          *cluster
	}{
		{"the API server fails", acme, &cluster{err: errors.New("injected")}},
		{"the repository cannot be read", repository("spec: 1"), &cluster{}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if found, err := source.NewExtractor(c.reader, source.Options{}).Dependents(t.Context(), row{new: c.write}.write(t)); err == nil {
				t.Errorf("no error, %d dependents", len(found))
			}
		})
	}
}

// Who installs what a denied source holds.
func TestUsers(t *testing.T) {
	everybody := release(podinfoSpec) + byRef("team-b", ", namespace: apps") +
		object("HelmRelease", "team-c/x", `spec: {chartRef: {kind: HelmChart, name: apps-podinfo, namespace: apps}}`) +
		object("HelmRelease", "team-d/x", chartSpec("x", "1.0.0", "HelmRepository", "acme", ", namespace: apps"))
	id := func(kind, name string) source.ID {
		return source.ID{Group: "source.toolkit.fluxcd.io", Kind: kind, Namespace: "apps", Name: name}
	}
	for _, c := range []struct {
		sentence string
		id       source.ID
		want     []string
	}{
		{"an OCIRepository is used by who refers to it", id("OCIRepository", "podinfo"), []string{"team-b/podinfo"}},
		{"a HelmChart is used by the release that it is named after, and by reference", id("HelmChart", "apps-podinfo"), []string{"apps/podinfo", "team-c/x"}},
		{"a HelmChart lies beside its repository, wherever the release is", id("HelmChart", "team-d-x"), []string{"team-d/x"}},
		{"a HelmChart that nothing uses", id("HelmChart", "x"), nil},
		{"a HelmRepository deploys nothing by itself", id("HelmRepository", "acme"), nil},
		{"a HelmRelease is used by nobody", source.ID{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			users, err := source.NewExtractor(&cluster{objects: parse(t, everybody)}, source.Options{}).Users(t.Context(), c.id)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range users {
				got = append(got, u.Namespace+"/"+u.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
