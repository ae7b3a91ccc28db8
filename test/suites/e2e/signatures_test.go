package e2e_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestSignedChartsAreAdmitted: in every format, by the real tools, with and without the registry's
// referrers API.
func TestSignedChartsAreAdmitted(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	var rows []row
	for repository, api := range map[string]string{"acme": "with the referrers API", "quay": "without the referrers API"} {
		for sentence, reference := range map[string][2]string{
			"a keyless bundle":                                  {"podinfo", "6.7.1"},
			"a keyless legacy signature":                        {"legacy", "1.0.0"},
			"a key's bundle by cosign 3":                        {"key3", "1.0.0"},
			"a key's legacy signature by cosign 2":              {"key2", "1.0.0"},
			"a good bundle beside signatures of strangers":      {"crowded", "1.0.0"},
			"a good legacy signature beside those of strangers": {"crowded-legacy", "1.0.0"},
		} {
			rows = append(rows, row{
				sentence: sentence + ", in a registry " + api,
				object:   releaseFrom(repository, reference[0], reference[1]),
				want:     harness.Admitted(),
			})
		}
	}
	w.check(t, append(rows, []row{
		{
			sentence: "a key's legacy signature beside a stranger's attestation, which cosign itself refuses",
			object:   releaseOf("mixed", "1.0.0"),
		},
		{
			sentence: "an identity by regular expressions",
			object:   releaseFrom("team", "regexp/app", "1.0.0"),
		},
		{
			sentence: "two signatures where both are required",
			object:   releaseFrom("team", "both/app", "1.0.0"),
		},
		{
			sentence: "a version with build metadata, whose tag is spelled with an underscore",
			object:   releaseOf("podinfo", "6.9.0+build.1"),
		},
	}...))
}

// TestUnsignedChartsAreDenied, whatever else is attached to them.
func TestUnsignedChartsAreDenied(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	w.check(t, []row{
		{
			sentence: "no signature at all",
			object:   releaseOf("unsigned", "1.0.0"),
			want:     unsigned("HelmRelease apps/app", "spec.chart.spec", unsignedChart),
		},
		{
			sentence: "no signature at all, in a registry without the referrers API",
			object:   releaseFrom("quay", "bare", "1.0.0"),
			want: harness.Denied("SignatureMissing spec.chart.spec", `
HelmRelease apps/app denied (SignatureMissing): oci://quay.io/acme/charts/bare:1.0.0@sha256:<bare:1.0.0> has no signature
  where:    spec.chart.spec
  policy:   quay-charts requires `+wantsRelease+` or `+wantsBreakglass+`
  found:    0 bundles, 0 legacy signatures
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes quay.io/acme/charts/bare@sha256:<bare:1.0.0>`),
		},
		{
			sentence: "a stranger's bundle",
			object:   releaseOf("stranger", "1.0.0"),
			want: harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/stranger:1.0.0@sha256:<stranger:1.0.0> is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    1 bundle, 0 legacy signatures
  found:    signed by `+byMallory+`, sourceRepositoryURI https://github.com/mallory/charts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/stranger@sha256:<stranger:1.0.0>`),
		},
		{
			sentence: "a stranger's legacy signature",
			object:   releaseOf("stranger-legacy", "1.0.0"),
			want: harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/stranger-legacy:1.0.0@sha256:<stranger-legacy:1.0.0> is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    0 bundles, 1 legacy signature
  found:    signed by `+byMallory+`, sourceRepositoryURI https://github.com/mallory/charts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/stranger-legacy@sha256:<stranger-legacy:1.0.0>`),
		},
		{
			sentence: "a bundle by a stranger's key",
			object:   releaseOf("stranger-key3", "1.0.0"),
			want: harness.Denied("SignatureInvalid spec.chart.spec", `
HelmRelease apps/app denied (SignatureInvalid): oci://ghcr.io/acme/charts/stranger-key3:1.0.0@sha256:<stranger-key3:1.0.0> has no signature that could be verified
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    1 bundle, 0 legacy signatures
  found:    not usable: made with a key that no policy trusts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/stranger-key3@sha256:<stranger-key3:1.0.0>`),
		},
		{
			sentence: "a legacy signature by a stranger's key",
			object:   releaseOf("stranger-key2", "1.0.0"),
			want: harness.Denied("SignatureInvalid spec.chart.spec", `
HelmRelease apps/app denied (SignatureInvalid): oci://ghcr.io/acme/charts/stranger-key2:1.0.0@sha256:<stranger-key2:1.0.0> has no signature that could be verified
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    0 bundles, 1 legacy signature
  found:    not usable: made with a key that no policy trusts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/stranger-key2@sha256:<stranger-key2:1.0.0>`),
		},
		{
			sentence: "strangers in every format",
			object:   releaseOf("strangers", "1.0.0"),
			want: harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/strangers:1.0.0@sha256:<strangers:1.0.0> is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    3 bundles, 2 legacy signatures
  found:    signed by `+byMallory+`, sourceRepositoryURI https://github.com/mallory/charts
  found:    attested, not signed, by `+byMallory+`, sourceRepositoryURI https://github.com/mallory/charts
  found:    not usable: made with a key that no policy trusts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/strangers@sha256:<strangers:1.0.0>`),
		},
		{
			sentence: "an attestation by the right person",
			object:   releaseOf("attested", "1.0.0"),
			want: harness.Denied("SignatureMissing spec.chart.spec", `
HelmRelease apps/app denied (SignatureMissing): oci://ghcr.io/acme/charts/attested:1.0.0@sha256:<attested:1.0.0> has no signature
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    1 bundle, 0 legacy signatures
  found:    attested, not signed, by `+byRelease+`, sourceRepositoryURI https://github.com/acme/charts
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/attested@sha256:<attested:1.0.0>`),
		},
		{
			sentence: "the right person, in a repository where another person must sign",
			object:   releaseFrom("team", "billing/invoice", "1.0.0"),
			want: harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/billing/invoice:1.0.0@sha256:<invoice:1.0.0> is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   acme-billing requires a signature by billing-release (subject https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com)
  found:    1 bundle, 0 legacy signatures
  found:    signed by `+byRelease+`, sourceRepositoryURI https://github.com/acme/charts
  next:     the workflow https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/billing/invoice@sha256:<invoice:1.0.0>`),
		},
		{
			sentence: "a good legacy signature of another chart, copied to this one",
			object:   releaseOf("copied-legacy", "1.0.0"),
			want: harness.Denied("SignatureInvalid spec.chart.spec", `
HelmRelease apps/app denied (SignatureInvalid): oci://ghcr.io/acme/charts/copied-legacy:1.0.0@sha256:<copied-legacy:1.0.0> has no signature that could be verified
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    0 bundles, 1 legacy signature
  found:    not usable: made for another digest
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/copied-legacy@sha256:<copied-legacy:1.0.0>`),
		},
		{
			sentence: "a good bundle of another chart, attached to this one",
			object:   releaseOf("copied-bundle", "1.0.0"),
			want: harness.Denied("SignatureInvalid spec.chart.spec", `
HelmRelease apps/app denied (SignatureInvalid): oci://ghcr.io/acme/charts/copied-bundle:1.0.0@sha256:<copied-bundle:1.0.0> has no signature that could be verified
  where:    spec.chart.spec
  policy:   `+acmeWants+`
  found:    1 bundle, 0 legacy signatures
  found:    not usable: made for another digest
  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/copied-bundle@sha256:<copied-bundle:1.0.0>`),
		},
		{
			sentence: "one signature where two are required",
			object:   releaseFrom("team", "both/half", "1.0.0"),
			want: harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/both/half:1.0.0@sha256:<half:1.0.0> has only some of the signatures that the policy requires
  where:    spec.chart.spec
  policy:   both requires `+wantsRelease+`, and a signature by `+wantsBreakglass+`
  found:    1 bundle, 0 legacy signatures
  found:    signed by `+byRelease+`, sourceRepositoryURI https://github.com/acme/charts
  next:     the holder of acme-breakglass must sign it: cosign sign --yes --key cosign.key --use-signing-config=false --tlog-upload=false ghcr.io/acme/both/half@sha256:<half:1.0.0>`),
		},
	})
}

// TestDenialIsNotCached: a denial is never remembered.
func TestDenialIsNotCached(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	object := w.Object(t, releaseOf("late", "1.0.0"))
	if got := w.try(t, object, false); len(got.Causes) != 1 || got.Causes[0] != "SignatureMissing spec.chart.spec" {
		t.Fatalf("before: %+v", got)
	}
	digest := w.digest("ghcr.io/acme/charts/late:1.0.0")
	if err := cosign3("acme")(t.Context(), w.shop, "ghcr.io", "acme/charts/late", digest); err != nil {
		t.Fatal(err)
	}
	if got := w.try(t, object, false); len(got.Causes) > 0 {
		t.Errorf("after: %s", got.Message)
	}
}
