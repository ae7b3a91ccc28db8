package source_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// How a registry is reached is taken from the object that Flux or Argo CD takes it
// from, with the names in that object's namespace.
func TestAccess(t *testing.T) {
	private := repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts", secretRef: {name: login}, certSecretRef: {name: ca}, provider: aws}`)
	ofRepository := sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login", Certificates: "ca", Provider: "aws", StoredHost: "ghcr.io"}
	elsewhere := object("HelmRepository", "team-b/acme", `spec: {type: oci, url: "oci://ghcr.io/acme/charts", secretRef: {name: login}}`)
	oci := ociSpec(`, ref: {tag: 6.7.1}, ` + copyLayer + `, secretRef: {name: login}, certSecretRef: {name: ca}, proxySecretRef: {name: proxy}, serviceAccountName: puller, provider: generic`)
	ofOCI := sourceauth.Auth{
		Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login", Certificates: "ca", Proxy: "proxy", ServiceAccount: "puller", Provider: "generic",
	}
	ofStored := ofOCI
	ofStored.StoredHost = "ghcr.io"
	chartSpec := `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`
	artifact := "\nstatus: {artifact: {digest: \"" + hex("b") + "\", revision: \"6.7.1@" + hex("a") + "\"}}"
	for _, tc := range []struct {
		sentence, cluster, new, subresource string
		want                                []sourceauth.Auth
	}{
		{"a HelmRelease goes through its HelmRepository", private, release(`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}}}`), "", []sourceauth.Auth{ofRepository}},
		{"a HelmRepository of another namespace has the Secrets of that one", elsewhere, release(`spec: {chart: {spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme, namespace: team-b}}}}`), "", []sourceauth.Auth{{Consumer: sourceauth.Flux, Namespace: "team-b", Secret: "login", StoredHost: "ghcr.io"}}},
		{"a HelmChart goes through its HelmRepository", private, helmChart(chartSpec), "", []sourceauth.Auth{ofRepository}},
		{"what a HelmChart has pulled came the same way", private, helmChart(chartSpec + artifact), "status", []sourceauth.Auth{ofRepository}},
		{"a HelmRelease that refers to a HelmChart", private + helmChart(chartSpec), release(`spec: {chartRef: {kind: HelmChart, name: podinfo}}`), "", []sourceauth.Auth{ofRepository}},
		{"an OCIRepository", "", ociRepo(oci), "", []sourceauth.Auth{ofOCI}},
		{"what an OCIRepository has pulled", "", ociRepo(oci + artifact), "status", []sourceauth.Auth{ofOCI}},
		{"an OCIRepository that is stored so", ociRepo(oci), ociRepo(ociSpec(`, ref: {tag: 6.7.2}, ` + copyLayer + `, secretRef: {name: login}, certSecretRef: {name: ca}, proxySecretRef: {name: proxy}, serviceAccountName: puller, provider: generic`)), "", []sourceauth.Auth{ofStored}},
		{"what an OCIRepository has pulled that is stored so", ociRepo(oci), ociRepo(oci + artifact), "status", []sourceauth.Auth{ofStored}},
		{"attack: an OCIRepository that is stored with another host", ociRepo(strings.Replace(oci, "ghcr.io", "quay.io", 1)), ociRepo(oci + artifact), "status", []sourceauth.Auth{ofOCI}},
		{"attack: an OCIRepository that is stored with another Secret", ociRepo(strings.Replace(oci, "name: login", "name: other", 1)), ociRepo(oci + artifact), "status", []sourceauth.Auth{ofOCI}},
		{"attack: an OCIRepository that is stored with another service account", ociRepo(strings.Replace(oci, "puller", "other", 1)), ociRepo(oci), "", []sourceauth.Auth{ofOCI}},
		{"attack: an OCIRepository that is stored with other certificates", ociRepo(strings.Replace(oci, "name: ca", "name: other", 1)), ociRepo(oci), "", []sourceauth.Auth{ofOCI}},
		{"attack: an OCIRepository of this name in another namespace", object("OCIRepository", "team-b/podinfo", oci), ociRepo(oci), "", []sourceauth.Auth{ofOCI}},
		{"a HelmRelease that refers to an OCIRepository", ociRepo(oci), release(`spec: {chartRef: {kind: OCIRepository, name: podinfo}}`), "", []sourceauth.Auth{ofStored}},
		{"a HelmRelease of another namespace that refers to it", ociRepo(oci), object("HelmRelease", "team-b/x", `spec: {chartRef: {kind: OCIRepository, name: podinfo, namespace: apps}}`), "", []sourceauth.Auth{ofStored}},
		{"an Application is known by URL and project", "", app(`spec: {project: shop, source: {repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}}`), "", []sourceauth.Auth{{Consumer: sourceauth.ArgoCD, URL: "ghcr.io/acme/charts", Project: "shop"}}},
		{
			"so is a sync", "", app("spec: {project: shop}\noperation: {sync: {revision: 6.7.1, source: {repoURL: 'oci://ghcr.io/acme/charts/podinfo', targetRevision: 6.7.1}}}"), "",
			[]sourceauth.Auth{{Consumer: sourceauth.ArgoCD, URL: "oci://ghcr.io/acme/charts/podinfo", Project: "shop"}},
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			e := source.NewExtractor(&cluster{objects: parse(t, tc.cluster)}, source.Options{})
			w := row{new: tc.new, subresource: tc.subresource}.write(t)
			changes, err := e.Changes(w)
			if err != nil {
				t.Fatal(err)
			}
			var got []sourceauth.Auth
			for _, u := range e.Uses(t.Context(), changes) {
				found, ok := u.Target.(source.Chart)
				if !ok {
					t.Fatalf("%+v", u.Target)
				}
				got = append(got, found.Auth)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where requests provably come from the API server, what they say counts.
func TestTrustedRequests(t *testing.T) {
	oci := ociRepo(ociSpec(`, ref: {tag: 6.7.1}, ` + copyLayer + `, secretRef: {name: login}`))
	for _, trusted := range []bool{false, true} {
		e := source.NewExtractor(&cluster{}, source.Options{TrustRequests: trusted})
		changes, err := e.Changes(row{new: oci}.write(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range e.Uses(t.Context(), changes) {
			if got := u.Target.(source.Chart).Auth.StoredHost; (got == "ghcr.io") != trusted {
				t.Errorf("trusted %v: %q", trusted, got)
			}
		}
	}
}

// A login that may not be used before its object is stored is no reason to deny that
// object, whatever the admin says of missing sources; what is pulled waits for nothing.
func TestWhatMayWaitForItsOwnObject(t *testing.T) {
	artifact := "\nstatus: {artifact: {digest: \"" + hex("b") + "\", revision: \"6.7.1@" + hex("a") + "\"}}"
	oci := ociSpec(`, ref: {tag: 6.7.1}, ` + copyLayer + `, secretRef: {name: login}`)
	for _, tc := range []struct {
		sentence, cluster, new, subresource string
		want                                bool
	}{
		{"an OCIRepository", "", ociRepo(oci), "", true},
		{"an OCIRepository's artifact", "", ociRepo(oci + artifact), "status", false},
		{"a HelmRelease that refers to an OCIRepository", ociRepo(oci), release(`spec: {chartRef: {kind: OCIRepository, name: podinfo}}`), "", false},
		{"an Application", "", app(`spec: {source: {repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}}`), "", false},
	} {
		for _, deny := range []bool{false, true} {
			e := source.NewExtractor(&cluster{objects: parse(t, tc.cluster)}, source.Options{DenyMissingSource: deny})
			changes, err := e.Changes(row{new: tc.new, subresource: tc.subresource}.write(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range e.Uses(t.Context(), changes) {
				if got := u.Defers(&problem.Error{Kind: problem.KindNotStored}); got != tc.want {
					t.Errorf("%s, deny %v: defers %v", tc.sentence, deny, got)
				}
			}
		}
	}
}

// What is going to be pulled may wait for a Secret; what was pulled, or what Argo CD
// syncs, may not.
func TestWhatMayWaitForASecret(t *testing.T) {
	artifact := "\nstatus: {artifact: {digest: \"" + hex("b") + "\", revision: \"6.7.1@" + hex("a") + "\"}}"
	chartSpec := `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`
	oci := ociSpec(`, ref: {tag: 6.7.1}, ` + copyLayer)
	ref := release(`spec: {chartRef: {kind: OCIRepository, name: podinfo}}`)
	for _, tc := range []struct {
		sentence, cluster, new, subresource string
		deny                                bool
		want                                bool
	}{
		{"a HelmChart", acme, helmChart(chartSpec), "", false, true},
		{"a HelmChart where the admin denies", acme, helmChart(chartSpec), "", true, false},
		{"a HelmChart's artifact", acme, helmChart(chartSpec + artifact), "status", false, false},
		{"an OCIRepository", "", ociRepo(oci), "", false, true},
		{"an OCIRepository where the admin denies", "", ociRepo(oci), "", true, false},
		{"an OCIRepository's artifact", "", ociRepo(oci + artifact), "status", false, false},
		{"a HelmRelease that refers to an OCIRepository without an artifact", ociRepo(oci), ref, "", false, true},
		{"a HelmRelease that refers to one with an artifact", ociRepo(oci + artifact), ref, "", false, false},
		{"attack: a HelmRelease that declares the future manifests of another namespace to be a chart", ociRepo(oci), object("HelmRelease", "team-b/x", `spec: {chartRef: {kind: OCIRepository, name: podinfo, namespace: apps}}`), "", false, false},
		{"an Application", "", app(`spec: {source: {repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}}`), "", false, false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			e := source.NewExtractor(&cluster{objects: parse(t, tc.cluster)}, source.Options{DenyMissingSource: tc.deny})
			changes, err := e.Changes(row{new: tc.new, subresource: tc.subresource}.write(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range e.Uses(t.Context(), changes) {
				if got := u.Defers(&problem.Error{Kind: problem.KindSourceNotFound}); got != tc.want {
					t.Errorf("%s defers: %v", u.Field, got)
				}
			}
		})
	}
}
