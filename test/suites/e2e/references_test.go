package e2e_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestMalformedReferencesAreDenied: each chart has one spelling. References that need
// interpretation are refused, because another program could interpret it differently.
func TestMalformedReferencesAreDenied(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	url := func(sentence, url, summary string) row {
		return row{sentence: sentence, object: ociAt(url, "{tag: 6.7.1}"), want: malformed("OCIRepository", "spec.url", summary)}
	}
	name := func(sentence, chart, summary string) row {
		return row{sentence: sentence, object: releaseOf(chart, "6.7.1"), want: malformed("HelmRelease", "spec.chart.spec", summary)}
	}
	repository := func(sentence, spec, summary string, next ...string) row {
		return row{sentence: sentence, object: helmRepository("app", spec), want: malformed("HelmRepository", "spec.url", summary, next...)}
	}
	source := func(sentence, repoURL, chart, summary string) row {
		return row{sentence: sentence, object: applicationOf(repoURL, chart, "6.7.1"), want: malformed("Application", "spec.source", summary)}
	}
	w.check(t, []row{
		url("a URL with ..", "oci://ghcr.io/acme/charts/../evil/podinfo", `"oci://ghcr.io/acme/charts/../evil/podinfo" has the path segment ".."; write the location that is meant`),
		url("a URL with user info", "oci://ghcr.io@evil.example/acme/charts/podinfo", `"oci://***@evil.example/acme/charts/podinfo" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		url("a URL with a host in upper case", "oci://GHCR.IO/acme/charts/podinfo", `"oci://GHCR.IO/acme/charts/podinfo" has no valid lower-case host name`),
		url("a URL with a path in upper case", "oci://ghcr.io/Acme/charts/podinfo", `"oci://ghcr.io/Acme/charts/podinfo" has the path segment "Acme", which is not a valid repository name`),
		url("a URL with an empty segment", "oci://ghcr.io/acme//podinfo", `"oci://ghcr.io/acme//podinfo" has an empty path segment`),
		url("a URL with a slash at the end", "oci://ghcr.io/acme/charts/podinfo/", `"oci://ghcr.io/acme/charts/podinfo/" has an empty path segment`),
		url("a URL with percent-encoding", "oci://ghcr.io/acme/charts%2Fpodinfo", `"oci://ghcr.io/acme/charts%2Fpodinfo" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		url("a URL with a query", "oci://ghcr.io/acme/charts/podinfo?x=y", `"oci://ghcr.io/acme/charts/podinfo?***" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		url("a URL with a fragment", "oci://ghcr.io/acme/charts/podinfo#x", `"oci://ghcr.io/acme/charts/podinfo#x" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		url("a URL with a tag", "oci://ghcr.io/acme/charts/podinfo:6.7.1", `"oci://ghcr.io/acme/charts/podinfo:6.7.1" must not contain a tag; remove ":6.7.1"`),
		url("a URL with a digest", "oci://ghcr.io/acme/charts/podinfo@sha256:0000000000000000000000000000000000000000000000000000000000000000", `"oci://ghcr.io/acme/charts/podinfo@sha256:0000000000000000000000000000000000000000000000000000000000000000" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		url("a URL with a dot after the host", "oci://registry.example.com./acme/charts/podinfo", `"oci://registry.example.com./acme/charts/podinfo" has no valid lower-case host name`),
		url("a URL with a short IP address", "oci://127.1/acme/charts/podinfo", `"oci://127.1/acme/charts/podinfo" has no valid lower-case host name`),
		url("a URL with an octal port", "oci://registry.example.com:0443/acme/charts/podinfo", `"oci://registry.example.com:0443/acme/charts/podinfo" has an invalid port`),
		url("a URL with a blank", "oci://ghcr.io/acme/charts/pod info", `"oci://ghcr.io/acme/charts/pod info" holds a character that no chart location has`),
		url("a URL with a letter that looks like another", "oci://ghcr.io/acme/charts/p\u043edinfo", `"oci://ghcr.io/acme/charts/p\u043edinfo" holds a character that no chart location has`),
		url("a URL with nothing", "oci://", `"oci://" has no valid lower-case host name`),
		url("a URL with a host only", "oci://ghcr.io", `"oci://ghcr.io" names a registry but no chart in it`),
		url("a chart on Docker Hub without a namespace", "oci://docker.io/podinfo", `"oci://docker.io/podinfo" lacks the namespace that Docker Hub needs, as in oci://docker.io/acme/podinfo`),
		name("a chart with ..", "../evil/podinfo", `"oci://ghcr.io/acme/charts/../evil/podinfo" has the path segment ".."; write the location that is meant`),
		name("a chart with .", "./podinfo", `"oci://ghcr.io/acme/charts/./podinfo" has the path segment "."; write the location that is meant`),
		name("a chart with a tag", "podinfo:6.7.1", `"oci://ghcr.io/acme/charts/podinfo:6.7.1" must not contain a tag; remove ":6.7.1"`),
		name("a chart with a digest", "podinfo@sha256:0000000000000000000000000000000000000000000000000000000000000000", `"oci://ghcr.io/acme/charts/podinfo@sha256:0000000000000000000000000000000000000000000000000000000000000000" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		name("a chart with an empty segment", "sub//podinfo", `"oci://ghcr.io/acme/charts/sub//podinfo" has an empty path segment`),
		name("a chart that starts with a slash", "/podinfo", `"oci://ghcr.io/acme/charts//podinfo" has an empty path segment`),
		name("a chart with percent-encoding", "%2e%2e/podinfo", `"oci://ghcr.io/acme/charts/%2e%2e/podinfo" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		name("a chart with a URL of its own", "oci://evil.example/podinfo", `"oci://ghcr.io/acme/charts/oci://evil.example/podinfo" must not contain a tag; remove ":"`),
		{
			sentence: "a chart without a name",
			object:   helmChart("{interval: 10m, chart: '', version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}"),
			want: harness.Denied("ReferenceInvalid spec", `
HelmChart apps/app denied (ReferenceInvalid): the chart below oci://ghcr.io/acme/charts has an empty name
  where:    spec
  next:     name the chart`),
		},
		{
			sentence: "an invalid version",
			object:   releaseOf("podinfo", "six"),
			want: harness.Denied("ReferenceInvalid spec.chart.spec", `
HelmRelease apps/app denied (ReferenceInvalid): "six" is neither a version nor a range of versions
  where:    spec.chart.spec
  next:     write one complete version, as in version: "1.2.3"; a tag such as "six" can be named in an OCIRepository only`),
		},
		{
			sentence: "a version with + where a tag is wanted",
			object:   ociAt("oci://ghcr.io/acme/charts/podinfo", "{tag: 6.7.1+b}"),
			want: harness.Denied("ReferenceInvalid spec.ref", `
OCIRepository apps/app denied (ReferenceInvalid): "6.7.1+b" is not a valid version or tag: no tag holds a +, and helm push writes an underscore for it
  where:    spec.ref
  next:     write ref: {tag: "6.7.1_b"}`),
		},
		{
			sentence: "an invalid digest",
			object:   ociAt("oci://ghcr.io/acme/charts/podinfo", "{digest: 'sha256:1234'}"),
			want: harness.Denied("ReferenceInvalid spec.ref", `
OCIRepository apps/app denied (ReferenceInvalid): "sha256:1234" is not a digest of the form sha256:<64 hex digits>
  where:    spec.ref
  next:     write the digest that helm push printed: sha256: and 64 lower-case hexadecimal digits`),
		},
		repository("a repository of type oci elsewhere", "{type: oci, url: 'https://ghcr.io/acme/charts'}", `spec.type is oci, but spec.url https://ghcr.io/acme/charts does not start with oci://`, `write spec.url with oci://, or remove spec.type`),
		repository("a repository in a registry without type oci", "{url: 'oci://ghcr.io/acme/charts'}", `spec.url oci://ghcr.io/acme/charts is an OCI registry, but spec.type is not oci`, `set spec.type to oci`),
		{
			sentence: "a classic repository over plain HTTP, where the waiver is for HTTPS",
			object:   helmRepository("app", "{url: 'http://charts.legacy.example'}"),
			want: harness.Denied("NotOCI spec.url", `
HelmRepository apps/app denied (NotOCI): http://charts.legacy.example does not come from an OCI registry, so it cannot carry a signature
  where:    spec.url
  next:     use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified`),
		},
		{
			sentence: "a classic repository with a query, where the waiver is for URLs without",
			object:   helmRepository("app", "{url: 'https://charts.legacy.example/?x=y'}"),
			want: harness.Denied("NotOCI spec.url", `
HelmRepository apps/app denied (NotOCI): https://charts.legacy.example?* does not come from an OCI registry, so it cannot carry a signature
  where:    spec.url
  found:    the pattern https://charts.legacy.example/** of policy legacy-charts matches URLs without a query only
  next:     ask the platform team to add the pattern https://charts.legacy.example/**?* to policy legacy-charts`),
		},
		repository("an insecure repository that the admin has not named", "{type: oci, insecure: true, url: 'oci://registry.example.com/charts'}", `spec.insecure asks for plain HTTP to registry.example.com, which the cluster's admin has not allowed`, `use HTTPS, or ask the admin to name the host with --plain-http`),
		repository("a repository with user info", "{type: oci, url: 'oci://user:secret@registry.example.com/charts'}", `"oci://***@registry.example.com/charts" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
		source("an Application with .. in chart", "ghcr.io/acme/charts", "../evil/podinfo", `"oci://ghcr.io/acme/charts/../evil/podinfo" has the path segment ".."; write the location that is meant`),
		source("an Application with .. in repoURL", "ghcr.io/acme/charts/../evil", "podinfo", `"oci://ghcr.io/acme/charts/../evil" has the path segment ".."; write the location that is meant`),
		source("an Application with a tag in chart", "ghcr.io/acme/charts", "podinfo:6.7.1", `"oci://ghcr.io/acme/charts/podinfo:6.7.1" must not contain a tag; remove ":6.7.1"`),
		source("an Application with a tag in a native repoURL", "oci://ghcr.io/acme/charts/podinfo:6.7.1", "", `"oci://ghcr.io/acme/charts/podinfo:6.7.1" must not contain a tag; remove ":6.7.1"`),
		source("an Application with a chart and no repoURL", "", "podinfo", `"oci://" has no valid lower-case host name`),
		source("an Application with user info", "mallory@ghcr.io/acme/charts", "podinfo", `"oci://***@ghcr.io/acme/charts" must be plain: without user info, query, fragment, percent-encoding, tag or digest`),
	})
}

// nameApplication is the advice if only the kind is known.
const nameApplication = "write repoURL as host/path with the chart's name in chart, or as oci://host/path without chart, in lower case and without a tag; the version goes into targetRevision"

// malformed is the denial of a reference that cannot be read, with the given advice or that for the
// mistake.
func malformed(kind, field, summary string, next ...string) harness.Answer {
	message := kind + " apps/app denied (ReferenceInvalid): " + summary + "\n  where:    " + field
	if len(next) == 0 {
		next = []string{adviceFor(summary)}
	}
	for _, advice := range next {
		message += "\n  next:     " + advice
	}
	return harness.Denied("ReferenceInvalid "+field, message)
}

// adviceFor is the next step for a location that cannot be read.
func adviceFor(summary string) string {
	for part, advice := range map[string]string{
		"has the path segment \".":             "write the path without . and .. in it",
		"must be plain":                        "write oci://host/path alone; a version or digest has a field of its own, and a login belongs into a Secret",
		"has no valid lower-case host name":    "write the host as its DNS name, in lower case and without a dot at the end, or as an IPv4 address of four numbers",
		"is not a valid repository name":       "write the name as the registry knows it: lower-case letters, digits, and single . _ - between them",
		"has an empty path segment":            "remove the slash at the end, or the second of two",
		"must not contain a tag":               "name the version in its own field: version, ref.tag or targetRevision",
		"has an invalid port":                  "write the port as a number from 1 to 65535, or leave it out",
		"holds a character":                    "remove blanks and control characters; write an international host name in its ASCII form (xn--…)",
		"names a registry but no chart in it":  "append the path and name of the chart",
		"lacks the namespace that Docker Hub ": "write the namespace: oci://docker.io/NAMESPACE/podinfo",
	} {
		if strings.Contains(summary, part) {
			return advice
		}
	}
	return "no advice"
}
