package e2e_test

import (
	"strings"

	"github.com/chartgate/chartgate/test/harness"
)

// policies are those of the samples, for both registries, and more for the rows of the tables.
func (s *shop) policies() string {
	return strings.Join([]string{
		s.sample("policies/acme-release.yaml"),
		s.sample("policies/acme-breakglass.yaml"),
		s.sample("policies/acme-charts.yaml"),
		s.sample("policies/legacy-charts.yaml"),
		harness.Policy("quay-charts", `{match: {charts: ["oci://quay.io/acme/charts/**"]}, require: [{anyOf: [acme-release, acme-breakglass]}]}`),
		harness.Policy("down-charts", `{match: {charts: ["oci://down.example/**"]}, require: [{anyOf: [acme-release]}]}`),
		// Another team's charts in the same registry.
		harness.Identity("billing-release", `{keyless: {issuer: https://token.actions.githubusercontent.com,
  subject: https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main}}`),
		harness.Policy("acme-billing", `{match: {charts: ["oci://ghcr.io/acme/billing/**"]}, require: [{anyOf: [billing-release]}]}`),
		harness.Identity("any-workflow", `{keyless: {issuerRegExp: "https://token[.]actions[.]githubusercontent[.]com",
  subjectRegExp: "https://github[.]com/acme/charts/[.]github/workflows/[^/]+@refs/heads/main"}}`),
		harness.Policy("regexp", `{match: {charts: ["oci://ghcr.io/acme/regexp/*"]}, require: [{anyOf: [any-workflow]}]}`),
		harness.Policy("both", `{match: {charts: ["oci://ghcr.io/acme/both/*"]}, require: [{anyOf: [acme-release]}, {anyOf: [acme-breakglass]}]}`),
		harness.Policy("floating", `{match: {charts: ["oci://ghcr.io/acme/floating/*"]}, require: [{anyOf: [acme-release]}], pinning: Floating}`),
		harness.Policy("pinned", `{match: {charts: ["oci://ghcr.io/acme/pinned/*"]}, require: [{anyOf: [acme-release]}], pinning: Digest}`),
		harness.Policy("warning", `{match: {charts: ["oci://ghcr.io/acme/warn/*"]}, require: [{anyOf: [acme-release]}], mode: Warn}`),
		harness.Policy("ended", `{match: {charts: ["https://charts.ended.example/**"]}, allowUnverified: {reason: moving, until: "2020-12-31"}}`),
		// Two policies on one chart.
		harness.Policy("billing-too", `{match: {charts: ["oci://ghcr.io/acme/billing/**"], exclude: ["oci://ghcr.io/acme/billing/invoice"]}, require: [{anyOf: [acme-release]}]}`),
	}, "\n---\n")
}

// What the policies want, as messages say it.
const (
	wantsRelease = "a signature by acme-release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, " +
		"issuer https://token.actions.githubusercontent.com, sourceRepositoryURI https://github.com/acme/charts)"
	wantsBreakglass = "acme-breakglass (key sha256:<key of acme>)"
	acmeWants       = "acme-charts requires " + wantsRelease + " or " + wantsBreakglass

	// Signers whom messages name.
	byRelease = "subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
	byMallory = "subject https://github.com/mallory/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
)
