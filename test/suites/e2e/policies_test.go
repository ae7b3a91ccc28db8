package e2e_test

import (
	"fmt"
	"strings"
)

// policies are those of the samples, for both registries, and more for the rows of the tables.
func (s *shop) policies() string {
	return strings.Join([]string{
		s.sample("policies/acme-release.yaml"),
		s.sample("policies/acme-breakglass.yaml"),
		s.sample("policies/acme-charts.yaml"),
		s.sample("policies/legacy-charts.yaml"),
		policy("quay-charts", `{match: {charts: ["oci://quay.io/acme/charts/**"]}, require: [{anyOf: [acme-release, acme-breakglass]}]}`),
		policy("down-charts", `{match: {charts: ["oci://down.example/**"]}, require: [{anyOf: [acme-release]}]}`),
		// Another team's charts in the same registry.
		identity("billing-release", `{keyless: {issuer: https://token.actions.githubusercontent.com,
  subject: https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main}}`),
		policy("acme-billing", `{match: {charts: ["oci://ghcr.io/acme/billing/**"]}, require: [{anyOf: [billing-release]}]}`),
		identity("any-workflow", `{keyless: {issuerRegExp: "https://token[.]actions[.]githubusercontent[.]com",
  subjectRegExp: "https://github[.]com/acme/charts/[.]github/workflows/[^/]+@refs/heads/main"}}`),
		policy("regexp", `{match: {charts: ["oci://ghcr.io/acme/regexp/*"]}, require: [{anyOf: [any-workflow]}]}`),
		policy("both", `{match: {charts: ["oci://ghcr.io/acme/both/*"]}, require: [{anyOf: [acme-release]}, {anyOf: [acme-breakglass]}]}`),
		policy("floating", `{match: {charts: ["oci://ghcr.io/acme/floating/*"]}, require: [{anyOf: [acme-release]}], pinning: Floating}`),
		policy("pinned", `{match: {charts: ["oci://ghcr.io/acme/pinned/*"]}, require: [{anyOf: [acme-release]}], pinning: Digest}`),
		policy("warning", `{match: {charts: ["oci://ghcr.io/acme/warn/*"]}, require: [{anyOf: [acme-release]}], mode: Warn}`),
		policy("ended", `{match: {charts: ["https://charts.ended.example/**"]}, allowUnverified: {reason: moving, until: "2020-12-31"}}`),
		// Two policies on one chart.
		policy("billing-too", `{match: {charts: ["oci://ghcr.io/acme/billing/**"], exclude: ["oci://ghcr.io/acme/billing/invoice"]}, require: [{anyOf: [acme-release]}]}`),
	}, "\n---\n")
}

func policy(name, spec string) string {
	return fmt.Sprintf("{apiVersion: chartgate.dev/v1alpha1, kind: ChartPolicy, metadata: {name: %s}, spec: %s}", name, spec)
}

func identity(name, spec string) string {
	return fmt.Sprintf("{apiVersion: chartgate.dev/v1alpha1, kind: TrustedIdentity, metadata: {name: %s}, spec: %s}", name, spec)
}

// What the policies want, as messages say it.
const (
	wantsRelease = "a signature by acme-release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, " +
		"issuer https://token.actions.githubusercontent.com, sourceRepositoryURI https://github.com/acme/charts)"
	wantsBreakglass = "acme-breakglass (key sha256:<key of acme>)"
	acmeWants       = "acme-charts wants " + wantsRelease + " or " + wantsBreakglass

	// Signers whom messages name.
	byRelease = "subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
	byMallory = "subject https://github.com/mallory/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
)
