package source_test

import (
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

const copyLayer = `layerSelector: {mediaType: ` + chartLayer + `, operation: copy}`

func ociSpec(more string) string {
	return `spec: {url: "oci://ghcr.io/acme/charts/podinfo"` + more + `}`
}

// byRef is a HelmRelease that refers to the OCIRepository apps/podinfo.
func byRef(namespace, more string) string {
	return object("HelmRelease", namespace+"/podinfo", "spec: {chartRef: {kind: OCIRepository, name: podinfo"+more+"}}")
}

func TestOCIRepository(t *testing.T) {
	const tag = ", ref: {tag: 6.7.1}"
	const at = "spec.ref: oci://ghcr.io/acme/charts/podinfo"
	const invalid = "spec.ref: ReferenceInvalid"
	held := func(url, more string) string {
		return ociRepo(fmt.Sprintf("spec: {url: \"oci://%s\", ref: {tag: 6.7.1}%s}\nstatus: {artifact: {revision: %q, digest: %q}}", url, more, "6.7.1@"+hex("a"), hex("b")))
	}
	check(t, []row{
		{sentence: "without anything that says chart, it may be one", new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a selector of Helm's layer says chart", new: ociRepo(ociSpec(tag + ", " + copyLayer)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "a selector of another layer does not", new: ociRepo(ociSpec(tag + ", layerSelector: {mediaType: application/x, operation: copy}")), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a release that refers to it says chart", cluster: byRef("apps", ""), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "a release of another namespace that refers to it does not: it is denied itself", cluster: byRef("team-b", ", namespace: apps"), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe, used elsewhere"}},
		{sentence: "and counts for nothing while it is suspended", cluster: byRef("team-b", ", namespace: apps}, suspend: true, interval: {x: y"), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "beside one of its own namespace, which says chart", cluster: byRef("team-b", ", namespace: apps") + byRef("apps", ""), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "a release that refers to its namesake elsewhere does not", cluster: byRef("team-b", "") + byRef("apps", ", namespace: team-b"), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a suspended release that refers to it says chart", cluster: object("HelmRelease", "apps/x", `spec: {suspend: true, chartRef: {kind: OCIRepository, name: podinfo}}`), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "a suspended release of another namespace, which was admitted unseen, does not", cluster: object("HelmRelease", "team-b/x", `spec: {suspend: true, chartRef: {kind: OCIRepository, name: podinfo, namespace: apps}}`), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a release that refers to a HelmChart of that name does not", cluster: object("HelmRelease", "apps/x", `spec: {chartRef: {kind: HelmChart, name: podinfo}}`), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a release that cannot be read does not: helm-controller cannot read it either", cluster: object("HelmRelease", "apps/x", `spec: {chartRef: 1}`), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "digest beats semver and tag", new: ociRepo(ociSpec(fmt.Sprintf(`, ref: {tag: 6.7.1, semver: ">=1", digest: %q}, `, hex("a")) + copyLayer)), want: []string{at + "@" + hex("a") + " Digest"}},
		{sentence: "semver beats tag", new: ociRepo(ociSpec(`, ref: {tag: 6.7.1, semver: ">=1"}, ` + copyLayer)), want: []string{at + ":>=1 Floating"}},
		{sentence: "no ref means latest", new: ociRepo(ociSpec(", " + copyLayer)), want: []string{at + ":latest Floating"}},
		{sentence: "a broken digest is refused, whatever the tag", new: ociRepo(ociSpec(`, ref: {tag: 6.7.1, digest: "sha256:b"}, ` + copyLayer)), want: []string{invalid}},
		{sentence: "a URL without oci:// is refused", new: ociRepo(`spec: {url: "https://ghcr.io/acme/podinfo"}`), want: []string{"spec.url: ReferenceInvalid"}},
		{sentence: "a tag inside the URL is refused", new: ociRepo(`spec: {url: "oci://ghcr.io/acme/podinfo:1.0.0"}`), want: []string{"spec.url: ReferenceInvalid"}},
		{sentence: "a registry without a chart is refused", new: ociRepo(`spec: {url: "oci://ghcr.io"}`), want: []string{"spec.url: ReferenceInvalid"}},
		{sentence: "insecure is refused where the layer is a chart", new: ociRepo(ociSpec(tag + ", insecure: true, " + copyLayer)), want: []string{"spec.url: ReferenceInvalid"}},
		{sentence: "insecure is not the gate's business where nothing is a chart", new: ociRepo(ociSpec(tag + ", insecure: true")), want: []string{"spec.ref: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, maybe"}},
		{sentence: "insecure to a host that the admin named", options: source.Options{PlainHTTP: []string{"ghcr.io"}}, new: ociRepo(ociSpec(tag + ", insecure: true, " + copyLayer)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "a suspended one pulls nothing", new: ociRepo(ociSpec(tag + ", suspend: true"))},
		{sentence: "resuming is news", old: ociRepo(ociSpec(tag + ", suspend: true")), new: ociRepo(ociSpec(tag + ", " + copyLayer)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "another URL, while an archive of what the old one served is kept: that is compared before it is deployed", old: held("evil.example/x", ""), new: held("ghcr.io/acme/charts/podinfo", ""), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "the same while it is suspended", old: held("evil.example/x", ""), new: held("ghcr.io/acme/charts/podinfo", ", suspend: true")},
		{sentence: "another URL of what is copied, which is compared", old: held("evil.example/x", ", "+copyLayer), new: held("ghcr.io/acme/charts/podinfo", ", "+copyLayer), want: []string{at + ":6.7.1 Version"}},
		{sentence: "another URL of what is copied from now on, while what was extracted is kept", old: held("evil.example/x", ""), new: held("ghcr.io/acme/charts/podinfo", ", "+copyLayer), want: []string{at + ":6.7.1 Version"}},
		{sentence: "extracting again what may have been kept while it was to be copied", old: held("ghcr.io/acme/charts/podinfo", ", "+copyLayer), new: held("ghcr.io/acme/charts/podinfo", ""), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "no proxy, while an archive is kept that a proxy has served", old: held("ghcr.io/acme/charts/podinfo", ", proxySecretRef: {name: x}"), new: held("ghcr.io/acme/charts/podinfo", "")},
		{sentence: "TLS, while an archive is kept that was pulled without", old: held("ghcr.io/acme/charts/podinfo", ", insecure: true"), new: held("ghcr.io/acme/charts/podinfo", ""), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "a proxy from now on", old: held("ghcr.io/acme/charts/podinfo", ""), new: held("ghcr.io/acme/charts/podinfo", ", proxySecretRef: {name: x}")},
		{sentence: "another URL, and nothing pulled yet", old: ociRepo(`spec: {url: "oci://evil.example/x", ref: {tag: 6.7.1}}`), new: ociRepo(ociSpec(tag)), want: []string{at + ":6.7.1 Version, maybe"}},
		{sentence: "repeating is no news", old: ociRepo(ociSpec(tag)), new: ociRepo(ociSpec(tag + ", interval: 1m, ignore: x, provider: aws"))},
		{sentence: "copying instead of extracting pulls the same", old: ociRepo(ociSpec(tag + ", layerSelector: {mediaType: " + chartLayer + ", operation: extract}")), new: ociRepo(ociSpec(tag + ", " + copyLayer))},
		{sentence: "an artifact that becomes a chart is news", old: ociRepo(ociSpec(tag)), new: ociRepo(ociSpec(tag + ", " + copyLayer)), want: []string{at + ":6.7.1 Version"}},
		{sentence: "another layer of a chart is news", cluster: byRef("apps", ""), old: ociRepo(ociSpec(tag)), new: ociRepo(ociSpec(tag + ", layerSelector: {mediaType: application/x, operation: extract}")), want: []string{at + ":6.7.1 Version"}},
		{sentence: "another filter is news", old: ociRepo(ociSpec(`, ref: {semver: ">=1", semverFilter: ".*"}`)), new: ociRepo(ociSpec(`, ref: {semver: ">=1", semverFilter: ".*-rc"}`)), want: []string{at + ":>=1 Floating, maybe"}},
		{sentence: "v1beta2 says it in the same words",
			new:  "---\napiVersion: source.toolkit.fluxcd.io/v1beta2\nkind: OCIRepository\nmetadata: {namespace: apps, name: podinfo}\n" + ociSpec(tag+", "+copyLayer),
			want: []string{at + ":6.7.1 Version"}},
	})
}

func TestOCIRepositoryStatus(t *testing.T) {
	status := func(revision, digest, more string) string {
		return ociRepo(ociSpec(", ref: {tag: 6.7.1}"+more) + fmt.Sprintf("\nstatus: {artifact: {revision: %q, digest: %q}}", revision, digest))
	}
	pinned := "6.7.1@" + hex("a")
	right := status(pinned, hex("b"), ", "+copyLayer)
	const at = "status.artifact: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"
	const invalid = "status.artifact: ReferenceInvalid"
	check(t, onStatus([]row{
		{sentence: "a copied artifact is compared by manifest and archive", user: fluxUser, new: right, want: []string{at + ", pulled a/b by the controller"}},
		{sentence: "an artifact that an editor forges is not vouched for", old: right, new: status(pinned, hex("c"), ", "+copyLayer), want: []string{at + ", pulled a/c"}},
		{sentence: "another manifest for the same archive is news", old: right, new: status("6.7.1@"+hex("d"), hex("b"), ", "+copyLayer), want: []string{at + ", pulled d/b"}},
		{sentence: "an extracted artifact is packed again", user: fluxUser, new: status(pinned, hex("b"), ", layerSelector: {mediaType: "+chartLayer+", operation: extract}"), want: []string{at + ", pulled a/b incomparable by the controller"}},
		{sentence: "without an operation, the layer is extracted", user: fluxUser, new: status(pinned, hex("b"), ", layerSelector: {mediaType: "+chartLayer+"}"), want: []string{at + ", pulled a/b incomparable by the controller"}},
		{sentence: "without a selector, the layer is extracted, and it may be no chart", user: fluxUser, new: status(pinned, hex("b"), ""), want: []string{at + ", maybe, pulled a/b incomparable by the controller"}},
		{sentence: "a release that refers to it says chart", cluster: byRef("apps", ""), new: status(pinned, hex("b"), ""), want: []string{at + ", pulled a/b incomparable"}},
		{sentence: "what a tenant's proxy has served, extracted", user: fluxUser, new: status(pinned, hex("b"), ", proxySecretRef: {name: x}"), want: []string{at + ", maybe, pulled a/b incomparable by the controller"}},
		{sentence: "what a tenant's proxy has served, copied", user: fluxUser, new: status(pinned, hex("b"), ", proxySecretRef: {name: x}, "+copyLayer), want: []string{at + ", pulled a/b by the controller"}},
		{sentence: "a revision may be the digest alone", new: status(hex("a"), hex("b"), ", "+copyLayer), want: []string{at + ", pulled a/b"}},
		{sentence: "the digest behind the last @ is the one", new: status("6.7.1@"+hex("d")+"@"+hex("a"), hex("b"), ", "+copyLayer), want: []string{at + ", pulled a/b"}},
		{sentence: "a revision without a digest is refused", new: status("6.7.1", hex("b"), ", "+copyLayer), want: []string{invalid}},
		{sentence: "the revision form of old versions is refused", new: status("6.7.1/"+hex("a")[7:], hex("b"), ", "+copyLayer), want: []string{invalid}},
		{sentence: "a revision of another algorithm is refused", new: status("6.7.1@sha512:"+hex("a")[7:], hex("b"), ", "+copyLayer), want: []string{invalid}},
		{sentence: "no revision is refused", new: status("", hex("b"), ", "+copyLayer), want: []string{invalid}},
		{sentence: "no archive digest is refused", new: status(pinned, "", ", "+copyLayer), want: []string{invalid}},
		{sentence: "an archive digest of another algorithm proves nothing", new: status(pinned, "sha512:"+hex("b")[7:], ", "+copyLayer), want: []string{at + ", pulled a/- incomparable"}},
		{sentence: "the same artifact is no news", old: right, new: right + "x: y"},
		{sentence: "the same artifact for another URL is news", new: right,
			old:  ociRepo(`spec: {url: "oci://ghcr.io/acme/charts/other", ref: {tag: 6.7.1}, ` + copyLayer + "}\nstatus: {artifact: {revision: \"" + pinned + "\", digest: \"" + hex("b") + "\"}}"),
			want: []string{at + ", pulled a/b"}},
		{sentence: "removing the artifact is fine", old: right, new: ociRepo(ociSpec(", ref: {tag: 6.7.1}"))},
		{sentence: "a suspended one's artifact is used all the same", new: status(pinned, hex("b"), ", suspend: true, "+copyLayer), want: []string{at + ", pulled a/b"}},
		{sentence: "an artifact of an insecure source is refused", user: fluxUser, new: status(pinned, hex("b"), ", insecure: true, "+copyLayer), want: []string{"spec.url: ReferenceInvalid"}},
	}))
}
