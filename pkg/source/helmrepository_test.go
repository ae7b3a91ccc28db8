package source_test

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

func TestHelmRepository(t *testing.T) {
	plain := source.Options{PlainHTTP: []string{"registry.local:5000", "charts.local"}}
	const below = "spec.url: charts below "
	const invalid = "spec.url: ReferenceInvalid"
	oci := `spec: {type: oci, url: "oci://ghcr.io/acme/charts"}`
	check(t, []row{
		{sentence: "an OCI repository", new: repository(oci), want: []string{below + "oci://ghcr.io/acme/charts"}},
		{sentence: "trailing slashes mean nothing", new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts///"}`), want: []string{below + "oci://ghcr.io/acme/charts"}},
		{sentence: "a whole registry", new: repository(`spec: {type: oci, url: "oci://ghcr.io"}`), want: []string{below + "oci://ghcr.io"}},
		{sentence: "a classic repository", new: repository(`spec: {url: "https://charts.acme.example/stable"}`), want: []string{below + "https://charts.acme.example/stable"}},
		{sentence: "type default is classic", new: repository(`spec: {type: default, url: "https://charts.acme.example"}`), want: []string{below + "https://charts.acme.example"}},
		{sentence: "oci:// without type oci is ambiguous", new: repository(`spec: {url: "oci://ghcr.io/acme/charts"}`), want: []string{invalid}},
		{sentence: "type oci without oci:// is ambiguous", new: repository(`spec: {type: oci, url: "https://ghcr.io/acme/charts"}`), want: []string{invalid}},
		{sentence: "type OCI is not oci", new: repository(`spec: {type: OCI, url: "oci://ghcr.io/acme/charts"}`), want: []string{invalid}},
		{sentence: "a classic repository over plain HTTP is a matter of policies", new: repository(`spec: {url: "http://chartmuseum.charts.svc:8080"}`), want: []string{below + "http://chartmuseum.charts.svc:8080"}},
		{sentence: "insecure says nothing of a classic repository", new: repository(`spec: {insecure: true, url: "https://charts.acme.example"}`), want: []string{below + "https://charts.acme.example"}},
		{sentence: "a classic repository with a query", new: repository(`spec: {url: "https://Charts.acme.example/x/?sig=secret"}`), want: []string{below + "https://charts.acme.example/x?*"}},
		{sentence: "insecure is refused", new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme", insecure: true}`), options: plain, want: []string{invalid}},
		{sentence: "insecure to a host that the admin named", new: repository(`spec: {type: oci, url: "oci://registry.local:5000/acme", insecure: true}`), options: plain, want: []string{below + "oci://registry.local:5000/acme"}},
		{sentence: "insecure to another port of that host is refused", new: repository(`spec: {type: oci, url: "oci://registry.local/acme", insecure: true}`), options: plain, want: []string{invalid}},
		{sentence: "a path that climbs is refused", new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme/../evil"}`), want: []string{invalid}},
		{sentence: "user info is refused", new: repository(`spec: {type: oci, url: "oci://ghcr.io@evil.example/acme"}`), want: []string{invalid}},
		{sentence: "an upper-case scheme is refused", new: repository(`spec: {type: oci, url: "OCI://ghcr.io/acme"}`), want: []string{invalid}},
		{sentence: "a name of chartgate's own for Git is no repository", new: repository(`spec: {url: "git://github.com/acme/apps"}`), want: []string{invalid}},
		{sentence: "nor is one for a bucket", new: repository(`spec: {url: "bucket://minio.svc/charts"}`), want: []string{invalid}},
		{sentence: "no URL is refused", new: repository(`spec: {type: oci}`), want: []string{invalid}},
		{sentence: "an empty object is refused", new: repository(""), want: []string{invalid}},
		{sentence: "a suspended repository goes on to serve charts", new: repository(`spec: {suspend: true, type: oci, url: "oci://ghcr.io/evil"}`), want: []string{below + "oci://ghcr.io/evil"}},
		{sentence: "resuming a repository is no news", old: repository(`spec: {suspend: true, type: oci, url: "oci://ghcr.io/acme/charts"}`), new: repository(oci)},
		{sentence: "repeating is no news", old: repository(oci), new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts", interval: 1m, timeout: 5s, secretRef: {name: x}}` + "\nstatus: {url: x}")},
		{sentence: "another type is news", old: repository(`spec: {url: "oci://ghcr.io/acme/charts"}`), new: repository(oci), want: []string{below + "oci://ghcr.io/acme/charts"}},
		{sentence: "another provider is news", old: repository(oci), new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts", provider: aws}`), want: []string{below + "oci://ghcr.io/acme/charts"}},
		{sentence: "turning insecure on is news", old: repository(oci), new: repository(`spec: {type: oci, url: "oci://ghcr.io/acme/charts", insecure: true}`), want: []string{invalid}},
		{sentence: "v1beta2 says it in the same words",
			new:  "---\napiVersion: source.toolkit.fluxcd.io/v1beta2\nkind: HelmRepository\nmetadata: {namespace: apps, name: acme}\n" + oci,
			want: []string{below + "oci://ghcr.io/acme/charts"}},
		{sentence: "status of a repository is not gated", subresource: "status", new: repository(oci), want: []string{"error: Unsupported"}},
	})
}
