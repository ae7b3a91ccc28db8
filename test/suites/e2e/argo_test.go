package e2e_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestArgoSources: every form of a source in an Application.
func TestArgoSources(t *testing.T) {
	w := theSite(t)
	podinfo := w.digest("ghcr.io/acme/charts/podinfo:6.7.1")
	unsignedDigest := w.digest("ghcr.io/acme/charts/unsigned:1.0.0")
	w.check(t, []row{
		{
			sentence: "the sample with a Helm-OCI source",
			object:   w.sample("argo/application.yaml"),
		},
		{
			sentence: "the sample with a native OCI source",
			object:   w.sample("argo/application-native.yaml"),
		},
		{
			sentence: "the sample with several sources",
			object:   w.sample("argo/application-sources.yaml"),
		},
		{
			sentence: "a native source by digest",
			object:   applicationOf("oci://ghcr.io/acme/charts/podinfo", "", podinfo),
		},
		{
			sentence: "a native source by tag and digest, of which the digest decides",
			object:   applicationOf("oci://ghcr.io/acme/charts/podinfo", "", "6.7.1@"+w.digest("ghcr.io/acme/charts/podinfo:6.8.0")),
			want:     unsigned("Application apps/app", "spec.source", "oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:<podinfo:6.8.0>"),
		},
		{
			sentence: "a Git source, which is outside the gate",
			object:   application("source: {repoURL: 'https://github.com/acme/config.git', path: ., targetRevision: main}"),
		},
		{
			sentence: "a Helm-OCI source without a signature",
			object:   applicationOf("ghcr.io/acme/charts", "unsigned", "1.0.0"),
			want:     unsigned("Application apps/app", "spec.source", unsignedChart),
		},
		{
			sentence: "a native source without a signature",
			object:   applicationOf("oci://ghcr.io/acme/charts/unsigned", "", unsignedDigest),
			want:     unsigned("Application apps/app", "spec.source", "oci://ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>"),
		},
		{
			sentence: "two bad sources among three",
			object: application("sources: [{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}, " +
				"{repoURL: ghcr.io/acme/charts, chart: unsigned, targetRevision: 1.0.0}, " +
				"{repoURL: 'oci://ghcr.io/acme/charts/podinfo', targetRevision: latest}]"),
			want: harness.Answer{
				Causes: []string{"SignatureMissing spec.sources[1]", "NotPinned spec.sources[2]"},
				Message: strings.TrimSpace(`
Application apps/app denied (SignatureMissing): oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0> has no signature
  where:    spec.sources[1]
  policy:   ` + acmeWants + `
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>
Application apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:latest is not pinned: the tag "latest" names other content tomorrow
  where:    spec.sources[2]
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in targetRevision: "1.2.3"`),
			},
		},
		{
			sentence: "more sources than chartgate verifies at once",
			object:   application("sources: [" + strings.Repeat("{repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: 6.7.1}, ", 65) + "]"),
			want: harness.Denied("LimitExceeded", `
Application apps/app denied (LimitExceeded): it names 65 charts; at most 64 are verified at once
  next:     remove what exceeds the limit; docs/architecture.md lists the limits`),
		},
		{
			sentence: "the sample with oci:// and chart together",
			object:   w.sample("denied/ambiguous.yaml"),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application argocd/ambiguous denied (ReferenceInvalid): repoURL "oci://ghcr.io/acme/charts/podinfo" starts with oci:// and chart is set too: Argo CD versions disagree on what that means
  where:    spec.source
  next:     either remove oci:// from repoURL, or put the whole reference into repoURL and remove chart`),
		},
		{
			sentence: "a classic Helm repository",
			object:   applicationOf("https://charts.example.com/stable", "podinfo", "6.7.1"),
			want: harness.Denied("NotOCI spec.source", `
Application apps/app denied (NotOCI): https://charts.example.com/stable/podinfo:6.7.1 does not come from an OCI registry, so it cannot carry a signature
  where:    spec.source
  next:     use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified`),
		},
		{
			sentence: "a classic Helm repository that may be unverified for a while",
			object:   applicationOf("https://charts.legacy.example/stable", "podinfo", "6.7.1"),
			want:     harness.Admitted("chartgate admitted this unverified: policy legacy-charts allows https://charts.legacy.example/stable/podinfo:6.7.1 (moving to ghcr.io/acme/charts, ticket PLAT-42; until 2099-12-31)"),
		},
		{
			sentence: "a scheme in upper case, which Argo CD takes for Git",
			object:   applicationOf("OCI://ghcr.io/acme/charts/podinfo", "", "6.7.1"),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): repoURL "OCI://ghcr.io/acme/charts/podinfo": the scheme is spelled oci://, in lower case
  where:    spec.source
  next:     `+nameApplication),
		},
		{
			sentence: "no revision",
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", ""),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): targetRevision is empty
  where:    spec.source
  next:     set targetRevision to the chart's version`),
		},
		{
			sentence: "a range",
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", "6.*"),
			want: harness.Denied("NotPinned spec.source", `
Application apps/app denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:6.* is not pinned: "6.*" is a range of versions, and names other content tomorrow
  where:    spec.source
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in targetRevision: "1.2.3"`),
		},
		{
			sentence: "a digest where Argo CD takes none",
			object:   applicationOf("ghcr.io/acme/charts", "podinfo", podinfo),
			want: harness.Denied("ReferenceInvalid spec.source", `
Application apps/app denied (ReferenceInvalid): targetRevision "sha256:<podinfo:6.7.1>" is a digest, which Argo CD's Helm sources refuse
  where:    spec.source
  next:     use a native source to pin a digest: repoURL: oci://…, without chart`),
		},
	})
}
